# SPDX-License-Identifier: Apache-2.0
"""The `pybernetes` command: one file per verb, each imported only when it is run."""

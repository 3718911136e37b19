# SPDX-License-Identifier: Apache-2.0
"""Jobs: pods that run to completion, each counted exactly once."""

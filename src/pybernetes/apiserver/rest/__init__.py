# SPDX-License-Identifier: Apache-2.0
"""The verbs: one file each; `registry` is their table."""

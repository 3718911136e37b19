# SPDX-License-Identifier: Apache-2.0
"""Container logs in CRI's format: lines, reading and following, rotation."""

# SPDX-License-Identifier: Apache-2.0
"""What every cluster has from the start, written in one transaction."""

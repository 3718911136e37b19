# SPDX-License-Identifier: Apache-2.0
"""The batch group's kinds."""

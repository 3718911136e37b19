# SPDX-License-Identifier: Apache-2.0
"""The policy group's kinds."""

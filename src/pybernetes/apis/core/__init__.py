# SPDX-License-Identifier: Apache-2.0
"""The core group's kinds, and rules that several components share."""

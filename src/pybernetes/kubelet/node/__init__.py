# SPDX-License-Identifier: Apache-2.0
"""The Node object: what the machine is, how it is doing, and its lease."""

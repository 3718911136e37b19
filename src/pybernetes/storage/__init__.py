# SPDX-License-Identifier: Apache-2.0
"""The store: a small MVCC key-value contract (types.py) and its drivers."""

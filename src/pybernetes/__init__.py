# SPDX-License-Identifier: Apache-2.0
"""Kubernetes, written from scratch in Python. The map of the rooms is docs/architecture.md."""

__version__ = "0.1.0"

# SPDX-License-Identifier: Apache-2.0
"""Acting on pods: launching, killing, and the worker that applies the plan."""

# SPDX-License-Identifier: Apache-2.0
"""The controller manager: one folder per controller (plan.py decides, controller.py acts)."""

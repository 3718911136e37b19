# SPDX-License-Identifier: Apache-2.0
"""The controller manager: a file per controller, or a folder (plan.py decides, controller.py acts)."""

# SPDX-License-Identifier: Apache-2.0
"""One file per plugin, named as kube-scheduler names it; registry.py is the table and its order."""

# SPDX-License-Identifier: Apache-2.0
"""DaemonSets: one pod on every node that the template suits, updated node by node."""

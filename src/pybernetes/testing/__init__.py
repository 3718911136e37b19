# SPDX-License-Identifier: Apache-2.0
"""Public test tools: the pytest plugin, the in-process cluster, builders, suites for drivers."""

# SPDX-License-Identifier: Apache-2.0
"""The in-process cluster under its public name: `from pybernetes.testing.cluster import Cluster`."""

from pybernetes.cmd.in_memory import Cluster

__all__ = ["Cluster"]

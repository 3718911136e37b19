# SPDX-License-Identifier: Apache-2.0
"""Public names: `from pybernetes.testing.cluster import Cluster, parse_stages, read_stages`."""

from pybernetes.cmd.in_memory import Cluster
from pybernetes.cri.stagefile import parse as parse_stages
from pybernetes.cri.stagefile import read as read_stages
from pybernetes.cri.stages import Stages

__all__ = ["Cluster", "Stages", "parse_stages", "read_stages"]

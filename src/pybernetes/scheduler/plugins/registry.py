# SPDX-License-Identifier: Apache-2.0
"""The plugins, in the order in which they filter. Add a plugin: one file beside this one, one line here."""

from pybernetes.scheduler.plugins.balanced_allocation import NodeResourcesBalancedAllocation
from pybernetes.scheduler.plugins.node_affinity import NodeAffinity
from pybernetes.scheduler.plugins.node_name import NodeName
from pybernetes.scheduler.plugins.node_ports import NodePorts
from pybernetes.scheduler.plugins.node_unschedulable import NodeUnschedulable
from pybernetes.scheduler.plugins.resources_fit import NodeResourcesFit
from pybernetes.scheduler.plugins.taint_toleration import TaintToleration
from pybernetes.scheduler.types import Plugin

PLUGINS: tuple[Plugin, ...] = (
    NodeUnschedulable(),
    NodeName(),
    TaintToleration(),
    NodeAffinity(),
    NodePorts(),
    NodeResourcesFit(),
    NodeResourcesBalancedAllocation(),
)

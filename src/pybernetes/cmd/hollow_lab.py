# SPDX-License-Identifier: Apache-2.0
"""A lab on a machine that cannot run containers: hollow nodes of the same names."""

from collections.abc import Sequence

from pybernetes.base.env import Env
from pybernetes.client.types import Client
from pybernetes.cmd.hollow import HollowNode
from pybernetes.cmd.labconfig import LabConfig
from pybernetes.cmd.labjoin import Joining


async def introduced(env: Env, lab: LabConfig, client: Client) -> Sequence[HollowNode]:
    """Its nodes with labels, taints, capacity and addresses; the Node objects with their roles are made."""
    joining = Joining(env, client, b"")
    for node in lab.nodes:
        await joining.introduce(node)
    return [
        HollowNode(
            node.name,
            node.address,
            labels=node.own_labels,
            taints=node.all_taints,
            capacity=node.capacity,
        )
        for node in lab.nodes
    ]

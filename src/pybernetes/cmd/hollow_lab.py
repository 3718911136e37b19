# SPDX-License-Identifier: Apache-2.0
"""Hollow nodes in the place of others: of a lab on a machine that cannot run containers, of a fork's origin."""

import json
from collections.abc import Sequence
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.client.types import Client
from pybernetes.cmd.hollow import HollowNode
from pybernetes.cmd.labconfig import LabConfig
from pybernetes.cmd.labjoin import Joining
from pybernetes.storage import snapshot

NODES = "/registry/minions/"


async def introduced(env: Env, lab: LabConfig, client: Client) -> Sequence[HollowNode]:
    """Its nodes with labels, taints, capacity and addresses; the Node objects with their roles are made."""
    joining = Joining(env, client)
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


def remembered(path: Path) -> list[Object]:
    """Names and capacities of the nodes that a snapshot of a store knows. Raises StoreError."""
    known = [json.loads(record.value) for record in snapshot.read(path, NODES).records]
    return [
        {
            "name": node["metadata"]["name"],
            "capacity": (node.get("status") or {}).get("capacity", {}),
        }
        for node in known
    ]

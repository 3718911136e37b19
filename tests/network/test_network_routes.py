# SPDX-License-Identifier: Apache-2.0
"""Routes to the other nodes' pods: kept in step, and tried again where one could not be made."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pybernetes.base.env import Env
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.linux import links
from pybernetes.linux.commands import CommandError
from pybernetes.network.config import NetworkConfig
from pybernetes.network.network import NODES, Network


def node(name: str, pods: str, address: str) -> dict[str, Any]:
    status = {"addresses": [{"type": "InternalIP", "address": address}]}
    return {"metadata": {"name": name}, "spec": {"podCIDR": pods}, "status": status}


async def test_a_route_that_failed_is_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    made: dict[str, str] = {}
    down = SimpleNamespace(now=True)

    async def replace(pods: str, _via: str, address: str) -> None:
        if address == "192.0.2.3" and down.now:
            raise CommandError("Nexthop has invalid gateway")
        made[pods] = address

    async def delete(pods: str) -> None:
        del made[pods]

    monkeypatch.setattr(links, "replace_route", replace)
    monkeypatch.setattr(links, "delete_route", delete)
    informers = Informers(Env(), cast(Client, None))
    config = NetworkConfig("own", Path("/none"), Path("/none"), segment=True)
    network = Network(Env(), cast(Client, None), config, informers)
    nodes = [
        node("own", "p1", "192.0.2.1"),
        node("b", "p2", "192.0.2.2"),
        node("c", "p3", "192.0.2.3"),
    ]
    informers.get(NODES).replace(nodes, "1")
    await network._route_peers()
    assert made == {"p2": "192.0.2.2"}
    down.now = False
    await network._route_peers()
    assert made == {"p2": "192.0.2.2", "p3": "192.0.2.3"}
    informers.get(NODES).replace(nodes[::2], "2")
    await network._route_peers()
    assert made == {"p3": "192.0.2.3"}

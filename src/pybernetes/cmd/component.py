# SPDX-License-Identifier: Apache-2.0
"""One component alone, against a kubeconfig over HTTPS (`pybernetes component NAME`).

Or the API server alone, on a data directory, where it leaves that kubeconfig.
"""

import asyncio
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from pybernetes.client.kubeconfig import ClusterConfig as Access
from pybernetes.cmd.process import run
from pybernetes.cri.stages import Stages

API_SERVER = "apiserver"


@dataclass(frozen=True, slots=True)
class ComponentConfig:
    """`kubeconfig`'s user is who the component is; one identity for all controllers.

    The API server takes `data_dir` instead; the controller manager signs with the CA that is there.
    """

    name: str
    kubeconfig: Path = Path()
    data_dir: Path = Path()
    node_name: str = "node"
    nodes: int = 1  # hollow nodes: NAME-0, NAME-1, ... where there are several
    address: str = "127.0.0.1"
    port: int = 0
    stages: Stages | None = None  # of hollow nodes
    etcd: Mapping[str, Any] = field(default_factory=dict)  # the API server's settings of that name


async def _apiserver(env: Env, config: ComponentConfig) -> None:
    from pybernetes.apiserver.server import ApiServer
    from pybernetes.cmd import all_in_one
    from pybernetes.cmd.config import ClusterConfig

    config.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    cluster = ClusterConfig(config.data_dir, **config.etcd)
    port = all_in_one.free_port(config.port or cluster.port)
    async with (
        all_in_one.surroundings(env, cluster) as (keys, store, nodes),
        TaskGroup("apiserver") as group,
    ):
        server = ApiServer(env, all_in_one.api_config(cluster, keys, port), store, nodes)
        group.start(server.run(), "run")
        await server.wait_ready()
        listener = await all_in_one.serve_api(env, server.handler, keys, config.address, port=port)
        all_in_one.write_kubeconfig(cluster, keys, f"https://{config.address}:{port}")
        try:
            await asyncio.get_running_loop().create_future()  # until cancelled
        finally:
            await listener.close(grace=1.0)


async def _scheduler(env: Env, access: Access, config: ComponentConfig) -> None:
    from pybernetes.scheduler.scheduler import Scheduler

    await Scheduler(env, Https(env, access)).run()


async def _controller_manager(env: Env, access: Access, config: ComponentConfig) -> None:
    from pybernetes.controllers.config import ControllersConfig
    from pybernetes.controllers.manager import Manager

    client = Https(env, access)
    signing_ca = tls.load(config.data_dir / "pki", "ca")  # if it is on this machine
    controllers = ControllersConfig(root_ca=access.ca.decode(), signing_ca=signing_ca)
    await Manager(env, lambda _account: client, controllers).run()


async def _hollow_node(env: Env, access: Access, config: ComponentConfig) -> None:
    from pybernetes.cmd.hollow import HollowFleet, numbered
    from pybernetes.cmd.hollow_listener import FleetListener

    client = Https(env, access)
    listener = FleetListener(env, client, access.ca)
    server = await listener.listen(config.address, config.port)
    nodes = [
        replace(node, address=config.address, port=server.port)
        for node in numbered(config.nodes, config.node_name)
    ]
    listener.fleet = fleet = HollowFleet(env, lambda _user: client, nodes, stages=config.stages)
    try:
        async with TaskGroup("hollow nodes") as group:
            group.start(fleet.run(), "fleet")
            await fleet.wait_ready()
            group.start(listener.run(), "certificates")
    finally:
        await server.close()
        await client.close()


async def _proxy(env: Env, access: Access, config: ComponentConfig) -> None:
    from pybernetes.proxy.config import ProxyConfig
    from pybernetes.proxy.proxy import Proxy

    await Proxy(env, Https(env, access), ProxyConfig(config.node_name)).run()


async def _dns(env: Env, access: Access, config: ComponentConfig) -> None:
    from pybernetes.dns.config import DnsConfig
    from pybernetes.dns.server import Dns

    settings = DnsConfig(config.node_name, config.address, config.port or 53)
    await Dns(env, Https(env, access), settings).run()


COMPONENTS: Mapping[str, Callable[[Env, Access, ComponentConfig], Coroutine[None, None, None]]] = {
    "scheduler": _scheduler,
    "controller-manager": _controller_manager,
    "hollow-node": _hollow_node,
    "proxy": _proxy,
    "dns": _dns,
}


def main(config: ComponentConfig) -> int:
    """Run the component until SIGTERM; the exit code. Raises Told, OSError."""
    if config.name == API_SERVER:
        return run(lambda env: _apiserver(env, config))
    access = kubeconfig.load(config.kubeconfig)
    return run(lambda env: COMPONENTS[config.name](env, access, config))

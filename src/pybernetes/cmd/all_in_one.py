# SPDX-License-Identifier: Apache-2.0
"""The whole cluster in one process (`python -m pybernetes.cmd.all_in_one DATA_DIR`).

Progress goes to a file descriptor, a line each, ending with "ready" or "error: what and why".
"""

import argparse
import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from typing import IO, TYPE_CHECKING
from urllib.parse import urlsplit

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.config import Config as ApiConfig
from pybernetes.base import files, gcpolicy, tls
from pybernetes.base.env import Env
from pybernetes.base.errors import Told
from pybernetes.base.tasks import TaskGroup, gather_ordered
from pybernetes.client import kubeconfig
from pybernetes.cmd import addons, control
from pybernetes.cmd.config import ClusterConfig, read_json
from pybernetes.cmd.control import Report
from pybernetes.cmd.control_plane import ControlPlane, ControlPlaneConfig
from pybernetes.cmd.labconfig import API_PORT, ConfigError, is_lab
from pybernetes.cmd.nodes import Nodes, ready_since
from pybernetes.cmd.pki import Pki, ensure
from pybernetes.cmd.process import run
from pybernetes.cmd.stores import REQUESTS, opened
from pybernetes.controllers.config import ControllersConfig
from pybernetes.machine.detect import Missing, detect
from pybernetes.network.network import check_free
from pybernetes.storage.types import Store
from pybernetes.wire.server import Server, serve
from pybernetes.wire.types import Handler

if TYPE_CHECKING:
    from pybernetes.cmd.lab import Lab

NODES = GVR("", "v1", "nodes")


def api_config(config: ClusterConfig, pki: Pki, port: int) -> ApiConfig:
    return ApiConfig(
        advertise_address=config.gateway,
        advertise_port=API_PORT if config.lab else port,
        service_cluster_ip_range=config.service_cidr,
        service_account_issuer=f"https://kubernetes.default.svc.{config.domain}",
        service_account_signing_key=pki.service_account,
        service_account_keys=(tls.public_key(pki.service_account),),
        client_ca=pki.ca.certificate,
        requestheader_client_ca=pki.front_proxy_ca.certificate,
        audit_log_path=str(config.data_dir / "audit.log") if config.audit_log else "",
    )


def choose_port(config: ClusterConfig) -> int:
    """The port asked for; where any will do, the last one if it is still free. Raises ConfigError."""
    with contextlib.suppress(OSError, ValueError, KeyError, ConfigError):
        if not config.port:
            state = json.loads((config.data_dir / "state.json").read_text())
            return free_port(urlsplit(state["server"]).port or 0)
    return free_port(config.port)


def free_port(port: int) -> int:
    """The port to serve on: the one asked for, if it is free, or any. Raises ConfigError."""
    try:
        with socket.create_server(("127.0.0.1", port)) as probe:
            return int(probe.getsockname()[1])
    except OSError as error:
        raise ConfigError(
            f"port {port} is taken or not allowed ({error.strerror or error}): "
            "choose another with --port, or --port 0 for any free one"
        ) from error


async def settled(data_dir: Path) -> ClusterConfig:
    """The configuration; ranges and a lab's addresses are chosen and recorded. Raises ConfigError."""
    found = read_json(data_dir)
    is_new = not (data_dir / "state.json").exists()  # an older one keeps its ranges
    if (is_lab(found) or (is_new and found.get("node") != "hollow")) and not detect():
        from pybernetes.cmd import labplace

        await labplace.settle(data_dir)
    return ClusterConfig.read(data_dir)


def write_kubeconfig(config: ClusterConfig, pki: Pki, server: str) -> Path:
    """The administrator's kubeconfig in the data directory."""
    path = config.data_dir / "admin.kubeconfig"
    kubeconfig.merge_context(
        path,
        config.node_name,
        {"server": server, "certificate-authority-data": kubeconfig.inline(pki.ca.certificate)},
        {
            "client-certificate-data": kubeconfig.inline(pki.admin.certificate),
            "client-key-data": kubeconfig.inline(pki.admin.key),
        },
    )
    return path


async def serve_api(
    env: Env, handler: Handler, pki: Pki, address: str = "127.0.0.1", *, port: int
) -> Server:
    """An HTTPS listener of the API server; clients may show certificates of the cluster's CAs."""
    cas = pki.ca.certificate + pki.front_proxy_ca.certificate
    context = tls.server_context(pki.apiserver, cas)
    return await serve(env, handler, address, port, ssl_context=context)


@contextlib.asynccontextmanager
async def surroundings(env: Env, config: ClusterConfig) -> AsyncIterator[tuple[Pki, Store, Nodes]]:
    """What an API server stands on: keys, the store, the way to nodes. Raises Told, OSError."""
    pki = await env.offload.run(ensure, config, env.clock)
    nodes = Nodes(env, tls.client_context(pki.ca.certificate, pki.kubelet_client))
    async with opened(env, config) as store:
        try:
            yield pki, store, nodes
        finally:
            await nodes.close()


class AllInOne:
    """One cluster: store, control plane, listeners, node."""

    def __init__(self, env: Env, config: ClusterConfig, report: Report) -> None:
        self._env = env
        self._config = config
        self._report = report
        self._servers: list[Server] = []
        self._missing: list[Missing] = []
        self._lab: Lab | None = None

    async def run(self) -> None:
        """Run until cancelled. Raises Told, OSError."""
        config = self._config
        async with surroundings(self._env, config) as (self._pki, store, self._nodes):
            self._port = choose_port(config)
            self._plane = ControlPlane(
                self._env,
                store,
                self._nodes,
                ControlPlaneConfig(
                    api=api_config(config, self._pki, self._port),
                    controllers=ControllersConfig(
                        root_ca=self._pki.ca.certificate.decode(),
                        signing_ca=self._pki.ca,
                        approve_kubelet_serving=config.lab is not None,
                        cluster_cidrs=(config.cluster_cidr,),
                    ),
                ),
            )
            try:
                await self._work(store)
            finally:
                await gather_ordered(server.close(grace=1.0) for server in self._servers)

    async def _work(self, store: Store) -> None:
        plane = self._plane
        async with TaskGroup("all in one") as group:
            self._prepare(group)
            group.start(plane.run(), "control plane")
            await plane.wait_ready()
            await self._serve("127.0.0.1", self._port)
            await addons.ensure(plane.client())
            group.start(self._take_requests(store), "control")
            self._settle(await self._start_node(group))
            gcpolicy.freeze()
            await asyncio.get_running_loop().create_future()  # until cancelled

    def _prepare(self, group: TaskGroup) -> None:
        """What nodes there will be; start what takes time. Raises ConfigError."""
        config = self._config
        self._missing = detect() if config.node != "hollow" else []
        if config.node == "containerd" and self._missing:
            raise ConfigError("; ".join(str(item) for item in self._missing))
        if config.lab is not None and config.node != "hollow" and not self._missing:
            from pybernetes.cmd.lab import Lab

            self._lab = Lab(self._env, config, self._plane.client())
            group.start(self._lab.seed.ensure(), "seed")

    async def _start_node(self, group: TaskGroup) -> str:
        """Start the node, or the lab's; a phrase that says what they are."""
        config = self._config
        if self._lab is not None:
            return await self._start_lab(self._lab, group)
        if config.node == "hollow" or self._missing:
            return await self._start_hollow(group)
        from pybernetes.cmd.node import RealNode, node_config

        self._report("starting containerd")
        agents = node_config(config)
        await check_free(agents.network)
        context = tls.server_context(self._pki.kubelet, self._pki.ca.certificate)
        node = RealNode(self._env, self._plane.client, agents, context=context)
        self._nodes.add_local(config.node_name, node.kubelet.handler)
        group.start(node.run(), "node")
        await node.network_ready.wait()
        await self._serve(config.gateway, self._port)
        await self._wait_node_ready()
        return f"node {config.node_name} runs containers (containerd)"

    async def _serve(self, address: str, port: int) -> None:
        handler = self._plane.api.handler
        self._servers.append(await serve_api(self._env, handler, self._pki, address, port=port))

    async def _start_hollow(self, group: TaskGroup) -> str:
        from pybernetes.cmd.hollow import HollowFleet, HollowNode, introduced, numbered

        config, client = self._config, self._plane.client
        wanted: Sequence[HollowNode] = [HollowNode(**one) for one in config.hollow_nodes]
        wanted = wanted or numbered(config.nodes, config.node_name)
        if config.lab is not None:
            wanted = await introduced(self._env, config.lab, client())
        cache = client(shared=True)
        fleet = HollowFleet(self._env, client, wanted, cache=cache, stages=config.stages())
        for name, handler in fleet.handlers.items():
            self._nodes.add_local(name, handler)
        group.start(fleet.run(), "hollow nodes")
        await self._wait_node_ready()
        return f"{len(fleet.handlers)} hollow node(s): pods are simulated, nothing is started"

    async def _start_lab(self, lab: "Lab", group: TaskGroup) -> str:
        await addons.ensure(self._plane.client(), "lab.json")
        await lab.set_up()
        await self._serve(self._config.gateway, API_PORT)
        count = len(lab.settings.nodes)
        self._report(f"starting {count} nodes")
        group.start(lab.run(), "lab")
        await lab.wait_ready(self._report)
        return f"{count} nodes run containers (containerd)"

    async def _wait_node_ready(self) -> None:
        self._report("waiting for the node to be Ready")
        async for event in self._plane.client().watch(NODES):
            if ready_since(event.object):
                return

    async def _take_requests(self, store: Store) -> None:
        async def handle(request: Object, report: Report) -> None:
            if request["do"] in REQUESTS:
                await REQUESTS[request["do"]](self._env, store, request, report)
            elif self._lab is not None:
                await self._lab.handle(request, report)
            else:
                raise ConfigError(
                    "the nodes of this cluster are in one process: they cannot be changed"
                )

        await control.serve(self._config.data_dir, handle)

    def _settle(self, node: str) -> None:
        """Write admin.kubeconfig and state.json, then say that we are ready."""
        config = self._config
        server = f"https://127.0.0.1:{self._port}"
        path = write_kubeconfig(config, self._pki, server)
        state = {
            "server": server,
            "node": node,
            "hints": [f"hollow: {item}" for item in self._missing],
            "kubeconfig": str(path),
            "pid": os.getpid(),
            "since": rfc3339(self._env.clock.now()),
        }
        files.write_json(config.data_dir / "state.json", state)
        self._report("ready")


def main() -> int:
    """Parse the command line and run; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m pybernetes.cmd.all_in_one")
    parser.add_argument("data_dir", type=Path)
    parser.add_argument("--report", type=int, default=-1, help="descriptor for progress lines")
    options = parser.parse_args()
    sink: IO[str] = sys.stderr
    if options.report >= 0:
        os.set_inheritable(options.report, False)  # containerd outlives us, our pipe must not
        sink = os.fdopen(options.report, "w")

    def report(line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # nobody listens any more
            print(line, file=sink, flush=True)
            if line == "ready" and sink is not sys.stderr:
                sink.close()

    def failed(text: str) -> int:
        print(f"pybernetes: {text}", file=sys.stderr)
        report(f"error: {text}")
        return 1

    async def work(env: Env) -> None:
        config = await settled(options.data_dir)
        await AllInOne(env, config, report).run()

    try:
        with files.hold(options.data_dir / "pybernetes.pid"):  # until the process ends
            return run(work)
    except BlockingIOError:
        return failed(f"{options.data_dir} is in use by another process")
    except (Told, OSError) as error:
        return failed(" ".join(str(error).split()))


if __name__ == "__main__":
    sys.exit(main())

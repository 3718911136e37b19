# SPDX-License-Identifier: Apache-2.0
"""A lab as the main process sees it: a segment, and nodes that are processes of their own.

Node processes outlive us; those that run are adopted. One that ends unasked is started again.
"""

import asyncio
import contextlib
import fcntl
import hashlib
import os
import sys
from pathlib import Path

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs, tls
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labconfig import ConfigError, LabNode, resolve
from pybernetes.cmd.labsettings import API_PORT, LINK, Settings
from pybernetes.cmd.pki import Pki
from pybernetes.linux import cgroups, hosts, links, namespaces
from pybernetes.linux.processes import wait_end
from pybernetes.network import segment
from pybernetes.network.segment import SegmentConfig

NODES = GVR("", "v1", "nodes")
RESTART_DELAY = 0.5
_log = logs.get("lab")


async def settle(data_dir: Path, asked: Object) -> Object:
    """config.json with every range and address chosen. Raises ConfigError, CommandError."""
    config = ClusterConfig.read(data_dir)
    taken = await segment.taken(config.bridge)
    avoid = []
    for other in data_dir.parent.glob("*/config.json"):
        if other.parent != data_dir:
            with contextlib.suppress(ConfigError):
                avoid += ClusterConfig.read(other.parent).networks
    return resolve(asked, taken, avoid)


def segment_config(config: ClusterConfig) -> SegmentConfig:
    """The lab's bridge and rules on this host."""
    assert config.lab is not None
    return SegmentConfig(
        bridge=config.bridge,
        table=f"pybernetes-{config.slug}-lab",
        network=config.lab.network,
        address=config.lab.gateway,
        cluster_cidr=config.cluster_cidr,
        service_cidr=config.service_cidr,
    )


def node_dir(config: ClusterConfig, name: str) -> Path:
    return config.data_dir / "nodes" / name


def pins(config: ClusterConfig, name: str = "") -> Path:
    """Where the namespaces of a node (or of all) are pinned."""
    return config.data_dir / "ns" / name


def mark(config: ClusterConfig) -> str:
    """Our block in /etc/hosts."""
    return f"pybernetes {config.name} {config.slug}"


def link(config: ClusterConfig, name: str) -> str:
    """The host's end of a node's link (15 characters at most)."""
    return f"{segment.LINKS}{hashlib.sha256(f'{config.slug}/{name}'.encode()).hexdigest()[:10]}"


def cgroup(config: ClusterConfig, name: str) -> str:
    return f"{config.cgroup_root}/{name}"


def running(config: ClusterConfig, name: str) -> int:
    """The process of a node; 0 if none runs (a stale file does not count)."""
    try:
        with (node_dir(config, name) / "node.pid").open("r+") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(held.read().strip() or "0")
    except FileNotFoundError:
        pass
    return 0


class Lab:
    """`set_up`, then `run` until cancelled. `client` is the administrator's."""

    def __init__(self, env: Env, config: ClusterConfig, pki: Pki, client: Client) -> None:
        assert config.lab is not None
        self._env, self._config, self._lab = env, config, config.lab
        self._pki, self._client = pki, client
        self._segment = segment_config(config)
        self._informers = Informers(env, client)
        self._nodes = self._informers.get(NODES)
        self._changed = asyncio.Event()
        self._nodes.on_change(lambda _old, _new: self._changed.set())

    async def set_up(self) -> None:
        """The segment, before anybody listens on it. Raises CommandError, OSError."""
        await segment.set_up(self._segment)
        namespaces.prepare(pins(self._config))
        addresses = {node.name: node.address for node in self._lab.nodes}
        hosts.write(mark(self._config), addresses)

    async def run(self) -> None:
        """Keep all nodes and the routes to their pods until cancelled; the nodes go on."""
        async with TaskGroup("lab") as group:
            group.start(self._informers.run(), "informers")
            group.start(self._route(), "routes")
            for node in self._lab.nodes:
                group.start(self._keep(node), node.name)

    async def wait_ready(self) -> None:
        """Until every node is Ready."""
        names = {node.name for node in self._lab.nodes}
        while not names <= {
            node["metadata"]["name"] for node in self._nodes.items() if is_ready(node)
        }:
            self._changed.clear()
            await self._changed.wait()

    async def _route(self) -> None:
        routes: dict[str, str] = {}
        changed = asyncio.Event()
        self._nodes.on_change(lambda _old, _new: changed.set())
        while True:
            await changed.wait()
            changed.clear()
            wanted = {}
            for node in self._nodes.items():
                ours = self._lab.node(node["metadata"]["name"])
                if ours is not None and (pods := node["spec"].get("podCIDR")):
                    wanted[pods] = ours.address
            await segment.route_pods(self._segment, routes, wanted)
            routes = wanted

    async def _keep(self, node: LabNode) -> None:
        """Start the node's process, or adopt it, again and again."""
        await self._introduce(node)
        while True:
            pid = running(self._config, node.name) or await self._start(node)
            await wait_end(pid)
            _log.warning("A node's process ended; it is started again", node=node.name)
            await asyncio.sleep(RESTART_DELAY)

    async def _introduce(self, node: LabNode) -> None:
        """Make the Node with its labels and taints: a role is not a kubelet's to claim."""
        wanted: Object = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": node.name, "labels": node.all_labels},
            "spec": {"taints": node.all_taints},
        }
        try:
            await self._client.create(NODES, wanted)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _start(self, node: LabNode) -> int:
        """Everything of the node that we make on the host, then its process; the process."""
        config, folder = self._config, node_dir(self._config, node.name)
        self._settings(node).write(folder)
        self._credentials(node, folder)
        cgroups.configure(cgroup(config, node.name), _limits(node))
        pinned = pins(config, node.name)
        if await namespaces.pin(pinned):
            await links.delete_link(link(config, node.name))
        await links.ensure_veth(link(config, node.name), config.bridge, LINK, pinned / "net")
        return self._spawn(node.name, folder)

    def _settings(self, node: LabNode) -> Settings:
        config, length = self._config, self._lab.network.partition("/")[2]
        return Settings(
            name=node.name,
            address=f"{node.address}/{length}",
            gateway=self._lab.gateway,
            server=f"https://{self._lab.gateway}:{API_PORT}",
            cluster_cidr=config.cluster_cidr,
            service_cidr=config.service_cidr,
            dns_ip=config.dns_ip,
            domain=config.domain,
            cgroup=cgroup(config, node.name),
            labels=node.own_labels,
            taints=list(node.all_taints),
            capacity=node.capacity,
            hosts={one.name: one.address for one in self._lab.nodes},
        )

    def _credentials(self, node: LabNode, folder: Path) -> None:
        name = f"system:node:{node.name}"
        client = tls.Subject(name, ["system:nodes"])
        server = tls.Subject(name, ["system:nodes"], dns=[node.name], ips=[node.address])
        ca, clock = self._pki.ca, self._env.clock
        tls.save(tls.issue(ca, client, clock, usages=("client",)), folder / "pki", "kubelet-client")
        tls.save(tls.issue(ca, server, clock, usages=("server",)), folder / "pki", "kubelet")
        tls.write_private(folder / "pki" / "ca.crt", ca.certificate)

    def _spawn(self, name: str, folder: Path) -> int:
        command = namespaces.joining(pins(self._config, name))
        command += [
            sys.executable,
            "-m",
            "pybernetes.cmd.lab_node",
            str(self._config.data_dir),
            name,
        ]
        log = os.O_WRONLY | os.O_CREAT | os.O_APPEND
        return os.posix_spawnp(
            command[0],
            command,
            os.environ,
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(folder / "node.log"), log, 0o600),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )


def _limits(node: LabNode) -> cgroups.Limits:
    cpu = quantity.parse(node.cpu).to_milli() * cgroups.PERIOD // 1000 if node.cpu else -1
    return cgroups.Limits(
        quota=cpu, memory=quantity.parse(node.memory).to_int() if node.memory else -1
    )


def is_ready(node: Object) -> bool:
    """Whether a Node says that it is Ready."""
    conditions = (node.get("status") or {}).get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


async def clean_up(config: ClusterConfig) -> list[str]:
    """End all nodes and remove what the lab made on this host, its state not; what is left."""
    left: list[str] = []
    for _ in range(50):
        cgroups.kill(config.cgroup_root)
        with contextlib.suppress(OSError):
            for folder in sorted(pins(config).iterdir()):
                namespaces.unpin(folder)
                folder.rmdir()
        left = [] if cgroups.remove(config.cgroup_root) else [f"cgroup {config.cgroup_root}"]
        if not left:
            break
        await asyncio.sleep(0.05)
    namespaces.unpin(pins(config))
    await segment.clean_up(segment_config(config))
    hosts.write(mark(config), {})
    return left

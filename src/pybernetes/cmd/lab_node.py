# SPDX-License-Identifier: Apache-2.0
"""Nodes of a lab, each in its own namespaces (`python -m pybernetes.cmd.lab_node DATA_DIR NAME...`).

Everything it needs to know is in its folder (node.json, pki/), so that it goes on, and can be
started again, without the main process. Its containerd and containers outlive it.
"""

import asyncio
import fcntl
import gc
import importlib
import os
import shutil
import socket
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from pybernetes.apimachinery.types import Object
from pybernetes.base import gcpolicy
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.cmd.labsettings import LINK, SHUT_DOWN, Settings
from pybernetes.cmd.node import SHUT_DOWN_GRACE, RealNode, node_config
from pybernetes.cmd.node_certificates import NodeCertificates
from pybernetes.cmd.process import run
from pybernetes.linux import cgroups, hosts, links, namespaces
from pybernetes.machine import disk
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.network.network import NODES, peers

LOADED_LATER = ("uvloop", "grpc.aio")  # by every node, but not when our modules are imported
_LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


async def _set_up_link(settings: Settings) -> None:
    await links.set_up("lo", up=True)
    await links.add_address(LINK, settings.address)
    await links.set_up(LINK, up=True)
    await links.replace_route("default", "via", settings.gateway)


async def work(env: Env, settings: Settings, node_dir: Path) -> None:
    """Be the node until cancelled."""
    await _set_up_link(settings)
    certificates = NodeCertificates(env, settings, node_dir / "pki")
    api = await certificates.client()
    informers = Informers(env, api)
    nodes = informers.get(NODES)
    own = {settings.name: settings.ip}

    def name_nodes() -> None:
        found = {node["metadata"]["name"]: ip for node in nodes.items() for ip in _address(node)}
        hosts.write("pybernetes", settings.hosts | found | own)

    if disk.is_own("/etc"):
        nodes.on_change(lambda _old, _new: name_nodes())
    node = RealNode(
        env,
        lambda _user: api,
        node_config(settings, node_dir),
        context=await certificates.serving(),
        ca=settings.ca.encode(),
        informers=informers,
    )
    async with TaskGroup("lab node") as group:
        group.start(node.run(), "node")
        group.start(certificates.run(), "certificates")
        group.start(_shut_down(group, node), "shutdown")
        await node.kubelet.wait_ready()
        gcpolicy.freeze()


async def _shut_down(group: TaskGroup, node: RealNode) -> None:
    """When the main process says so: end the pods, then ourselves."""
    asked = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(SHUT_DOWN, asked.set)
    await asked.wait()
    await node.kubelet.shutdown(*SHUT_DOWN_GRACE)  # what a machine does before it is turned off
    group.cancel()


def _address(node: Object) -> list[str]:
    return list(peers([{**node, "spec": {"podCIDR": "-"}}], "").values())


def main(data_dir: Path, names: Sequence[str]) -> int:
    """Become the nodes, a process each: what is loaded by now is in memory only once."""
    for module in LOADED_LATER:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    for name in names:
        path = data_dir / "nodes" / name / "node.pid"
        path.touch()
        with path.open("r+b") as held:
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue  # it runs
            child = os.fork()
            held.truncate(0)
            os.pwrite(held.fileno(), b"%d\n" % (child or os.getpid()), 0)  # both: who is first?
            if child == 0:
                os._exit(_child(data_dir, name))  # which keeps the lock
    return 0


def _child(data_dir: Path, name: str) -> int:
    node_dir = data_dir / "nodes" / name
    try:
        os.setsid()
        Path("/proc/self/comm").write_text(f"node {name}")  # what ps and top show
        log = os.open(node_dir / "node.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for standard, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(file, standard)
        return be(data_dir, node_dir, Settings.read(node_dir))
    except BaseException:  # noqa: BLE001 -- the end of the process
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


def be(data_dir: Path, node_dir: Path, settings: Settings) -> int:
    """Take the node's place (namespaces, cgroup, disk, name), then work until SIGTERM."""
    namespaces.enter(data_dir / "ns" / settings.name)
    cgroups.enter(f"{settings.cgroup}/system")
    socket.sethostname(settings.name)
    names = hosts.with_block(_LOCAL, "pybernetes", settings.hosts)
    if disk.set_up(data_dir, node_dir, names, settings.name):  # it has just been turned on
        shutil.rmtree(MachineConfig(data=node_dir).state, ignore_errors=True)
    return run(lambda env: work(env, settings, node_dir))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

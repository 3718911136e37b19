# SPDX-License-Identifier: Apache-2.0
"""Nodes of a lab, each in its own namespaces (`python -m pybernetes.cmd.lab_node DATA_DIR NAME...`).

Everything it needs to know is in config.json and its own folder (token, pki/), so that it goes on
without the main process. Its containerd and containers outlive it.
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

from pybernetes.apimachinery import meta
from pybernetes.apis.core.node import addresses
from pybernetes.base import gcpolicy
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.kubeconfig import ClusterConfig as Access
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labconfig import API_PORT, LabConfig, LabNode
from pybernetes.cmd.labmachine import LINK, SHUT_DOWN, LabMachine
from pybernetes.cmd.node import SHUT_DOWN_GRACE, RealNode, node_config
from pybernetes.cmd.node_certificates import NodeCertificates
from pybernetes.cmd.process import run
from pybernetes.linux import cgroups, hosts, links, namespaces
from pybernetes.machine import disk
from pybernetes.machine.config import Config as MachineConfig
from pybernetes.network.network import NODES

LOADED_LATER = ("uvloop", "grpc.aio")  # by every node, but not when our modules are imported
_LOCAL = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


async def _set_up_link(lab: LabConfig, node: LabNode) -> None:
    await links.set_up("lo", up=True)
    await links.add_address(LINK, f"{node.address}/{lab.network.partition('/')[2]}")
    await links.set_up(LINK, up=True)
    await links.replace_route("default", "via", lab.gateway)


async def work(env: Env, config: ClusterConfig, own: LabNode, ca: bytes) -> None:
    """Be the node until cancelled. `ca` is PEM."""
    assert config.lab is not None
    lab, machine = config.lab, LabMachine(config, own.name)
    await _set_up_link(lab, own)
    server = f"https://{lab.gateway}:{API_PORT}"
    access = Access(server, ca, token=machine.token.read_text())
    certificates = NodeCertificates(env, access, own, machine.pki)
    api = await certificates.client()
    informers = Informers(env, api)
    nodes = informers.get(NODES)

    def name_nodes() -> None:
        found = {meta.name(one): ip for one in nodes.items() for ip in addresses(one, "InternalIP")}
        hosts.write("pybernetes", lab.hosts | found | {own.name: own.address})

    if disk.is_own("/etc"):
        nodes.on_change(lambda _old, _new: name_nodes())
    node = RealNode(
        env,
        lambda _user: api,
        node_config(config, own),
        context=await certificates.serving(),
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


def main(data_dir: Path, names: Sequence[str]) -> int:
    """Become the nodes, a process each: what is loaded by now is in memory only once."""
    for module in LOADED_LATER:
        importlib.import_module(module)
    gc.collect()
    gc.freeze()
    config, ca = ClusterConfig.read(data_dir), (data_dir / "pki" / "ca.crt").read_bytes()
    for name in names:
        path = LabMachine(config, name).folder / "node.pid"
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
                os._exit(_child(config, name, ca))  # which keeps the lock
    return 0


def _child(config: ClusterConfig, name: str, ca: bytes) -> int:
    try:
        os.setsid()
        Path("/proc/self/comm").write_text(f"node {name}")  # what ps and top show
        log = os.open(LabMachine(config, name).log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        for standard, file in enumerate((os.open(os.devnull, os.O_RDONLY), log, log)):
            os.dup2(file, standard)
        return be(config, name, ca)
    except BaseException:  # noqa: BLE001 -- the end of the process
        traceback.print_exc()
        return 1
    finally:
        sys.stderr.flush()


def be(config: ClusterConfig, name: str, ca: bytes) -> int:
    """Take the node's place (namespaces, cgroup, disk, name), then work until SIGTERM."""
    assert config.lab is not None
    node, machine = config.lab.node(name), LabMachine(config, name)
    assert node is not None, f"config.json has no node {name}"
    namespaces.enter(machine.pins)
    cgroups.enter(f"{machine.cgroup}/system")
    socket.sethostname(name)
    names = hosts.with_block(_LOCAL, "pybernetes", config.lab.hosts)
    if disk.set_up(config.data_dir, machine.folder, names, name):  # it has just been turned on
        shutil.rmtree(MachineConfig(data=machine.folder).state, ignore_errors=True)
    return run(lambda env: work(env, config, node, ca))


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))

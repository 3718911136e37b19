# SPDX-License-Identifier: Apache-2.0
"""A node with real packets: a network namespace of the test's own, with hosts in namespaces behind it.

The proxy works in the node's namespace on informers that the test feeds, so that what is tested is
what packets meet. Hosts: `pod-a`, `pod-b` (this node's pods, on a bridge that reflects), `far-c` (a
pod of another node), `client` (outside of the cluster).
"""

import ctypes
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, cast

from pybernetes.base.env import Env
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.proxy import NODES, SERVICES, SLICES, Proxy

Object = dict[str, Any]
NEW_NETWORK = 0x40000000
HOSTS = {
    "pod-a": ("10.244.0.2", "10.244.0.1"),
    "pod-b": ("10.244.0.3", "10.244.0.1"),
    "far-c": ("10.244.1.2", "10.244.1.1"),
    "client": ("192.0.2.2", "192.0.2.1"),
}
NODE_IP = "192.0.2.1"
CONFIG = ProxyConfig(
    "n1",
    cluster_cidr="10.244.0.0/16",
    service_cidr="10.96.0.0/12",
    min_sync_period=0.01,
    sync_period=0.2,
    retry_period=0.05,
)


@contextmanager
def own_network() -> Iterator[None]:
    """This thread and what it starts in a network namespace of its own."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open("/proc/thread-self/ns/net") as before:
        if libc.unshare(NEW_NETWORK):
            raise OSError(ctypes.get_errno(), "unshare")
        try:
            yield
        finally:
            libc.setns(before.fileno(), NEW_NETWORK)


def sh(script: str) -> None:
    subprocess.run(["sh", "-ec", script], check=True)


class Host:
    """A process in a network namespace of its own, joined to the node's."""

    def __init__(self, name: str) -> None:
        address, gateway = HOSTS[name]
        self.process = subprocess.Popen(
            ["unshare", "-n", sys.executable, str(Path(__file__).with_name("agent.py")), name],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        pid, there = self.process.pid, f"nsenter -t {self.process.pid} -n ip"
        sh(f"""
            ip link add {name} type veth peer name eth0 netns {pid}
            {there} addr add {address}/24 dev eth0
            {there} link set lo up; {there} link set eth0 up; {there} route add default via {gateway}
            ip link set {name} up
        """)
        if name.startswith("pod-"):
            sh(f"ip link set {name} master br0; bridge link set dev {name} hairpin on")
        else:
            sh(f"ip addr add {gateway}/24 dev {name}")

    def calls(
        self, proto: str, address: str, port: int, *, times: int = 1, source: int = 0
    ) -> list[str]:
        order = {"proto": proto, "to": [address, port], "times": times, "from": source}
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return cast(list[str], json.loads(self.process.stdout.readline()))


class World:
    """`hosts` by name; `put` changes the cluster; `settle` waits until the proxy wrote it."""

    def __init__(self) -> None:
        sh("""
            ip link set lo up; echo 1 > /proc/sys/net/ipv4/ip_forward
            ip link add br0 type bridge; ip addr add 10.244.0.1/24 dev br0; ip link set br0 up
            ip route add 10.96.0.0/12 dev br0
        """)
        self.hosts = {name: Host(name) for name in HOSTS}
        self._revision = 0
        self.config = CONFIG
        self.informers = self.fresh_informers()

    def fresh_informers(self) -> Informers:
        informers = Informers(Env(), cast(Client, None))
        for gvr in (SERVICES, SLICES):
            informers.get(gvr).replace([], "1")
        node = {"metadata": {"name": "n1", "uid": "n1", "resourceVersion": "1"}, "spec": {}}
        node["status"] = {"addresses": [{"type": "InternalIP", "address": NODE_IP}]}
        informers.get(NODES, field_selector="metadata.name=n1").replace([node], "1")
        return informers

    def proxy(self) -> Proxy:
        return Proxy(Env(), cast(Client, None), self.config, self.informers)

    def put(self, obj: Object) -> None:
        """Add or change a Service or an EndpointSlice."""
        self._revision += 1
        version = {"uid": obj["metadata"]["name"], "resourceVersion": str(self._revision)}
        changed = {**obj, "metadata": {**obj["metadata"], **version}}
        self.informers.get(SLICES if "endpoints" in obj else SERVICES).apply("MODIFIED", changed)

    def delete(self, obj: Object) -> None:
        self.informers.get(SLICES if "endpoints" in obj else SERVICES).apply("DELETED", obj)

    def close(self) -> None:
        for host in self.hosts.values():
            host.process.kill()
            host.process.communicate()


def service(name: str, ip: str, protocol: str = "TCP", node_port: int = 0, **spec: Any) -> Object:
    port = {"name": "web", "port": 80, "protocol": protocol, "nodePort": node_port}
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"clusterIP": ip, "clusterIPs": [ip], "ports": [port], **spec},
    }


def endpoints(name: str, *hosts: str, protocol: str = "TCP", **conditions: bool) -> Object:
    """A slice of the service `name` with the given hosts."""
    return {
        "metadata": {
            "name": f"{name}-x",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "web", "port": 8080, "protocol": protocol}],
        "endpoints": [
            {
                "addresses": [HOSTS[host][0]],
                "nodeName": "n2" if host.startswith("far") else "n1",
                "conditions": conditions,
            }
            for host in hosts
        ],
    }


def wait_for(look: Callable[[], object], seconds: float = 30.0) -> None:
    """Until `look()` is true."""
    end = time.monotonic() + seconds
    while not look():
        assert time.monotonic() < end, "it did not come about"
        time.sleep(0.02)


def is_root() -> bool:
    return os.geteuid() == 0

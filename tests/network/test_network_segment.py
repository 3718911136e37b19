# SPDX-License-Identifier: Apache-2.0
"""Labs' segments on one host: who reaches whom, who is turned away, and that nothing is left."""

import asyncio
import contextlib
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from pybernetes.linux import links, namespaces
from pybernetes.network import segment
from pybernetes.network.network import peers
from pybernetes.network.segment import SegmentConfig

OUTSIDE, DOOR = "198.51.100.2", "198.51.100.1"
_CONNECT = """
import socket, sys
try:
    with socket.create_connection((sys.argv[1], 8080), timeout=3) as connection:
        print(connection.recv(100).decode())
except OSError as error:
    print(type(error).__name__)
"""


def lab(number: int) -> SegmentConfig:
    """Lab 1 has 192.168.101.0/24 and pods in 172.21.0.0/16, and so on."""
    return SegmentConfig(
        bridge=f"pybr-test{number}",
        table=f"test-lab{number}",
        network=f"192.168.10{number}.0/24",
        address=f"192.168.10{number}.1",
        cluster_cidr=f"172.2{number}.0.0/16",
        service_cidr=f"10.6{number}.0.0/16",
        services_via=f"192.168.10{number}.10",
    )


def out(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def ip(*words: str) -> str:
    return out("ip", *words)


def inside(pins: Path, *commands: str) -> None:
    for words in commands:
        out(*namespaces.joining(pins, ("net",)), "ip", *words.split())


async def connect(pins: Path | None, address: str) -> str:
    """Whom somebody at `address`:8080 takes us for, or the error."""
    prefix = namespaces.joining(pins, ("net",)) if pins else []
    process = await asyncio.create_subprocess_exec(
        *prefix, sys.executable, "-c", _CONNECT, address, stdout=asyncio.subprocess.PIPE
    )
    output, _ = await process.communicate()
    return output.decode().strip()


@contextlib.asynccontextmanager
async def process(pins: Path, script: str) -> AsyncIterator[None]:
    """A server in somebody's namespace, once it listens."""
    command = [*namespaces.joining(pins, ("net",)), sys.executable, "-c", script]
    running = await asyncio.create_subprocess_exec(*command)
    try:
        for _ in range(100):
            if "8080" in out(*namespaces.joining(pins, ("net",)), "ss", "-ltn"):
                break
            await asyncio.sleep(0.05)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            running.kill()
        await running.wait()


@contextlib.asynccontextmanager
async def listening(*addresses: str) -> AsyncIterator[None]:
    """Listeners in our own namespace that tell their callers who they are."""

    async def tell(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(writer.get_extra_info("peername")[0].encode())
        await writer.drain()
        writer.close()

    servers = [await asyncio.start_server(tell, address, 8080) for address in addresses]
    try:
        yield
    finally:
        for server in servers:
            server.close()


async def join(config: SegmentConfig, place: Path, name: str) -> Path:
    """A node of the lab (an empty one): the pins of its namespaces."""
    pins = place / name
    await namespaces.pin(pins)
    await links.ensure_veth(f"t-{name}", config.bridge, "eth0", pins / "net")
    inside(
        pins,
        f"address add {config.services_via}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {config.address}",
    )
    return pins


async def stranger(place: Path) -> Path:
    """Somebody beyond the host, who has the host as its router."""
    pins = place / "outside"
    await namespaces.pin(pins)
    ip("link", "add", "door", "type", "veth", "peer", "name", "eth0", "netns", str(pins / "net"))
    ip("address", "add", f"{DOOR}/24", "dev", "door")
    ip("link", "set", "door", "up")
    inside(
        pins,
        f"address add {OUTSIDE}/24 dev eth0",
        "link set eth0 up",
        f"route add default via {DOOR}",
    )
    return pins


@pytest.mark.node
async def test_a_lab_reaches_host_and_world_and_is_reached_by_its_host_only(own_network, tmp_path):
    namespaces.prepare(tmp_path / "ns")
    first, second = lab(1), lab(2)
    nodes: list[Path] = []
    out("iptables", "-P", "FORWARD", "DROP")  # as Docker does
    try:
        for config in (first, second):
            await segment.set_up(config)
            await segment.set_up(config)  # again: nothing changes
            nodes.append(await join(config, tmp_path / "ns", config.bridge[-5:]))
        outside = await stranger(tmp_path / "ns")
        async with listening(first.address, second.address, DOOR):
            assert await connect(nodes[0], first.address) == first.services_via
            assert await connect(nodes[0], DOOR) == first.services_via
        serve = "import socket; s = socket.create_server(('', 8080)); c, who = s.accept()"
        async with process(outside, f"{serve}; c.send(who[0].encode()); c.close()"):
            assert await connect(nodes[0], OUTSIDE) == DOOR  # behind the host's address
        async with listening(first.address, second.address):
            assert await connect(nodes[0], second.address) == "ConnectionRefusedError"
            assert await connect(nodes[0], second.services_via) == "ConnectionRefusedError"
            assert await connect(outside, first.address) == "ConnectionRefusedError"
            assert await connect(outside, first.services_via) == "ConnectionRefusedError"
            assert (
                await connect(None, first.services_via) == "ConnectionRefusedError"
            )  # nobody there
            assert await connect(None, "172.21.7.7") == "OSError"  # no such pod range: unreachable
        assert "10.61.0.0/16 via 192.168.101.10" in ip("route")
        assert "unreachable 172.22.0.0/16" in ip("route")
    finally:
        for pins in [*nodes, tmp_path / "ns" / "outside"]:
            namespaces.unpin(pins)
        for config in (first, second):
            await segment.clean_up(config)
            await segment.clean_up(config)
        namespaces.unpin(tmp_path / "ns")
    assert out("iptables", "-S", "FORWARD") == "-P FORWARD DROP\n"
    assert "test-lab" not in out("nft", "list", "tables")
    assert "172." not in ip("route")
    assert "pybr-" not in ip("link")


@pytest.mark.node
async def test_routes_to_pods_follow_the_nodes(own_network):
    config = lab(1)
    try:
        await segment.set_up(config)
        old = {"172.21.0.0/24": "192.168.101.10", "172.21.1.0/24": "192.168.101.11"}
        await segment.route_pods(config, {}, old)
        await segment.route_pods(config, old, {"172.21.1.0/24": "192.168.101.12"})
        assert "172.21.1.0/24 via 192.168.101.12" in ip("route")
        assert "172.21.0.0/24" not in ip("route")
        taken = [str(one) for one in await segment.taken("some-other-lab")]
        assert {"172.21.0.0/16", "192.168.101.0/24", "10.61.0.0/16"} <= set(taken)
        assert await segment.taken(config.bridge) == []
        ip("link", "delete", config.bridge)
        assert await segment.taken(config.bridge) == []
    finally:
        await segment.clean_up(config)


def test_peers_are_the_other_nodes_with_a_pod_range_and_an_address():
    def node(name: str, pods: str, address: str) -> dict:
        addresses = [{"type": "InternalIP", "address": address}] if address else []
        return {
            "metadata": {"name": name},
            "spec": {"podCIDR": pods} if pods else {},
            "status": {"addresses": [{"type": "Hostname", "address": name}, *addresses]},
        }

    nodes = [
        node("a", "172.16.0.0/24", "192.168.1.10"),
        node("b", "172.16.1.0/24", "192.168.1.11"),
        node("c", "", "192.168.1.12"),
        node("d", "172.16.3.0/24", ""),
    ]
    assert peers(nodes, "a") == {"172.16.1.0/24": "192.168.1.11"}

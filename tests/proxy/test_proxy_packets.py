# SPDX-License-Identifier: Apache-2.0
"""What packets meet: the proxy's rules in a kernel, with clients and endpoints in namespaces."""

import asyncio
import shutil
import socket
import subprocess
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator

import pytest
from world import (
    NODE_IP,
    Object,
    World,
    endpoints,
    is_root,
    own_network,
    service,
)

from pybernetes.linux.commands import run
from pybernetes.proxy.proxy import Proxy

pytestmark = [
    pytest.mark.node,
    pytest.mark.skipif(
        not is_root() or not shutil.which("nft") or not shutil.which("conntrack"),
        reason="needs root, nft and conntrack",
    ),
]
VIP = "10.96.0.5"
OUTSIDE = "198.51.100.7"
A, B, C = "10.244.0.2", "10.244.0.3", "10.244.1.2"


@pytest.fixture(scope="module")
def network() -> Iterator[World]:
    with own_network():
        made = World()
        try:
            yield made
        finally:
            made.close()


class Running:
    """A proxy at work on a world."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.proxy: Proxy = world.proxy()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self.proxy.run())
        await self.proxy.wait_ready()

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def put(self, *objects: Object) -> None:
        for obj in objects:
            self.world.put(obj)
        async with asyncio.timeout(30):
            while self.proxy.health._queued is not None:  # noqa: ASYNC110 -- nothing tells it
                await asyncio.sleep(0.005)

    async def call(
        self, host: str, address: str = VIP, port: int = 80, *, times: int = 1, source: int = 0,
        proto: str = "tcp",
    ) -> list[str]:  # fmt: skip
        caller = self.world.hosts[host]
        return await asyncio.to_thread(
            caller.calls, proto, address, port, times=times, source=source
        )


@pytest.fixture
async def node(network: World) -> AsyncIterator[Running]:
    network.informers = network.fresh_informers()
    running = Running(network)
    await running.start()
    yield running
    await running.stop()
    await run(["nft", "delete", "table", "ip", network.config.table])
    await asyncio.to_thread(subprocess.run, ["conntrack", "-F"], capture_output=True, check=False)


def names(answers: list[str]) -> set[str]:
    return {answer.split()[0] for answer in answers}


async def test_traffic_spreads_and_pods_keep_their_address(node: Running) -> None:
    await node.put(service("web", VIP), endpoints("web", "pod-a", "pod-b", "far-c"))
    answers = await node.call("pod-a", times=60)
    assert names(answers) == {"pod-a", "pod-b", "far-c"}
    assert f"far-c {A}" in answers
    assert f"pod-a {VIP}" not in answers  # it reached itself by the node's address
    assert "pod-a 10.244.0.1" in answers
    assert names(await node.call("client", times=5)) <= {"pod-a", "pod-b", "far-c"}


async def test_an_outside_client_of_a_cluster_ip_is_masqueraded(node: Running) -> None:
    await node.put(service("web", VIP), endpoints("web", "far-c"))
    assert await node.call("client") == ["far-c 10.244.1.1"]


async def test_a_service_without_endpoints_refuses_at_once_on_both_protocols(node: Running) -> None:
    await node.put(service("web", VIP, node_port=30080), service("dns", "10.96.0.6", "UDP"))
    assert await node.call("pod-a") == ["refused"]
    assert await node.call("client", NODE_IP, 30080) == ["refused"]
    assert await node.call("pod-a", "10.96.0.6", proto="udp") == ["refused"]
    await node.put(endpoints("web", "pod-b"), endpoints("dns", "pod-b", protocol="UDP"))
    assert names(await node.call("pod-a")) == {"pod-b"}
    assert names(await node.call("pod-a", "10.96.0.6", proto="udp")) == {"pod-b"}


async def test_affinity_holds_through_other_changes_and_ends_with_its_endpoint(
    node: Running,
) -> None:
    sticky = service("web", VIP, node_port=30080, sessionAffinity="ClientIP")
    await node.put(sticky, endpoints("web", "pod-a", "pod-b", "far-c"))
    first = names(await node.call("client", times=10))
    assert len(first) == 1
    await node.put(service("other", "10.96.0.6"), endpoints("other", "pod-a"))
    assert names(await node.call("client", NODE_IP, 30080, times=10)) == first
    rest = [name for name in ("pod-a", "pod-b", "far-c") if {name} != first]
    await node.put(endpoints("web", *rest))
    second = names(await node.call("client", times=10))
    assert len(second) == 1
    assert second != first
    await node.put(service("web", VIP, node_port=30080))
    assert len(names(await node.call("client", times=40))) == 2
    await node.put(sticky)
    assert len(names(await node.call("client", times=20))) == 1


async def test_an_affinity_ends_after_its_timeout(node: Running) -> None:
    config = {"clientIP": {"timeoutSeconds": 1}}
    await node.put(
        service("web", VIP, sessionAffinity="ClientIP", sessionAffinityConfig=config),
        endpoints("web", "pod-a", "pod-b"),
    )
    assert len(names(await node.call("client", times=10))) == 1
    found = set()
    for _ in range(12):
        await asyncio.sleep(1.2)
        found |= names(await node.call("client"))
        if len(found) == 2:
            break
    assert len(found) == 2


async def test_local_policies(node: Running) -> None:
    local = {"internalTrafficPolicy": "Local", "externalTrafficPolicy": "Local"}
    web = service("web", VIP, node_port=30080, externalIPs=[OUTSIDE], **local)
    await node.put(web, endpoints("web", "pod-a", "far-c"))
    assert names(await node.call("pod-b", times=10)) == {"pod-a"}
    for address, port in ((NODE_IP, 30080), (OUTSIDE, 80)):
        answers = await node.call("client", address, port, times=10)
        assert set(answers) == {"pod-a 192.0.2.2"}  # the client's own address
    assert len(names(await node.call("pod-b", OUTSIDE, times=30))) == 2  # pods are not outside
    await node.put(endpoints("web", "far-c"))
    assert await node.call("pod-b") == ["silence"]
    assert await node.call("client", NODE_IP, 30080) == ["silence"]
    assert await node.call("client", OUTSIDE) == ["silence"]
    assert names(await node.call("pod-b", OUTSIDE)) == {"far-c"}


async def test_terminating_endpoints_serve_while_there_are_no_others(node: Running) -> None:
    leaving = {"ready": False, "serving": True, "terminating": True}
    await node.put(service("web", VIP), endpoints("web", "pod-a", **leaving))
    assert names(await node.call("client")) == {"pod-a"}
    more = endpoints("web", "pod-b")
    more["metadata"]["name"] = "web-y"  # several slices a service
    await node.put(more)
    assert names(await node.call("client", times=10)) == {"pod-b"}


async def test_balancer_addresses_only_for_the_ranges_named(node: Running) -> None:
    web = service("web", VIP, type="LoadBalancer", loadBalancerSourceRanges=["203.0.113.0/24"])
    web["status"] = {"loadBalancer": {"ingress": [{"ip": OUTSIDE, "ipMode": "VIP"}]}}
    await node.put(web, endpoints("web", "far-c"))
    assert await node.call("client", OUTSIDE) == ["silence"]
    web["spec"]["loadBalancerSourceRanges"] = ["192.0.2.0/24"]
    await node.put(web)
    assert names(await node.call("client", OUTSIDE)) == {"far-c"}


async def test_udp_flows_are_cut_from_an_endpoint_that_is_gone(node: Running) -> None:
    dns = service("dns", VIP, "UDP", node_port=30053)
    await node.put(dns, endpoints("dns", "pod-a", protocol="UDP"))
    for address, port in ((VIP, 80), (NODE_IP, 30053)):
        answers = await node.call("client", address, port, source=4000, proto="udp")
        assert names(answers) == {"pod-a"}
    await node.put(endpoints("dns", "pod-b", protocol="UDP"))
    for address, port in ((VIP, 80), (NODE_IP, 30053)):
        answers = await node.call("client", address, port, source=4000, proto="udp")
        assert names(answers) == {"pod-b"}
    await node.put(endpoints("dns", protocol="UDP"))
    assert await node.call("client", source=4000, proto="udp") == ["refused"]


async def test_a_restart_keeps_connections_affinities_and_removes_what_is_gone(
    node: Running,
) -> None:
    sticky = service("web", VIP, sessionAffinity="ClientIP")
    gone = service("gone", "10.96.0.9", externalIPs=["198.51.100.9"], sessionAffinity="ClientIP")
    await node.put(sticky, gone, endpoints("web", "pod-a", "pod-b"), endpoints("gone", "pod-a"))
    first = names(await node.call("client", times=5))
    await node.stop()
    node.world.delete(gone)
    after = Running(node.world)
    answers: list[str] = []

    async def keep_calling() -> None:
        for _ in range(10):
            answers.extend(await node.call("client", times=20))

    calling = asyncio.get_running_loop().create_task(keep_calling())
    await after.start()
    await calling
    assert names(answers) == first  # and no call was refused meanwhile
    await asyncio.sleep(1.5)  # emptied chains go a little later
    assert "gone" not in await run(["nft", "list", "table", "ip", node.world.config.table])
    await after.stop()


async def test_what_others_do_to_the_table_is_mended(node: Running) -> None:
    await node.put(service("web", VIP), endpoints("web", "pod-a"))
    table = node.world.config.table
    await run(["nft", "flush", "map", "ip", table, "service-ips"])
    assert names(await node.call("client")) != {"pod-a"}
    await asyncio.sleep(0.5)
    assert names(await node.call("client")) == {"pod-a"}
    await run(["nft", "delete", "table", "ip", table])
    await asyncio.sleep(0.5)
    assert names(await node.call("client")) == {"pod-a"}


async def test_a_foreign_table_of_our_name_is_replaced(node: Running) -> None:
    await node.stop()
    table = node.world.config.table
    await run(["nft", "-f", "-"], f"""
        delete table ip {table}
        table ip {table} {{
          map service-ips {{ type ipv4_addr : verdict; }}
        }}
    """)  # fmt: skip
    node.world.put(service("web", VIP))
    node.world.put(endpoints("web", "pod-a"))
    after = Running(node.world)
    await after.start()
    assert names(await node.call("client")) == {"pod-a"}
    await after.stop()


def fetch(port: int, path: str = "/") -> tuple[int, str, str]:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=2) as answer:
            weight = answer.headers.get("X-Load-Balancing-Endpoint-Weight", "")
            return answer.status, answer.read().decode(), weight
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(), ""


async def test_load_balancers_learn_what_the_node_has(node: Running) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    await node.put(
        service("web", VIP, healthCheckNodePort=30999, **local), endpoints("web", "pod-a", "far-c")
    )
    status, body, weight = await asyncio.to_thread(fetch, 30999)
    assert (status, weight) == (200, "1")
    assert '"localEndpoints":1' in body
    await node.put(endpoints("web", "far-c"))
    assert (await asyncio.to_thread(fetch, 30999))[0] == 503
    status, body, _ = await asyncio.to_thread(fetch, 10256, "/healthz")
    assert status == 200
    assert '"nodeEligible":true' in body
    _, body, _ = await asyncio.to_thread(fetch, 10256, "/metrics")
    assert "kubeproxy_sync_proxy_rules_duration_seconds_count" in body
    await node.put(service("web", VIP))
    with pytest.raises(urllib.error.URLError):
        await asyncio.to_thread(fetch, 30999)


async def test_a_health_port_that_was_taken_is_opened_later(node: Running) -> None:
    local = {"type": "LoadBalancer", "externalTrafficPolicy": "Local"}
    with socket.create_server(("0.0.0.0", 30998)):
        await node.put(service("web", VIP, healthCheckNodePort=30998, **local))
    await asyncio.sleep(1.5)
    assert (await asyncio.to_thread(fetch, 30998))[0] == 503

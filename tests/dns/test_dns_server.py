# SPDX-License-Identifier: Apache-2.0
"""The whole DNS on real sockets, on uvloop as in production, over an in-memory cluster's state."""

import asyncio
import os
import socket
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import dnslib
import pytest

from pybernetes.apimachinery.types import GVR
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.dns import messages
from pybernetes.dns.cluster import NAMESPACES, SERVICES, SLICES
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.forward import Forwarder
from pybernetes.dns.listeners import Listeners
from pybernetes.dns.server import Dns
from tests.ports import free_port

Object = dict[str, Any]
HERE = "127.0.0.1"
DOMAIN = "default.svc.cluster.local"


class Taking:
    """A client that takes everything, and knows the node: what publish needs."""

    def __init__(self) -> None:
        self.created: list[Object] = []

    async def create(self, gvr: GVR, obj: Object, namespace: str = "") -> Object:
        self.created.append(obj)
        return obj

    async def get(self, gvr: GVR, name: str) -> Object:
        return {"metadata": {"name": name, "uid": f"u{len(self.created)}"}}


class Upstream(asyncio.DatagramProtocol):
    """A resolver that knows example.org, and counts."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.ttl = 300
        self.silent = False

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dnslib.DNSRecord.parse(data)
        if not str(query.q.qname).endswith(".loop."):  # that is how loops are found
            self.asked.append(str(query.q.qname))
        reply = query.reply()
        if str(query.q.qname).lower() == "example.org.":
            reply.add_answer(*dnslib.RR.fromZone(f"example.org {self.ttl} A 192.0.2.7"))
        elif str(query.q.qname) == "odd.example.":
            odd = dnslib.DNSLabel([b"\xff.\x00" * 20, b"example"])
            reply.add_answer(dnslib.RR("odd.example", dnslib.QTYPE.CNAME, rdata=dnslib.CNAME(odd)))
        else:
            reply.header.rcode = dnslib.RCODE.NXDOMAIN
        if not self.silent:
            self._transport.sendto(reply.pack(), addr)


class World:
    def __init__(self, informers: Informers, upstream: Upstream, port: int) -> None:
        self.informers, self.upstream, self.port = informers, upstream, port
        self._revision = 1
        self.client = Taking()

    def put(self, gvr: GVR, obj: Object) -> None:
        self._revision += 1
        metadata = {"uid": "u", "resourceVersion": str(self._revision), **obj["metadata"]}
        self.informers.get(gvr).apply("MODIFIED", {**obj, "metadata": metadata})

    async def send(self, data: bytes, *, tcp: bool = False) -> bytes:
        question = dnslib.DNSRecord.parse(data)
        return bytes(await asyncio.to_thread(question.send, HERE, self.port, tcp=tcp, timeout=5))

    async def ask(self, name: str, kind: str = "A", *, tcp: bool = False) -> dnslib.DNSRecord:
        question = dnslib.DNSRecord.question(name, kind)
        answer = dnslib.DNSRecord.parse(await self.send(question.pack(), tcp=tcp))
        assert answer.header.id == question.header.id
        return answer

    async def found(self, name: str, kind: str = "A", *, tcp: bool = False) -> list[str]:
        return sorted(str(one.rdata) for one in (await self.ask(name, kind, tcp=tcp)).rr)

    async def rcode(self, name: str, kind: str = "A") -> str:
        return str(dnslib.RCODE[(await self.ask(name, kind)).header.rcode])


@asynccontextmanager
async def world(**settings: Any) -> AsyncIterator[World]:
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(Upstream, local_addr=(HERE, 0))
    env = Env()
    informers = Informers(env, cast(Client, None))
    for gvr in (SERVICES, SLICES, NAMESPACES):
        informers.get(gvr).replace([], "1")
    to = f"{HERE}#{transport.get_extra_info('sockname')[1]}"
    config = DnsConfig("n1", HERE, 0, upstreams=(to,), forward_timeout=0.2, metrics_port=0)
    client = Taking()
    dns = Dns(env, cast(Client, client), replace(config, **settings), informers)
    try:
        async with TaskGroup("test") as group:
            group.start(dns.run(), "dns")
            await dns.wait_ready()
            made = World(informers, upstream, dns.port)
            made.client = client
            made.put(NAMESPACES, {"metadata": {"name": "default", "uid": "d"}})
            yield made
            group.cancel()
    finally:
        transport.close()


def service(name: str, **spec: Any) -> Object:
    ports = [{"name": "http", "port": 80, "protocol": "TCP"}]
    return {"metadata": {"namespace": "default", "name": name}, "spec": {"ports": ports, **spec}}


def slice_of(name: str, *addresses: str) -> Object:
    return {
        "metadata": {
            "namespace": "default",
            "name": f"{name}-x",
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [{"addresses": [one], "conditions": {"ready": True}} for one in addresses],
    }


async def test_both_protocols_answer_the_same() -> None:
    async with world() as it:
        it.put(SERVICES, service("web", clusterIP="10.96.0.5"))
        for tcp in (False, True):
            assert await it.found(f"web.{DOMAIN}", tcp=tcp) == ["10.96.0.5"]
            assert await it.found("example.org", tcp=False) == ["192.0.2.7"]


async def test_answers_follow_what_changes_and_nothing_else_is_forgotten() -> None:
    async with world() as it:
        name, back = f"db.{DOMAIN}", "5.0.244.10.in-addr.arpa"
        assert await it.rcode(name) == "NXDOMAIN"
        it.put(SERVICES, service("db", clusterIP="None"))
        it.put(SLICES, slice_of("db", "10.244.0.5"))
        assert await it.found(name) == ["10.244.0.5"]
        assert await it.found(back, "PTR") == [f"10-244-0-5.{name}."]
        it.put(SLICES, slice_of("db", "10.244.0.6"))
        assert await it.found(name) == ["10.244.0.6"]
        assert await it.rcode(back, "PTR") == "NXDOMAIN"  # what the upstream says
        assert await it.found("6.0.244.10.in-addr.arpa", "PTR") == [f"10-244-0-6.{name}."]
        it.informers.get(SERVICES).apply("DELETED", service("db"))
        assert await it.rcode(name) == "NXDOMAIN"
        assert await it.rcode("10-1-1-1.late.pod.cluster.local") == "NXDOMAIN"
        it.put(NAMESPACES, {"metadata": {"name": "late"}})
        assert await it.found("10-1-1-1.late.pod.cluster.local") == ["10.1.1.1"]


async def test_aliases_are_followed_inside_and_outside() -> None:
    async with world() as it:
        it.put(SERVICES, service("web", clusterIP="10.96.0.5"))
        inside = {"type": "ExternalName", "externalName": f"web.{DOMAIN}"}
        it.put(SERVICES, service("alias", **inside))
        twice = {"type": "ExternalName", "externalName": f"alias.{DOMAIN}"}
        it.put(SERVICES, service("twice", **twice))
        assert await it.found(f"alias.{DOMAIN}") == ["10.96.0.5", f"web.{DOMAIN}."]
        assert await it.found(f"twice.{DOMAIN}") == [
            "10.96.0.5", f"alias.{DOMAIN}.", f"web.{DOMAIN}.",
        ]  # fmt: skip
        it.put(SERVICES, service("web", clusterIP="10.96.0.6"))
        assert "10.96.0.6" in await it.found(f"twice.{DOMAIN}")
        away = {"type": "ExternalName", "externalName": "example.org"}
        it.put(SERVICES, service("away", **away))
        it.upstream.silent = True
        assert await it.found(f"away.{DOMAIN}") == ["example.org."]  # that much we know
        it.upstream.silent = False
        it.put(SERVICES, service("odd", type="ExternalName", externalName="odd.example"))
        assert "odd.example." in await it.found(f"odd.{DOMAIN}")
        it.put(SERVICES, service("loop", type="ExternalName", externalName=f"loop.{DOMAIN}"))
        assert f"loop.{DOMAIN}." in await it.found(f"loop.{DOMAIN}")


async def test_an_upstreams_answer_is_kept_and_ages() -> None:
    async with world() as it:
        it.upstream.asked.clear()
        assert await it.found("example.org") == ["192.0.2.7"]
        assert await it.found("EXAMPLE.org") == ["192.0.2.7"]
        assert len(it.upstream.asked) == 1
        await asyncio.sleep(1.1)
        assert (await it.ask("example.org")).rr[0].ttl in (298, 299)
        it.upstream.ttl = 0
        for _ in range(2):
            assert await it.rcode("nobody.example.org") == "NXDOMAIN"  # no SOA: not to be kept
        assert len(it.upstream.asked) == 3


async def test_an_upstream_that_is_silent_is_a_failure_and_the_next_is_asked() -> None:
    async with world() as it:
        it.upstream.silent = True
        assert await it.rcode("example.org") == "SERVFAIL"
        it.upstream.silent = False
        assert await it.rcode("example.org") == "NOERROR"
    async with world(upstreams=(), resolv_conf=Path("/dev/null")) as it:
        assert await it.rcode("example.org") == "SERVFAIL"


async def test_we_forward_for_our_clients_only_and_for_each_within_limits() -> None:
    async with world(clients=("10.244.0.0/16",)) as it:
        assert await it.rcode("example.org") == "NOERROR"  # this host itself
    async with world(max_forwards_each=2) as it:
        it.upstream.silent = True
        answers = await asyncio.gather(*(it.rcode(f"{n}.example.org") for n in range(6)))
        assert sorted(answers) == ["REFUSED"] * 4 + ["SERVFAIL"] * 2


@pytest.mark.parametrize("kind", ["ANY", "AXFR", "IXFR"])
async def test_whole_zones_are_refused(kind: str) -> None:
    async with world() as it:
        it.upstream.asked.clear()
        for name in ("cluster.local", "example.org"):
            assert await it.rcode(name, kind) == "REFUSED"
        assert it.upstream.asked == []


async def test_tcp_questions_may_follow_one_another_without_waiting() -> None:
    async with world() as it:
        it.put(SERVICES, service("web", clusterIP="10.96.0.5"))
        reader, writer = await asyncio.open_connection(HERE, it.port)
        questions = [
            dnslib.DNSRecord.question(name) for name in ("example.org", f"web.{DOMAIN}") * 40
        ]
        for number, one in enumerate(questions):
            one.header.id = number  # by chance, one in twenty runs has the same one twice
            data = one.pack()
            writer.write(len(data).to_bytes(2, "big") + data)
        writer.write_eof()
        answers = {}
        for _ in questions:
            size = int.from_bytes(await reader.readexactly(2), "big")
            answer = dnslib.DNSRecord.parse(await reader.readexactly(size))
            answers[answer.header.id] = str(answer.q.qname)
        assert answers == {one.header.id: str(one.q.qname) for one in questions}
        assert await reader.read() == b""
        writer.close()


async def test_the_nodes_slice_goes_with_its_node_and_comes_back() -> None:
    async with world() as it:
        ours = it.client.created[-1]
        assert ours["metadata"]["ownerReferences"][0]["uid"] == "u0"
        it.put(SLICES, ours)
        it.informers.get(SLICES).apply("DELETED", ours)
        await asyncio.sleep(0.05)
        again = it.client.created[-1]
        assert again is not ours
        assert again["metadata"]["ownerReferences"][0]["uid"] == "u2"


async def test_a_resolver_that_asks_us_is_found_out() -> None:
    port = free_port()
    settings = {"port": port, "upstreams": (f"{HERE}#{port}",)}
    async with world(**settings) as it:
        it.put(SERVICES, service("web", clusterIP="10.96.0.5"))
        assert await it.rcode("nobody.example") == "SERVFAIL"
        assert await it.found(f"web.{DOMAIN}") == ["10.96.0.5"]


async def test_pages_as_coredns_serves_them() -> None:
    port = free_port()
    async with world(metrics_port=port) as it:
        it.put(SERVICES, service("web", clusterIP="10.96.0.5"))
        await it.found(f"web.{DOMAIN}")

        def get(path: str) -> str:
            with urllib.request.urlopen(f"http://{HERE}:{port}{path}") as answer:
                return cast(bytes, answer.read()).decode()

        assert await asyncio.to_thread(get, "/ready") == "OK"
        text = await asyncio.to_thread(get, "/metrics")
        assert 'coredns_dns_requests_total{family="1",proto="udp"' in text
        assert 'rcode="NOERROR"' in text


async def test_a_question_given_up_at_any_moment_leaves_no_socket_open() -> None:
    """At whatever step of its way it is cancelled, also while its socket is being made."""
    loop = asyncio.get_running_loop()
    transport, upstream = await loop.create_datagram_endpoint(Upstream, local_addr=(HERE, 0))
    upstream.silent = True
    to = f"{HERE}#{transport.get_extra_info('sockname')[1]}"
    forwarder = Forwarder(Env(), DnsConfig("n1", HERE, 0, upstreams=(to,)))
    before = len(os.listdir("/proc/self/fd"))
    query = messages.question("example.org", messages.TYPES["A"])
    for microseconds in range(0, 600, 2):
        asking = asyncio.ensure_future(forwarder.ask(query, "", tcp=False))
        end = loop.time() + microseconds * 1e-6
        while loop.time() < end:  # noqa: ASYNC110 -- shorter than a timer can be
            await asyncio.sleep(0)
        asking.cancel()
        await asyncio.wait([asking])
    await asyncio.sleep(0.05)
    assert len(os.listdir("/proc/self/fd")) == before
    transport.close()


async def test_a_question_that_fails_ends_nobody_elses() -> None:
    async def broken() -> bytes:
        raise LookupError("nobody thought of this")

    def resolve(data: bytes, client: str, tcp: bool) -> Any:
        return broken() if data == b"bad" else data

    loop = asyncio.get_running_loop()
    async with TaskGroup("dns") as group:
        listeners = Listeners(resolve, group)
        await listeners.open(HERE, 0)
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as asker:
            asker.connect((HERE, listeners.port))
            asker.send(b"bad")
            await asyncio.sleep(0.05)
            asker.send(b"good")
            async with asyncio.timeout(5):
                assert await loop.sock_recv(asker, 100) == b"good"
        listeners.close()

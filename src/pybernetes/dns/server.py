# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS of one node: watches the API, answers on the node's address behind kube-dns.

Answers are kept as bytes, keyed by the query's bytes without its identifier, and forgotten when
anything they could depend on changes: a repeated question is not even parsed.
"""

import asyncio
from collections.abc import Awaitable, Iterable

import dnslib

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import counter
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.dns import messages
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.forward import Forwarder, ForwardError, resolvers
from pybernetes.dns.listeners import Listeners
from pybernetes.dns.publish import publish
from pybernetes.dns.zone import Answer, Record, Zone

SERVICES = GVR("", "v1", "services")
NAMESPACES = GVR("", "v1", "namespaces")
SLICES = GVR("discovery.k8s.io", "v1", "endpointslices")
SERVICE_NAME = "kubernetes.io/service-name"
_REVERSE = ".in-addr.arpa"
_log = logs.get("dns")


class InformedCluster:
    """The cluster's state for Zone, out of informers."""

    def __init__(self, informers: Informers) -> None:
        self._services = informers.get(SERVICES)
        self._slices = informers.get(SLICES)
        self._namespaces = informers.get(NAMESPACES)
        self._services.add_index("address", _service_addresses)
        self._slices.add_index("service", _slice_service)
        self._slices.add_index("address", _slice_addresses)
        self.informers = (self._services, self._slices, self._namespaces)

    def service(self, namespace: str, name: str) -> Object | None:
        return self._services.find(namespace, name)

    def slices(self, namespace: str, service: str) -> Iterable[Object]:
        return self._slices.by_index("service", f"{namespace}/{service}")

    def services_at(self, address: str) -> Iterable[Object]:
        return self._services.by_index("address", address)

    def slices_at(self, address: str) -> Iterable[Object]:
        return self._slices.by_index("address", address)

    def has_namespace(self, namespace: str) -> bool:
        return self._namespaces.find("", namespace) is not None


def _service_addresses(service: Object) -> list[str]:
    spec = service["spec"]
    return [one for one in spec.get("clusterIPs") or [spec.get("clusterIP", "")] if one]


def _slice_service(one: Object) -> list[str]:
    meta = one["metadata"]
    name = (meta.get("labels") or {}).get(SERVICE_NAME)
    return [f"{meta['namespace']}/{name}"] if name else []


def _slice_addresses(one: Object) -> list[str]:
    return [address for end in one.get("endpoints") or () for address in end["addresses"]]


class Dns:
    """See config.py. `port` is the bound port once ready."""

    def __init__(
        self, env: Env, client: Client, config: DnsConfig, informers: Informers | None = None
    ) -> None:
        self._client = client
        self._config = config
        self._own_informers = informers is None  # else they are shared, and run by their owner
        self._informers = informers or Informers(env, client)
        self._cluster = cluster = InformedCluster(self._informers)
        self._zone = Zone(cluster, config.domain)
        self._answers: dict[bytes, bytes] = {}
        upstreams = config.upstreams or resolvers(
            config.resolv_conf, (config.address, config.service_ip)
        )
        self._forwarder = Forwarder(upstreams, config.forward_timeout, config.max_forwards)
        self._ready = asyncio.Event()
        self.port = 0
        self._requests = counter(
            env,
            "coredns_dns_requests_total",
            "Counter of DNS requests made per protocol",
            ("proto",),
        )
        for informer in cluster.informers:
            informer.on_change(lambda _old, _new: self._answers.clear())

    async def wait_ready(self) -> None:
        await self._ready.wait()

    async def run(self) -> None:
        """Answer until cancelled."""
        config = self._config
        async with TaskGroup("dns") as group:
            if self._own_informers:
                group.start(self._informers.run(), "informers")
            for informer in self._cluster.informers:
                await informer.wait_synced()
            listeners = Listeners(self._resolve, group)
            await listeners.open(config.address, config.port)
            try:
                self.port = listeners.port
                await publish(self._client, config, self.port)
                _log.info("Cluster DNS answers", address=config.address, port=self.port)
                self._ready.set()
                await asyncio.get_running_loop().create_future()  # until cancelled
            finally:
                listeners.close()

    def _resolve(self, data: bytes, tcp: bool) -> bytes | Awaitable[bytes] | None:
        self._requests.labels("tcp" if tcp else "udp").inc()
        key = (b"t" if tcp else b"u") + data[2:]
        known = self._answers.get(key)
        if known is not None:
            return data[:2] + known
        try:
            query = messages.parse(data)
        except ValueError:
            return None
        name, kind = messages.question(query)
        answer = self._own(name, kind)
        if answer is None:
            return self._forward(query, data, tcp=tcp)
        if answer.records and answer.records[0].type == "CNAME" and kind != "CNAME":
            return self._chase(query, answer, tcp=tcp)
        message = messages.reply(query, answer, self._config.domain, self._config.ttl)
        packed = messages.pack(message, 65535 if tcp else messages.udp_limit(query))
        if len(self._answers) >= self._config.cached_answers:
            self._answers.clear()
        self._answers[key] = packed[2:]
        return packed

    def _own(self, name: str, kind: str) -> Answer | None:
        """Our answer, or None where the question is for others."""
        if self._zone.holds(name):
            return self._zone.answer(name, kind)
        if name.lower().endswith(_REVERSE):
            address = ".".join(reversed(name[: -len(_REVERSE)].split(".")))
            names = self._zone.reverse(address)
            if names:
                found = [Record(name, "PTR", one) for one in names] if kind == "PTR" else []
                return Answer(exists=True, records=found)
        return None

    async def _forward(self, query: dnslib.DNSRecord, data: bytes, *, tcp: bool) -> bytes:
        try:
            return await self._forwarder.ask(data, tcp=tcp)
        except ForwardError:
            return messages.refuse(query, "SERVFAIL")

    async def _chase(self, query: dnslib.DNSRecord, answer: Answer, *, tcp: bool) -> bytes:
        """An ExternalName: our CNAME, and what its target resolves to."""
        target, kind = str(answer.records[0].data), messages.question(query)[1]
        message = messages.reply(query, answer, self._config.domain, self._config.ttl)
        own = self._own(target, kind)
        if own is not None:
            addition = messages.reply(query, own, self._config.domain, self._config.ttl)
            message.add_answer(*addition.rr)
        else:
            asked = dnslib.DNSRecord.question(target, kind)
            try:
                found = dnslib.DNSRecord.parse(await self._forwarder.ask(asked.pack(), tcp=tcp))
                message.add_answer(*found.rr)
            except (ForwardError, dnslib.DNSError):
                pass  # the CNAME alone is an answer
        return messages.pack(message, 65535 if tcp else messages.udp_limit(query))

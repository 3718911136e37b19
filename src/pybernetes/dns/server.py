# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS of one node: watches the API, answers on the node's address behind kube-dns.

Answers about the cluster are encoded once and kept until something that they depend on changes.
"""

import asyncio
import contextlib
import ipaddress
from collections.abc import Awaitable

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import Children, counter, exposition
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.informer import Informers, key_of
from pybernetes.client.types import Client
from pybernetes.dns import messages
from pybernetes.dns.answers import Answers
from pybernetes.dns.cluster import SLICES, InformedCluster
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.forward import Forwarder
from pybernetes.dns.listeners import Listeners
from pybernetes.dns.messages import RCODES, TYPES, Encoded, Query, Unanswerable
from pybernetes.dns.publish import NAMESPACE, publish, slice_name
from pybernetes.dns.zone import Answer, Record, Zone
from pybernetes.wire.server import serve
from pybernetes.wire.types import Request, Response

_REVERSE = {".in-addr.arpa": 4, ".ip6.arpa": 32}  # labels of an address
_REFUSED = ("ANY", "AXFR", "IXFR")
_RETRY = 1.0
_ALIASES = 8  # of aliases of aliases
_RCODES = {number: name for name, number in RCODES.items()}
_log = logs.get("dns")


class Dns:
    """See config.py. `port` is the bound port once ready.

    `informers`: shared with others and run by their owner; without, it runs its own.
    """

    def __init__(
        self, env: Env, client: Client, config: DnsConfig, informers: Informers | None = None
    ) -> None:
        self._env = env
        self._client = client
        self._config = config
        self._own_informers = informers is None
        self._informers = informers or Informers(env, client)
        self._cluster = InformedCluster(self._informers)
        self._zone = Zone(self._cluster, config.domain, config.service_ip)
        self._answers = Answers(config.cached_answers)
        self._forwarder = Forwarder(env, config)
        self._turn = 0
        self._probe = f"{env.random.child('dns').suffix(16)}.loop"  # see _find_loop
        self._loops = False
        self._ready = asyncio.Event()
        self.port = 0
        about = "Counter of DNS requests made per zone, protocol and family."
        labels = ["server", "zone", "view", "proto", "family", "type"]
        self._requests = Children(counter(env, "coredns_dns_requests_total", about, labels))
        about = "Counter of response status codes."
        labels = ["server", "zone", "view", "rcode", "plugin"]
        self._responses = Children(counter(env, "coredns_dns_responses_total", about, labels))
        self._cluster.on_change(self._answers.forget)
        self._gone = asyncio.Event()  # our slice was deleted
        self._informers.get(SLICES).on_change(self._slice_changed)

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
            try:
                await listeners.open(config.address, config.port)
                self.port = listeners.port
                group.start(self._serve_metrics(), "metrics")
                await self._publish(again=False)
                _log.info("Cluster DNS answers", address=config.address, port=self.port)
                self._ready.set()
                await self._find_loop()
                while True:
                    await self._gone.wait()
                    await self._publish(again=True)
            finally:
                listeners.close()

    def _slice_changed(self, old: Object | None, new: Object | None) -> None:
        own = (NAMESPACE, slice_name(self._config))
        if old is not None and new is None and key_of(old) == own:
            self._gone.set()

    async def _publish(self, *, again: bool) -> None:
        """Lead the cluster's questions here; tries until it is done."""
        while True:
            self._gone.clear()
            try:
                return await publish(self._client, self._config, self.port, again=again)
            except (ApiError, ConnectionError, TimeoutError) as error:
                _log.warning("The node's DNS is not published yet", error=error)
                await asyncio.sleep(_RETRY)

    def _resolve(self, data: bytes, client: str, tcp: bool) -> bytes | Awaitable[bytes] | None:
        try:
            query = messages.parse(data)
        except Unanswerable as error:
            return messages.rejection(data, error.rcode) if error.rcode else None
        labels = ("dns://", ".", "", "tcp" if tcp else "udp", "1", query.type)
        self._requests[labels].inc()
        known = self._answers.find(query.key) or self._answer(query)
        if known is None:
            return self._elsewhere(query, client, tcp=tcp)
        return self._reply(known, query, tcp=tcp)

    def _reply(self, encoded: Encoded, query: Query, *, tcp: bool) -> bytes:
        self._turn += 1
        labels = ("dns://", ".", "", _RCODES.get(encoded.rcode, str(encoded.rcode)), "")
        self._responses[labels].inc()
        return messages.complete(encoded, query, tcp=tcp, turn=self._turn)

    def _answer(self, query: Query) -> Encoded | None:
        """The answer that needs nobody else; None where others have to be asked."""
        if not query.in_class or query.type in _REFUSED or query.name == self._probe:
            self._loops = self._loops or query.name == self._probe
            return messages.REFUSED
        answer, tags, outside = self._follow(query.name, query.type)
        if answer is None or outside:
            return None
        encoded = self._encode(query, answer)
        self._answers.put(query.key, encoded, tags)
        return encoded

    def _follow(self, name: str, kind: str) -> tuple[Answer | None, list[str], str]:
        """Our answer with all aliases followed, what it depends on, and an alias's outside target.

        No answer where the question itself is for others.
        """
        answer, tags = self._own(name, kind)
        if answer is None:
            return None, tags, ""
        outside, last = "", answer
        for _ in range(_ALIASES):
            if kind == "CNAME" or not last.records or last.records[-1].type != "CNAME":
                break
            target = str(last.records[-1].data).lower()
            more, more_tags = self._own(target, kind)
            if more is None:
                outside = target
                break
            tags += more_tags
            last = more
            answer = Answer(True, [*answer.records, *more.records], more.extra)
        return answer, tags, outside

    def _own(self, name: str, kind: str) -> tuple[Answer | None, list[str]]:
        if self._zone.holds(name):
            return self._zone.answer(name, kind), self._zone.tags(name)
        for suffix, count in _REVERSE.items():
            if name.endswith(suffix):
                address = _address(name.removesuffix(suffix).split("."), count)
                names = self._zone.reverse(address) if address else []
                if names:
                    found = [Record(name, "PTR", one) for one in names] if kind == "PTR" else []
                    return Answer(exists=True, records=found), [f"ip/{address}"]
        return None, []

    async def _elsewhere(self, query: Query, client: str, *, tcp: bool) -> bytes:
        if self._loops:
            return messages.refusal(query, "SERVFAIL")
        answer, _, outside = self._follow(query.name, query.type)
        try:
            if answer is None:
                found = await self._forwarder.ask(query, client, tcp=tcp)
                return self._reply(found, query, tcp=tcp)
            target = messages.question(outside, query.kind)
            found = await self._forwarder.ask(target, client, tcp=True)
            whole = Answer(True, [*answer.records, *messages.records(found, target)])
            return self._reply(self._encode(query, whole), query, tcp=tcp)
        except (Unanswerable, ValueError) as error:
            if answer is None:
                return messages.refusal(query, getattr(error, "rcode", "SERVFAIL"))
        return self._reply(self._encode(query, answer), query, tcp=tcp)  # the alias alone

    def _encode(self, query: Query, answer: Answer) -> Encoded:
        return messages.encode(query, answer, self._config.domain, self._config.ttl)

    async def _find_loop(self) -> None:
        """Ask upstreams a name that nobody else asks: if it comes back to us, they ask us."""
        with contextlib.suppress(Unanswerable):
            await self._forwarder.ask(messages.question(self._probe, TYPES["TXT"]), "", tcp=False)
        if self._loops:
            _log.error("The machine's resolvers ask us: nothing is forwarded")

    async def _serve_metrics(self) -> None:
        """/metrics, /health and /ready, as CoreDNS serves them."""
        if not self._config.metrics_port:
            return
        try:
            address = (self._config.address, self._config.metrics_port)
            server = await serve(self._env, self._page, *address)
        except OSError as error:
            _log.warning("Metrics are not served", error=error)
            return
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            await server.close()

    def _page(self, request: Request) -> Response:
        text = "text/plain; charset=utf-8"
        if request.path == "/metrics":
            kind, body = exposition(self._env)
            return Response(200, body, kind)
        if request.path == "/ready" and not self._ready.is_set():
            return Response(503, b"kubernetes", text)
        good = request.path in ("/health", "/ready")
        return Response(200, b"OK", text) if good else Response(404, b"404 page not found\n", text)


def _address(labels: list[str], count: int) -> str:
    """The address that a reverse name's labels spell; "" if it is none."""
    if len(labels) != count:
        return ""
    if count == 4:
        return ".".join(reversed(labels))
    digits = "".join(reversed(labels))
    groups = ":".join(digits[at : at + 4] for at in range(0, 32, 4))
    try:
        return str(ipaddress.IPv6Address(groups))
    except ValueError:
        return ""

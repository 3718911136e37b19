# SPDX-License-Identifier: Apache-2.0
"""Everything that is not ours is asked of the machine's own resolvers, and kept for a while."""

import asyncio
import socket
import struct
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import NamedTuple

from pybernetes.base.env import Env
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.messages import RCODES, Encoded, Query, Unanswerable
from pybernetes.linux import resolvconf

_OPT = 41
_MAX_DATAGRAM = 65535


class _Kept(NamedTuple):
    """An upstream's answer: where its TTLs are, when it came, and when it is too old."""

    answer: Encoded
    ttls: tuple[tuple[int, int], ...]  # offset in `records`, seconds
    since: float
    until: float


def resolvers(resolv_conf: Path, excluded: Sequence[str]) -> tuple[str, ...]:
    """The nameservers that `resolv_conf` lists, without `excluded` addresses (ourselves)."""
    found = resolvconf.nameservers(resolvconf.read(resolv_conf))
    return tuple(address for address in found if address not in excluded)


class Forwarder:
    """Asks upstreams in order; the next one where one does not answer in time.

    Only for clients of `config.clients` and this host itself; so many at once, and for each.
    """

    def __init__(self, env: Env, config: DnsConfig) -> None:
        self._clock, self._random = env.clock, env.random.child("dns/forward")
        self._config = config
        self._clients = [ip_network(one) for one in config.clients]
        self._trusted: dict[str, bool] = {}
        self._kept: dict[bytes, _Kept] = {}
        self._upstreams = list(config.upstreams)
        self._read = -1  # resolv.conf's modification time when it was read
        self._busy: Counter[str] = Counter()  # questions under way, by client

    async def ask(self, query: Query, client: str, *, tcp: bool) -> Encoded:
        """An upstream's answer. Raises Unanswerable."""
        key = query.key + query.edns + bytes((tcp,))
        kept = self._kept.get(key)
        now = self._clock.monotonic()
        if not self._may_ask(client):
            raise Unanswerable("REFUSED")  # not a client of this cluster
        if kept is not None and now < kept.until:
            return _aged(kept, int(now - kept.since))
        limits = (self._config.max_forwards, self._config.max_forwards_each)
        if self._busy.total() >= limits[0] or self._busy[client] >= limits[1]:
            raise Unanswerable("REFUSED")
        self._busy[client] += 1
        try:
            data = await self._exchange(query, tcp=tcp)
        finally:
            self._busy[client] -= 1
            if not self._busy[client]:
                del self._busy[client]
        try:
            answer, ttls = _read_answer(data, query.end)
        except (IndexError, struct.error) as error:
            raise Unanswerable("SERVFAIL") from error
        self._keep(key, answer, ttls)
        return answer

    def _keep(self, key: bytes, answer: Encoded, ttls: list[tuple[int, int]]) -> None:
        seconds = min([self._config.ttl, *(ttl for _, ttl in ttls)])
        known = answer.rcode in (RCODES["NOERROR"], RCODES["NXDOMAIN"])
        self._kept.pop(key, None)
        if ttls and seconds > 0 and known and not answer.truncated:
            if len(self._kept) >= self._config.cached_answers:
                del self._kept[next(iter(self._kept))]
            now = self._clock.monotonic()
            self._kept[key] = _Kept(answer, tuple(ttls), now, now + seconds)

    def _may_ask(self, client: str) -> bool:
        if not self._clients or not client:
            return True
        if client not in self._trusted:
            if len(self._trusted) > 10_000:
                self._trusted.clear()
            address = ip_address(client)
            known = any(address in network for network in self._clients) or _is_own(client)
            self._trusted[client] = known
        return self._trusted[client]

    def _current(self) -> list[str]:
        """The upstreams; resolv.conf is read again when it changed."""
        config = self._config
        if not config.upstreams:
            try:
                changed = config.resolv_conf.stat().st_mtime_ns
            except OSError:
                changed = 0
            if changed != self._read:
                self._read = changed
                own = (config.address, config.service_ip)
                self._upstreams = list(resolvers(config.resolv_conf, own))
        return self._upstreams

    async def _exchange(self, query: Query, *, tcp: bool) -> bytes:
        identifier = self._random.below(0x10000)
        asked = struct.pack("!6H", identifier, 0x0100, 1, 0, 0, bool(query.edns))
        asked += query.data[12 : query.end] + query.edns
        upstreams = self._current()
        for upstream in list(upstreams):
            try:
                async with asyncio.timeout(self._config.forward_timeout):
                    return await (_over_tcp if tcp else _over_udp)(asked, query.end, upstream)
            except (TimeoutError, OSError, asyncio.IncompleteReadError):
                if upstreams[:1] == [upstream]:
                    upstreams.append(upstreams.pop(0))  # the next question tries another first
        raise Unanswerable("SERVFAIL")


async def _over_udp(asked: bytes, end: int, upstream: str) -> bytes:
    """The first datagram from `upstream` that answers.

    On a socket of our own: a datagram endpoint that is cancelled while it is made stays open.
    """
    loop, address = asyncio.get_running_loop(), _address(upstream)
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK) as own:
        own.connect(address)
        own.send(asked)
        while not _answers(data := await loop.sock_recv(own, _MAX_DATAGRAM), asked, end):
            pass
        return data


async def _over_tcp(asked: bytes, end: int, upstream: str) -> bytes:
    reader, writer = await asyncio.open_connection(*_address(upstream))
    try:
        writer.write(len(asked).to_bytes(2, "big") + asked)
        size = int.from_bytes(await reader.readexactly(2), "big")
        data = await reader.readexactly(size)
    finally:
        writer.close()
    if not _answers(data, asked, end):
        raise OSError("the answer to something else")
    return data


def _address(upstream: str) -> tuple[str, int]:
    host, _, port = upstream.partition("#")  # 192.0.2.1 or 192.0.2.1#5353
    return host, int(port or 53)


def _answers(data: bytes, asked: bytes, end: int) -> bool:
    same = data[:2] == asked[:2] and data[12:end].lower() == asked[12:end].lower()
    return len(data) >= end and same and bool(data[2] & 0x80)


def _read_answer(data: bytes, end: int) -> tuple[Encoded, list[tuple[int, int]]]:
    """The answer without its question and EDNS record, and where its TTLs are."""
    sections = list(struct.unpack_from("!3H", data, 6))
    ends: list[int] = []
    ttls: list[tuple[int, int]] = []
    at = end
    for section, count in enumerate(sections):
        for done in range(count):
            start, at = at, _skip_name(data, at)
            kind, _, ttl, size = struct.unpack_from("!HHIH", data, at)
            if kind == _OPT:  # the last, as everybody writes it
                at = start
                sections[section] = done
                break
            ttls.append((at + 4 - end, min(ttl, 0x7FFFFFFF)))
            at += 10 + size
            ends.append(at - end)
    counts = (sections[0], sections[1], sections[2])
    encoded = Encoded(
        data[3] & 15, data[end:at], tuple(ends), counts, authoritative=False,
        truncated=bool(data[2] & 2),
    )  # fmt: skip
    return encoded, ttls


def _skip_name(data: bytes, at: int) -> int:
    while size := data[at]:
        if size & 0xC0:
            return at + 2
        at += size + 1
    return at + 1


def _aged(kept: _Kept, age: int) -> Encoded:
    records = bytearray(kept.answer.records)
    for offset, ttl in kept.ttls:
        struct.pack_into("!I", records, offset, max(0, ttl - age))
    return replace(kept.answer, records=bytes(records))


def _is_own(address: str) -> bool:
    """Whether `address` is one of this host's."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True

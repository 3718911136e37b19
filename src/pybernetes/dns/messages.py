# SPDX-License-Identifier: Apache-2.0
"""DNS on the wire (RFC 1035, EDNS0 of RFC 6891): queries in, answers as bytes that many queries share. Pure.

An answer is encoded once, without what differs between askers: identifier, flags and the question
as they spelled it. `complete` adds these, so that names come back in the asker's upper and lower case.
"""

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import ip_address
from typing import NamedTuple

from pybernetes.dns.zone import Answer, Record

TYPES = {
    "A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33,
    "OPT": 41, "IXFR": 251, "AXFR": 252, "ANY": 255,
}  # fmt: skip
NAMES = {number: name for name, number in TYPES.items()}
RCODES = {
    "NOERROR": 0, "FORMERR": 1, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5,
}  # fmt: skip
UDP_SIZE, MAX_UDP_SIZE, TCP_SIZE = 512, 1232, 65535
_ONE_QUESTION = b"\0\1"


class Unanswerable(Exception):
    """What came is no query, or has no answer; `rcode` says what to reply, "" to say nothing."""

    def __init__(self, rcode: str = "") -> None:
        self.rcode = rcode


class Query(NamedTuple):
    """One question. `end` is where the question ends in `data`."""

    data: bytes
    end: int
    name: str  # lower case, without the final dot
    kind: int
    in_class: bool  # of the Internet
    size: int  # UDP payload that the asker takes
    edns: bytes  # our OPT record for the reply; b"" without EDNS

    @property
    def type(self) -> str:
        return NAMES.get(self.kind, str(self.kind))

    @property
    def key(self) -> bytes:
        return key_of(self.data, self.end)


def key_of(data: bytes, end: int) -> bytes:
    """What an answer depends on: the question, in lower case."""
    return data[12 : end - 5].lower() + data[end - 5 : end]


def parse(data: bytes) -> Query:
    """The query in `data`. Raises Unanswerable."""
    if len(data) < 12 or data[2] & 0x80:
        raise Unanswerable
    if data[2] & 0x78:
        raise Unanswerable("NOTIMP")
    if data[4:6] != _ONE_QUESTION:
        raise Unanswerable("FORMERR")
    try:
        name, at = _read_name(data)
        kind, class_ = struct.unpack_from("!HH", data, at)
        size, edns = _read_edns(data, at + 4)
    except (IndexError, struct.error, ValueError) as error:
        raise Unanswerable("FORMERR") from error
    return Query(data, at + 4, name, kind, class_ == 1, size, edns)


def _read_name(data: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while size := data[at]:
        if size > 63:
            raise ValueError("a compressed name in a question")
        labels.append(data[at + 1 : at + 1 + size].decode("latin-1").replace(".", "\\."))
        at += size + 1
    return ".".join(labels).lower(), at + 1


def _read_edns(data: bytes, at: int) -> tuple[int, bytes]:
    """The payload size and our OPT record, from the query's first additional record."""
    if data[6:12] != b"\0\0\0\0\0\1" or data[at] or data[at + 1 : at + 3] != b"\0\x29":
        return UDP_SIZE, b""
    size, flags = struct.unpack_from("!HI", data, at + 3)
    bad_version = 0x01000000 if flags & 0xFF0000 else 0
    ours = struct.pack("!BHHIH", 0, 41, MAX_UDP_SIZE, bad_version | flags & 0x8000, 0)
    return min(MAX_UDP_SIZE, max(UDP_SIZE, size)), ours


@dataclass(frozen=True, slots=True)
class Encoded:
    """An answer for every asker of one question."""

    rcode: int
    records: bytes  # all that follows the question
    ends: tuple[int, ...]  # where each record ends
    counts: tuple[int, int, int]  # answers, authority, additional
    step: int = 0  # the size of an answer, if they are alike: they may be turned
    authoritative: bool = True
    truncated: bool = False  # an upstream had more to say


def encode(query: Query, answer: Answer, domain: str, ttl: int) -> Encoded:
    """`answer` to `query`; names without records carry the zone's SOA."""
    writer = _Writer(query)
    weight = max(1, 100 // max(1, sum(record.type == "SRV" for record in answer.records)))
    for record in answer.records:
        writer.add(record, ttl, weight)
    extra = list(dict.fromkeys(answer.extra))
    authority = [] if answer.records else [soa(domain, ttl)]
    for record in (*authority, *extra):
        writer.add(record, ttl, 0)
    sizes = {end - start for start, end in zip((0, *writer.ends), writer.ends, strict=False)}
    alike = len(sizes) == 1 and not extra and answer.records[1:]
    return Encoded(
        RCODES["NOERROR" if answer.exists else "NXDOMAIN"],
        bytes(writer.out),
        tuple(writer.ends),
        (len(answer.records), len(authority), len(extra)),
        sizes.pop() if alike else 0,
    )


def soa(domain: str, ttl: int) -> Record:
    times = struct.pack("!5I", 1, 7200, 1800, 86400, ttl)
    return Record(domain, "SOA", (f"ns.dns.{domain}", f"hostmaster.{domain}", times))


def complete(encoded: Encoded, query: Query, *, tcp: bool, turn: int = 0) -> bytes:
    """The reply to `query`, cut to what its asker takes. `turn` rotates equal answers."""
    records, (answers, authority, extra) = encoded.records, encoded.counts
    room = (TCP_SIZE if tcp else query.size) - query.end - len(query.edns)
    flags = 0x80 | encoded.authoritative << 2 | encoded.truncated << 1
    if len(records) > room:
        fit = sum(end <= room for end in encoded.ends)
        flags |= (fit < answers) << 1
        records = records[: (0, *encoded.ends)[fit]]
        answers, extra = min(answers, fit), max(0, fit - answers - authority)
        authority = max(0, min(authority, fit - answers))
    elif encoded.step:
        cut = turn % answers * encoded.step
        records = records[cut:] + records[:cut]
    data, rcode = query.data, encoded.rcode
    return b"".join(
        (
            data[:2],
            bytes((flags | data[2] & 1, 0x80 | rcode)),
            struct.pack("!4H", 1, answers, authority, extra + bool(query.edns)),
            data[12 : query.end],
            records,
            query.edns,
        )
    )


REFUSED = Encoded(RCODES["REFUSED"], b"", (), (0, 0, 0), authoritative=False)


def question(name: str, kind: int) -> Query:
    """A query of our own; its EDNS says that we take large answers."""
    head = struct.pack("!6H", 0, 0x0100, 1, 0, 0, 0)
    query = parse(head + wire_name(name) + struct.pack("!HH", kind, 1))
    return query._replace(size=MAX_UDP_SIZE)


def records(encoded: Encoded, query: Query) -> list[Record]:
    """An upstream's answers as records that stand alone. Raises ValueError."""
    import dnslib  # only aliases that lead outside take it

    found = []
    try:
        message = dnslib.DNSRecord.parse(complete(encoded, query, tcp=True))
    except (dnslib.DNSError, IndexError) as error:
        raise ValueError(f"not a DNS message: {error}") from error
    for one in message.rr:
        data = dnslib.DNSBuffer()
        one.rdata.pack(data)
        name = str(one.rname).rstrip(".")
        found.append(Record(name, NAMES.get(one.rtype, str(one.rtype)), bytes(data.data)))
    return found


def refusal(query: Query, rcode: str) -> bytes:
    """A reply with nothing but an error."""
    encoded = Encoded(RCODES[rcode], b"", (), (0, 0, 0), authoritative=False)
    return complete(encoded, query, tcp=True)


def rejection(data: bytes, rcode: str) -> bytes:
    """The reply to what could not be read as a query."""
    head = bytes((0x80 | data[2] & 0x79, RCODES[rcode]))
    return data[:2] + head + bytes(8)


def wire_name(name: str) -> bytes:
    labels = [label.encode("latin-1") for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


class _Writer:
    """Records one after another; a name that was there before becomes a pointer."""

    def __init__(self, query: Query) -> None:
        self.out = bytearray()
        self.ends: list[int] = []
        self._base = query.end
        self._known: dict[bytes, int] = {}
        self._remember(query.data[12 : query.end - 4].lower(), 12)

    def add(self, record: Record, ttl: int, weight: int) -> None:
        self._name(wire_name(record.name.lower()))
        self.out += struct.pack("!HHIH", TYPES.get(record.type) or int(record.type), 1, ttl, 0)
        start = len(self.out)
        for part in _parts(record, weight):
            if isinstance(part, bytes):
                self.out += part
            else:
                self._name(wire_name(part))
        struct.pack_into("!H", self.out, start - 2, len(self.out) - start)
        self.ends.append(len(self.out))

    def _name(self, name: bytes) -> None:
        at = 0
        while name[at] and name[at:] not in self._known:
            at += name[at] + 1
        known = self._known.get(name[at:])
        self._remember(name, self._base + len(self.out), at)
        self.out += name[:at] + (b"\0" if known is None else struct.pack("!H", 0xC000 | known))

    def _remember(self, name: bytes, offset: int, until: int = 255) -> None:
        at = 0
        while at < until and name[at] and offset + at < 0x4000:
            self._known.setdefault(name[at:], offset + at)
            at += name[at] + 1


def _parts(record: Record, weight: int) -> Iterable[bytes | str]:
    """A record's data: bytes as they are, names to be written (and shortened) by the writer."""
    data = record.data
    if isinstance(data, bytes):  # of somebody else's answer
        return (data,)
    if isinstance(data, tuple) and record.type == "SRV":
        port, target = data
        return (struct.pack("!HHH", 0, weight, port), wire_name(str(target)))
    if isinstance(data, tuple):
        return [one for one in data if not isinstance(one, int)]
    if record.type in ("A", "AAAA"):
        return (ip_address(data).packed,)
    return (bytes((len(data),)) + data.encode(),) if record.type == "TXT" else (data,)

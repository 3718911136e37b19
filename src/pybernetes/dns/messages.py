# SPDX-License-Identifier: Apache-2.0
"""Answers as DNS messages (dnslib): pure encoding and the size rules of UDP."""

import dnslib
from dnslib import CLASS, QTYPE, RCODE, RR

from pybernetes.dns.zone import Answer, Record

UDP_SIZE = 512
MAX_UDP_SIZE = 4096


def parse(data: bytes) -> dnslib.DNSRecord:
    """The query in `data`. Raises ValueError for anything that is not one question."""
    try:
        message = dnslib.DNSRecord.parse(data)
    except (dnslib.DNSError, IndexError, UnicodeDecodeError, ValueError) as error:
        raise ValueError(f"not a DNS message: {error}") from error
    if message.header.qr or len(message.questions) != 1:
        raise ValueError("not a query with one question")
    return message


def question(query: dnslib.DNSRecord) -> tuple[str, str]:
    """(name without the final dot, type) of a query."""
    return str(query.q.qname).rstrip("."), QTYPE.get(query.q.qtype)


def reply(query: dnslib.DNSRecord, answer: Answer, domain: str, ttl: int) -> dnslib.DNSRecord:
    """An authoritative reply; names without records carry the zone's SOA."""
    message = query.reply(ra=1, aa=1)
    message.header.rcode = RCODE.NOERROR if answer.exists else RCODE.NXDOMAIN
    weight = 100 // max(1, sum(record.type == "SRV" for record in answer.records))
    for record in answer.records:
        message.add_answer(_rr(record, ttl, max(1, weight)))
    for record in dict.fromkeys(answer.extra):
        message.add_ar(_rr(record, ttl, 0))
    if not answer.records:
        times = (1, 7200, 1800, 86400, ttl)
        soa = dnslib.SOA(f"ns.dns.{domain}", f"hostmaster.{domain}", times)
        message.add_auth(RR(f"{domain}.", QTYPE.SOA, ttl=ttl, rdata=soa))
    return message


def refuse(query: dnslib.DNSRecord, rcode: str) -> bytes:
    """A reply with nothing but an error: "SERVFAIL", "REFUSED", ..."""
    message = query.reply(ra=1, aa=0)
    message.header.rcode = getattr(RCODE, rcode)
    return bytes(message.pack())


def udp_limit(query: dnslib.DNSRecord) -> int:
    """How large a UDP reply the asker takes (EDNS), within our own bound."""
    for record in query.ar:
        if record.rtype == QTYPE.OPT:
            return min(MAX_UDP_SIZE, max(UDP_SIZE, int(record.rclass)))
    return UDP_SIZE


def pack(message: dnslib.DNSRecord, limit: int) -> bytes:
    """The message as bytes; over `limit` only its head, marked truncated."""
    data = bytes(message.pack())
    return data if len(data) <= limit else bytes(message.truncate().pack())


def _rr(record: Record, ttl: int, weight: int) -> RR:
    if isinstance(record.data, tuple):
        port, target = record.data
        rdata = dnslib.SRV(0, weight, port, f"{target}.")
    elif record.type in ("CNAME", "PTR"):
        rdata = getattr(dnslib, record.type)(f"{record.data}.")
    else:
        rdata = getattr(dnslib, record.type)(record.data)
    return RR(f"{record.name}.", getattr(QTYPE, record.type), CLASS.IN, ttl, rdata)

# SPDX-License-Identifier: Apache-2.0
"""Bytes of DNS messages, read back by a library that did not write them."""

import dnslib
import pytest

from pybernetes.dns import messages
from pybernetes.dns.messages import Unanswerable
from pybernetes.dns.zone import Answer, Record

DOMAIN = "cluster.local"
NAME = "db.default.svc.cluster.local"


def ask(name: str, kind: str, *, size: int = 0) -> messages.Query:
    question = dnslib.DNSRecord.question(name, kind)
    if size:
        question.add_ar(dnslib.EDNS0(udp_len=size, flags="do"))
    return messages.parse(bytes(question.pack()))


def reply(query: messages.Query, answer: Answer, *, tcp: bool = False) -> dnslib.DNSRecord:
    encoded = messages.encode(query, answer, DOMAIN, 30)
    return dnslib.DNSRecord.parse(messages.complete(encoded, query, tcp=tcp))


def test_every_type_of_record_is_read_back() -> None:
    records = [
        Record(NAME, "A", "10.244.0.5"),
        Record(NAME, "AAAA", "fd00::5"),
        Record(NAME, "CNAME", "other.example.org"),
        Record(NAME, "PTR", "web.default.svc.cluster.local"),
        Record(NAME, "NS", "ns.dns.cluster.local"),
        Record(NAME, "TXT", "1.1.0"),
        Record(NAME, "SRV", (8080, "web.default.svc.cluster.local")),
        messages.soa(DOMAIN, 30),
    ]
    found = reply(ask(NAME, "A"), Answer(True, records), tcp=True)
    assert [f"{one.rname} {dnslib.QTYPE[one.rtype]} {one.rdata}" for one in found.rr] == [
        f"{NAME}. A 10.244.0.5",
        f"{NAME}. AAAA fd00::5",
        f"{NAME}. CNAME other.example.org.",
        f"{NAME}. PTR web.default.svc.cluster.local.",
        f"{NAME}. NS ns.dns.cluster.local.",
        f'{NAME}. TXT "1.1.0"',
        f"{NAME}. SRV 0 100 8080 web.default.svc.cluster.local.",
        "cluster.local. SOA ns.dns.cluster.local. hostmaster.cluster.local. 1 7200 1800 86400 30",
    ]
    assert {one.ttl for one in found.rr} == {30}
    assert (found.header.aa, found.header.ra, found.header.tc) == (1, 1, 0)


def test_names_come_back_as_the_asker_spelled_them() -> None:
    query = ask("DB.Default.svc.CLUSTER.local", "A")
    assert query.key == ask(NAME, "A").key
    found = reply(query, Answer(True, [Record(NAME, "A", "10.244.0.5")]))
    assert str(found.rr[0].rname) == str(found.q.qname) == "DB.Default.svc.CLUSTER.local."
    assert found.header.id == int.from_bytes(query.data[:2], "big")


def test_types_whose_number_is_a_letter_are_told_apart() -> None:
    assert ask(NAME, "HTTPS").kind == 65  # "A"
    assert len({ask(NAME, kind).key for kind in ("HTTPS", "SPF", "A")}) == 3


@pytest.mark.parametrize(("exists", "rcode"), [(True, "NOERROR"), (False, "NXDOMAIN")])
def test_a_name_without_records_carries_the_zones_soa(exists: bool, rcode: str) -> None:
    found = reply(ask(NAME, "AAAA"), Answer(exists))
    assert dnslib.RCODE[found.header.rcode] == rcode
    assert found.rr == []
    assert (str(found.auth[0].rname), found.auth[0].ttl) == ("cluster.local.", 30)


def test_large_answers_are_cut_to_what_the_asker_takes() -> None:
    many = Answer(True, [Record(NAME, "A", f"10.244.1.{n}") for n in range(100)])
    cut = reply(ask(NAME, "A"), many)
    assert cut.header.tc == 1
    assert 20 < len(cut.rr) < 30
    assert reply(ask(NAME, "A", size=4096), many).header.tc == 1  # ours ends at 1232 bytes
    assert len(reply(ask(NAME, "A"), many, tcp=True).rr) == 100


def test_additional_records_that_do_not_fit_are_no_truncation() -> None:
    ports = [Record(NAME, "SRV", (80 + n, f"host-{n}.{NAME}")) for n in range(8)]
    extra = [Record(f"host-{n}.{NAME}", "A", "10.244.0.5") for n in range(8)]
    whole = reply(ask(NAME, "SRV"), Answer(True, ports, extra), tcp=True)
    cut = reply(ask(NAME, "SRV"), Answer(True, ports, extra))
    assert len(cut.rr) == len(whole.rr) == len(whole.ar) == 8
    assert (cut.header.tc, len(cut.ar) < 8) == (0, True)


def test_edns_is_answered_with_edns() -> None:
    answer = Answer(True, [Record(NAME, "A", "10.244.0.5")])
    found = reply(ask(NAME, "A", size=4096), answer)
    assert [(one.rtype, one.rclass, one.edns_do) for one in found.ar] == [(41, 1232, 1)]
    assert reply(ask(NAME, "A"), answer).ar == []


def test_equal_answers_are_turned() -> None:
    query = ask(NAME, "A")
    records = [Record(NAME, "A", f"10.244.1.{n}") for n in range(3)]
    encoded = messages.encode(query, Answer(True, records), DOMAIN, 30)
    firsts = {
        str(dnslib.DNSRecord.parse(messages.complete(encoded, query, tcp=False, turn=n)).rr[0].rdata)
        for n in range(3)
    }  # fmt: skip
    assert len(firsts) == 3


def head(flags: int, questions: int) -> bytes:
    return b"\0\1" + flags.to_bytes(2, "big") + questions.to_bytes(2, "big") + bytes(6)


@pytest.mark.parametrize(
    ("data", "rcode"),
    [
        (b"", ""),
        (b"x" * 11, ""),
        (head(0x8000, 1) + b"\1a\0\0\1\0\1", ""),  # a reply
        (head(0x2800, 1) + b"\1a\0\0\1\0\1", "NOTIMP"),  # an update
        (head(0x0100, 2) + b"\1a\0\0\1\0\1", "FORMERR"),
        (head(0x0100, 1) + b"\1a\0\0\1", "FORMERR"),
        (head(0x0100, 1) + b"\xc0\x0c\0\1\0\1", "FORMERR"),  # points at itself
        (head(0x0100, 1) + b"\x3fa", "FORMERR"),
    ],
)
def test_what_is_no_query(data: bytes, rcode: str) -> None:
    with pytest.raises(Unanswerable) as raised:
        messages.parse(data)
    assert raised.value.rcode == rcode
    if rcode:
        rejected = dnslib.DNSRecord.parse(messages.rejection(data, rcode))
        assert (rejected.header.id, dnslib.RCODE[rejected.header.rcode]) == (1, rcode)

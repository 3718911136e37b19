# SPDX-License-Identifier: Apache-2.0
"""The listeners on real sockets, on uvloop as in production: UDP, TCP, forwarding to an upstream."""

import asyncio
from collections.abc import Awaitable

import dnslib
import pytest
import uvloop

from pybernetes.base.tasks import TaskGroup
from pybernetes.dns.forward import Forwarder, ForwardError
from pybernetes.dns.listeners import Listeners


def answer(query: bytes, tcp: bool) -> bytes | Awaitable[bytes]:
    """Echoes the question with an address; "late" is answered after a wait."""
    message = dnslib.DNSRecord.parse(query)
    message = message.replyZone(f"{message.q.qname} A 192.0.2.{1 if tcp else 2}")
    packed = bytes(message.pack())

    async def later() -> bytes:
        await asyncio.sleep(0.01)
        return packed

    return later() if "late" in str(message.q.qname) else packed


def ask(name: str, port: int, *, tcp: bool) -> str:
    query = dnslib.DNSRecord.question(name)
    found = dnslib.DNSRecord.parse(query.send("127.0.0.1", port, tcp=tcp, timeout=5))
    assert found.header.id == query.header.id
    return str(found.rr[0].rdata)


def test_both_protocols_answer_at_once_and_later() -> None:
    async def main() -> list[str]:
        async with TaskGroup("dns") as group:
            listeners = Listeners(answer, group)
            await listeners.open("127.0.0.1", 0)
            loop = asyncio.get_running_loop()
            found = [
                await loop.run_in_executor(
                    None, lambda n=name, t=tcp: ask(n, listeners.port, tcp=t)
                )
                for name in ("now.example", "late.example")
                for tcp in (False, True)
            ]
            listeners.close()
            return found

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(main()) == ["192.0.2.2", "192.0.2.1"] * 2


async def test_forwarding_fails_by_name_without_an_upstream() -> None:
    for upstreams, timeout in (((), 1.0), (("127.0.0.1",), 0.05)):
        forwarder = Forwarder(upstreams, timeout, 10)
        with pytest.raises(ForwardError, match="upstream"):
            await forwarder.ask(dnslib.DNSRecord.question("example.org").pack(), tcp=False)

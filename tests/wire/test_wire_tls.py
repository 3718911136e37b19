# SPDX-License-Identifier: Apache-2.0
"""TLS and Unix sockets: who the peer is, what is negotiated, whom the client trusts."""

import contextlib
import ssl
from collections.abc import AsyncIterator

import pytest

from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.wire.client import HttpPool, PoolConfig
from pybernetes.wire.server import serve
from pybernetes.wire.types import Request, Response

ENV, PLAIN = Env(), PoolConfig()
CA, OTHER = tls.new_ca("ca", ENV.clock), tls.new_ca("other", ENV.clock)
SERVER = tls.issue(CA, tls.Subject("server", dns=("api.example",), ips=("127.0.0.1",)), ENV.clock)


def who(request: Request) -> Response:
    names = [tls.identity(der)[0] for der in request.peer.certificates]
    return Response(200, " ".join(names).encode())


@contextlib.asynccontextmanager
async def listening(**options) -> AsyncIterator[int]:
    context = tls.server_context(SERVER, CA.certificate + OTHER.certificate)
    server = await serve(ENV, who, ssl_context=context, **options)
    yield server.port
    await server.close()


async def ask(port: int, context: ssl.SSLContext, config: PoolConfig = PLAIN) -> bytes:
    pool = HttpPool(ENV, "127.0.0.1", port, context, config=config)
    try:
        return (await pool.send(Request("GET", "/", "/"))).body
    finally:
        await pool.close()


@pytest.mark.parametrize("authority", [CA, OTHER])
async def test_the_peers_chain_is_shown_with_the_authority_that_vouches(authority):
    """So that the handler can check which of the CAs it was."""
    pair = tls.issue(authority, tls.Subject("jane"), ENV.clock)
    async with listening() as port:
        context = tls.client_context(CA.certificate, pair)
        root = tls.subject(authority.certificate)
        for _ in range(2):  # a second connection must not resume and hide the chain
            answer = (await ask(port, context)).decode().split()
            assert answer == ["jane", root.removeprefix("CN=")]


async def test_a_certificate_is_optional_but_must_be_of_a_known_authority():
    async with listening() as port:
        assert await ask(port, tls.client_context(CA.certificate)) == b""
        stranger = tls.issue(tls.new_ca("stranger", ENV.clock), tls.Subject("eve"), ENV.clock)
        with pytest.raises(ConnectionError):
            await ask(port, tls.client_context(CA.certificate, stranger))


async def test_only_http_1_1_is_negotiated():
    async with listening() as port:
        context = ssl.create_default_context(cadata=CA.certificate.decode())
        context.set_alpn_protocols(["h2", "http/1.1"])
        assert await ask(port, context) == b""
        pool = HttpPool(ENV, "127.0.0.1", port, context)
        await pool.send(Request("GET", "/", "/"))
        transport = next(iter(pool._all))._transport
        assert transport.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        await pool.close()


async def test_the_client_checks_the_server_and_its_name():
    async with listening() as port:
        with pytest.raises(ConnectionError, match="certificate verify failed"):
            await ask(port, tls.client_context(OTHER.certificate))
        with pytest.raises(ConnectionError, match=r"other\.example"):
            await ask(
                port, tls.client_context(CA.certificate), PoolConfig(server_name="other.example")
            )
        good = PoolConfig(server_name="api.example")
        assert await ask(port, tls.client_context(CA.certificate), good) == b""


async def test_the_client_can_ask_for_the_servers_common_name():
    async with listening() as port:
        context = tls.client_context(CA.certificate)
        assert await ask(port, context, PoolConfig(common_name="server")) == b""
        with pytest.raises(ConnectionError, match="is server's, not system:node:w1's"):
            await ask(port, context, PoolConfig(common_name="system:node:w1"))

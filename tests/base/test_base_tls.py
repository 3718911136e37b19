# SPDX-License-Identifier: Apache-2.0
"""TLS: real handshakes over loopback, identities, validity from the Clock, files nobody else reads."""

import asyncio
import datetime
import ssl
from pathlib import Path

import jwt
import pytest

from pybernetes.base import tls, virtualtime
from pybernetes.base.clock import Clock
from pybernetes.base.env import Env

CLOCK = Clock()


@pytest.fixture(scope="module")
def ca() -> tls.KeyPair:
    return tls.new_ca("kubernetes", CLOCK)


async def _handshake(
    server: ssl.SSLContext, client: ssl.SSLContext, host: str
) -> tuple[bytes | None, str | None]:
    """The client's certificate (DER) as the server saw it, and the protocol agreed on."""
    seen: asyncio.Future[tuple[bytes | None, str | None]] = asyncio.Future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        secured = writer.get_extra_info("ssl_object")
        seen.set_result((secured.getpeercert(True), secured.selected_alpn_protocol()))
        writer.write(await reader.readexactly(1))
        writer.close()

    listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=server)
    async with listener:
        port = listener.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", port, ssl=client, server_hostname=host
        )
        writer.write(b"x")
        assert await reader.read(1) == b"x"
        writer.close()
    return await seen


async def test_mutual_tls(ca: tls.KeyPair) -> None:
    server = tls.issue(
        ca, tls.Subject("kube-apiserver", dns=["kubernetes"], ips=["10.96.0.1"]), CLOCK
    )
    admin = tls.issue(
        ca, tls.Subject("admin", groups=["system:masters", "a,b"]), CLOCK, usages=["client"]
    )
    context = tls.server_context(server, ca.certificate)
    client = tls.client_context(ca.certificate, admin)
    for host in ("kubernetes", "10.96.0.1"):
        der, protocol = await _handshake(context, client, host)
        assert protocol == "http/1.1"
        assert der is not None
        assert tls.identity(der) == ("admin", ["system:masters", "a,b"])
    der, _ = await _handshake(context, tls.client_context(ca.certificate), "kubernetes")
    assert der is None


async def test_wrong_name_or_authority_is_refused(ca: tls.KeyPair) -> None:
    server = tls.server_context(tls.issue(ca, tls.Subject("s", dns=["kubernetes"]), CLOCK))
    other = tls.new_ca("kubernetes", CLOCK)
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(server, tls.client_context(ca.certificate), "elsewhere")
    with pytest.raises(ssl.SSLCertVerificationError):
        await _handshake(server, tls.client_context(other.certificate), "kubernetes")


def test_validity_follows_the_clock() -> None:
    async def main(env: Env) -> datetime.datetime:
        await asyncio.sleep(86400)
        ca = tls.new_ca("kubernetes", env.clock)
        return tls.not_after(tls.issue(ca, tls.Subject("x"), env.clock, days=30).certificate)

    assert virtualtime.run(main) == datetime.datetime(2026, 2, 1, tzinfo=datetime.UTC)


async def test_a_request_is_granted_as_asked(ca: tls.KeyPair) -> None:
    key = tls.new_key()
    wanted = tls.Subject("system:node:n1", ["system:nodes"], dns=["n1"], ips=["10.0.0.5"])
    request = tls.new_request(key, wanted)
    granted = tls.sign_request(ca, request, CLOCK, usages=["server auth"], seconds=86400)
    assert tls.subject(granted) == "CN=system:node:n1,O=system:nodes"
    context = tls.server_context(tls.KeyPair(granted, key))
    await _handshake(context, tls.client_context(ca.certificate), "10.0.0.5")
    with pytest.raises(ValueError, match="PEM"):
        tls.sign_request(ca, b"nonsense", CLOCK, usages=["client auth"], seconds=600)


def test_files_are_private(ca: tls.KeyPair, tmp_path: Path) -> None:
    directory = tmp_path / "pki"
    assert tls.load(directory, "ca") is None
    tls.save(ca, directory, "ca")
    assert tls.load(directory, "ca") == ca
    assert {path.name: path.stat().st_mode & 0o777 for path in directory.iterdir()} == {
        "ca.crt": 0o600,
        "ca.key": 0o600,
    }
    assert "PRIVATE" not in repr(ca)


def test_signing_key_signs_tokens() -> None:
    key = tls.new_key()
    token = jwt.encode({"sub": "x"}, key, algorithm="ES256")
    assert jwt.decode(token, tls.public_key(key), algorithms=["ES256"]) == {"sub": "x"}


def test_tokens_differ() -> None:
    first, second = tls.random_token(16), tls.random_token(16)
    assert first != second
    assert set(first + second) <= set(tls.TOKEN_ALPHABET)

# SPDX-License-Identifier: Apache-2.0
"""The runtime's streaming server as a client sees it: SPDY/3.1 to the URL that CRI handed out.

containerd 1.6 speaks up to v4 of the exec protocol; each URL is good for one connection. A client
that speaks SPDY itself is passed through, byte for byte; for the others a session is bridged.
"""

import urllib.parse
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base.env import Env
from pybernetes.kubelet.server.protocols import (
    PROTOCOL_HEADER,
    choose_spdy,
)
from pybernetes.wire.client import HttpPool
from pybernetes.wire.joint import join
from pybernetes.wire.spdy import SpdySession
from pybernetes.wire.types import (
    ClientReply,
    Reply,
    Request,
    Response,
    Stream,
    Upgraded,
    UpgradeResponse,
)


async def _ask(env: Env, url: str, protocol: str) -> ClientReply:
    """POST to `url` with an upgrade to SPDY. Raises ApiError if the runtime is not there."""
    parts = urllib.parse.urlsplit(url)
    if parts.scheme != "http" or parts.hostname is None:
        raise ApiError(501, "NotImplemented", f"unsupported streaming URL of the runtime: {url}")
    headers = {"upgrade": "SPDY/3.1", PROTOCOL_HEADER.lower(): protocol}
    path = parts.path or "/"
    request = Request("POST", path, path, parts.query, headers)
    pool = HttpPool(env, parts.hostname, parts.port or 80)
    try:
        reply = await pool.send(request, timeout=30)
    except ConnectionError as error:
        raise ApiError(500, "InternalError", f"error dialing backend: {error}") from error
    if not isinstance(reply, Upgraded):
        await pool.close()
    return reply


async def connect(env: Env, url: str, protocol: str) -> SpdySession:
    """A SPDY session with the runtime. Raises ApiError with what it said instead."""
    reply = await _ask(env, url, protocol)
    if isinstance(reply, Upgraded):
        return SpdySession(reply.stream, server=False)
    text = reply.body.decode(errors="replace").strip() if isinstance(reply, Response) else ""
    raise ApiError(500, "InternalError", f"unable to upgrade connection: {text}")


async def read_all(stream: Stream) -> bytes:
    parts = []
    while data := await stream.read():
        parts.append(data)
    return b"".join(parts)


async def pass_through(env: Env, url: str, request: Request, supported: Sequence[str]) -> Reply:
    """Answer a SPDY request with the runtime's own connection. Raises Refusal, ApiError."""
    protocol, headers = choose_spdy(request, supported)
    reply = await _ask(env, url, protocol)
    if not isinstance(reply, Upgraded):
        return reply
    backend = reply.stream

    async def run(stream: Stream) -> None:
        await join(stream, backend)

    return UpgradeResponse(run, headers)

# SPDX-License-Identifier: Apache-2.0
"""Requests and replies on their way through: which headers go on, and upgrades byte for byte.

Source: k8s.io/apimachinery/pkg/util/proxy (UpgradeAwareHandler) and Go's httputil.ReverseProxy.
"""

from collections.abc import Awaitable, Callable

from pybernetes.apimachinery.errors import ApiError, service_unavailable
from pybernetes.wire.joint import join
from pybernetes.wire.stream import end
from pybernetes.wire.types import (
    ClientReply,
    Headers,
    Reply,
    Request,
    Response,
    Stream,
    StreamingResponse,
    Upgraded,
    UpgradeResponse,
)

_HOP_BY_HOP = frozenset(
    {
        "connection",
        "proxy-connection",
        "keep-alive",
        "proxy-authenticate",
        "proxy-authorization",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
_CREDENTIALS = frozenset({"authorization", "x-remote-user", "x-remote-group", "x-remote-uid"})
_CREDENTIAL_PREFIXES = ("impersonate-", "x-remote-extra-")
_CORS = frozenset(
    {
        "access-control-allow-credentials",
        "access-control-allow-headers",
        "access-control-allow-methods",
        "access-control-allow-origin",
    }
)
_OWN = frozenset({"date", "content-length"})  # the listener's to say
_ERROR_BYTES = 64 * 1024

Send = Callable[[Request], Awaitable[ClientReply]]


def outgoing_headers(request: Request) -> dict[str, str]:
    """The request's headers for the backend: nothing of this hop, none of the caller's credentials."""
    named = {name.strip().lower() for name in request.headers.get("connection", "").split(",")}
    headers = {
        name: value
        for name, value in request.headers.items()
        if name not in _HOP_BY_HOP
        and name not in _CREDENTIALS
        and name not in named
        and not name.startswith(_CREDENTIAL_PREFIXES)
        and name not in {"content-length", "expect"}
    }
    if request.upgrade:
        headers["connection"] = "Upgrade"
        headers["upgrade"] = request.headers["upgrade"]
    address = request.peer.address.rpartition(":")[0].strip("[]")
    if address:
        before = request.headers.get("x-forwarded-for")
        headers["x-forwarded-for"] = f"{before}, {address}" if before else address
    return headers


def incoming_headers(headers: Headers) -> Headers:
    """A backend's headers for the client."""
    named = {
        token.strip().lower()
        for name, value in headers
        if name.lower() == "connection"
        for token in value.split(",")
    }
    dropped = _HOP_BY_HOP | _CORS | _OWN | named
    return tuple((name, value) for name, value in headers if name.lower() not in dropped)


async def body_of(reply: Response | StreamingResponse, limit: int = _ERROR_BYTES) -> bytes:
    """A reply's body, at most about `limit` bytes of it."""
    if isinstance(reply, Response):
        return reply.body
    parts, size = [], 0
    try:
        async for chunk in reply.chunks:
            parts.append(chunk)
            size += len(chunk)
            if size > limit:
                break
    finally:
        await end(reply.chunks)
    return b"".join(parts)


def handed_over(reply: Upgraded) -> UpgradeResponse:
    """The backend's 101 and then its bytes."""
    upgrade = tuple((k, v) for k, v in reply.headers if k.lower() == "upgrade")
    backend = reply.stream

    async def run(stream: Stream) -> None:
        await join(stream, backend)

    return UpgradeResponse(run, upgrade + incoming_headers(reply.headers))


async def pass_upgrade(send: Send, request: Request) -> Reply:
    """Ask the backend to upgrade; what it answers instead goes to the client, if it is an error."""
    try:
        reply = await send(request)
    except ConnectionError as error:
        raise ApiError(500, "", f"error dialing backend: {error}") from error
    if isinstance(reply, Upgraded):
        return handed_over(reply)
    if reply.status < 400:
        await body_of(reply, 0)
        raise ApiError(500, "", f"invalid upgrade response: status code {reply.status}")
    body = await body_of(reply)
    return Response(reply.status, body, reply.content_type, incoming_headers(reply.headers))


async def ask(send: Send, request: Request) -> Response | StreamingResponse:
    """The backend's reply to what is no upgrade. Raises ApiError 503."""
    try:
        reply = await send(request)
    except ConnectionError as error:
        raise service_unavailable(f"error trying to reach service: {error}") from error
    if isinstance(reply, Upgraded):
        await reply.stream.close()
        raise ApiError(500, "", "the backend upgraded what was no upgrade request")
    return reply

# SPDX-License-Identifier: Apache-2.0
"""pods/log: the kubelet's answer as an API answer, over HTTP or as messages of a WebSocket."""

import base64
import contextlib

from pybernetes.apimachinery.errors import ApiError, bad_request, internal
from pybernetes.apiserver.proxying.passing import Send, ask, body_of
from pybernetes.base.tasks import TaskGroup
from pybernetes.wire.stream import end
from pybernetes.wire.types import (
    Reply,
    Request,
    Response,
    Stream,
    StreamingResponse,
    UpgradeResponse,
)
from pybernetes.wire.websocket import HandshakeError, WebSocket, handshake

_PROTOCOLS = ("", "binary.k8s.io", "base64.binary.k8s.io")
_REASONS = {
    401: ("Unauthorized", "the server has asked for the client to provide credentials"),
    404: ("NotFound", "the server could not find the requested resource"),
    405: ("MethodNotAllowed", "the server does not allow this method on the requested resource"),
    503: ("ServiceUnavailable", "the server is currently unable to handle the request"),
}


def backend_error(status: int, text: str, name: str) -> ApiError:
    """What a kubelet's failure is for the API's client (upstream's GenericHttpResponseChecker)."""
    if status == 500:
        return internal(text)
    if status == 400:
        return bad_request(text)
    if status == 403:
        return ApiError(403, "Forbidden", text)
    if status not in _REASONS:
        return ApiError(status, "NotImplemented" if status == 501 else "Unknown", text)
    reason, message = _REASONS[status]
    details = {"name": name, "kind": "pods/log"}
    return ApiError(status, reason, f"{message} ( pods/log {name})", details)


async def serve_log(send: Send, request: Request, outgoing: Request, name: str) -> Reply:
    """The log that the kubelet answers to `outgoing`, for `request`."""
    reply = await ask(send, outgoing)
    if not 200 <= reply.status <= 206:
        text = (await body_of(reply)).decode("utf-8", "replace").rstrip("\n")
        raise backend_error(reply.status, text, name)
    if request.upgrade == "websocket":
        return _over_websocket(request, reply)
    if isinstance(reply, Response):
        return Response(200, reply.body, "text/plain")
    return StreamingResponse(reply.chunks, 200, "text/plain")


def _over_websocket(request: Request, reply: Response | StreamingResponse) -> Reply:
    try:
        protocol, headers = handshake(request, _PROTOCOLS)
    except HandshakeError as error:
        return Response(error.status, str(error).encode(), "text/plain")

    async def run(stream: Stream) -> None:
        await _messages(WebSocket(stream), reply, protocol.startswith("base64."))

    return UpgradeResponse(run, headers)


async def _messages(socket: WebSocket, reply: Response | StreamingResponse, encoded: bool) -> None:
    """One message a chunk; a client that leaves ends it."""

    async def send(data: bytes) -> None:
        await socket.send(base64.b64encode(data).decode() if encoded else data)

    async def write() -> None:
        with contextlib.suppress(ConnectionError):
            if isinstance(reply, Response):
                await send(reply.body)
            else:
                async for chunk in reply.chunks:
                    await send(chunk)
        listening.cancel()

    async def listen() -> None:
        with contextlib.suppress(ConnectionError):
            while await socket.receive() is not None:
                pass
        writing.cancel()

    async with TaskGroup("log") as group:
        writing = group.start(write(), "write")
        listening = group.start(listen(), "listen")
    await socket.close()
    if isinstance(reply, StreamingResponse):
        await end(reply.chunks)

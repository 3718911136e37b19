# SPDX-License-Identifier: Apache-2.0
"""Names and negotiation of the streaming sub-protocols, and the statuses they end with.

Source: k8s.io/apimachinery/pkg/util/remotecommand, k8s.io/streaming and client-go/tools/remotecommand.
"""

import json
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.wire.types import Headers, Request, Response
from pybernetes.wire.websocket import HandshakeError, handshake

RUNTIME_EXEC = ("v4.channel.k8s.io", "v3.channel.k8s.io", "v2.channel.k8s.io", "channel.k8s.io")
FORWARD = ("portforward.k8s.io",)
EXEC_WEBSOCKET = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
TUNNEL = "SPDY/3.1+portforward.k8s.io"
FORWARD_WEBSOCKET = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")
PROTOCOL_HEADER = "X-Stream-Protocol-Version"


class Refusal(Exception):
    """A stream is refused; the one argument is the answer."""


def plain(status: int, message: str, headers: Headers = ()) -> Response:
    """An answer in the listener's own form: plain text."""
    return Response(status, message.encode() + b"\n", "text/plain; charset=utf-8", headers)


def refused(error: ApiError, request: Request) -> Response:
    """Plain text; but who wanted a stream would take text with a colon for YAML, and gets a Status."""
    if "upgrade" in request.headers and ": " in error.message:
        return Response(error.code, json.dumps(error.status()).encode())
    return plain(error.code, error.message)


def choose_spdy(request: Request, supported: Sequence[str]) -> tuple[str, Headers]:
    """(protocol, headers of the 101). Raises Refusal."""
    value = request.headers.get(PROTOCOL_HEADER.lower(), "")
    offered = [name.strip() for name in value.split(",") if name.strip()]
    if not offered:
        raise Refusal(plain(400, f"unable to upgrade: {PROTOCOL_HEADER} is required"))
    for name in offered:
        if name in supported:
            return name, (("Upgrade", "SPDY/3.1"), (PROTOCOL_HEADER, name))
    known = tuple(("X-Accepted-Stream-Protocol-Versions", name) for name in supported)
    message = f"unable to upgrade: unable to negotiate protocol: client supports {offered}, server accepts {list(supported)}"
    raise Refusal(plain(403, message, known))


def choose_websocket(request: Request, supported: Sequence[str]) -> tuple[str, Headers]:
    """(protocol, headers of the 101). Raises Refusal."""
    if request.upgrade != "websocket":
        raise Refusal(plain(400, "unable to upgrade: missing upgrade headers in request"))
    try:
        return handshake(request, supported)
    except HandshakeError as error:
        raise Refusal(plain(error.status, str(error))) from error


def encode_failure(error: ApiError) -> bytes:
    """The Status that ends a session which could not be served."""
    return json.dumps(error.status(), separators=(",", ":")).encode()


def encode_status(words: bytes, protocol: str) -> bytes:
    """What `protocol` says for the Status that v4 has: before v4 the message, nothing for success."""
    if protocol.startswith(("v4.", "v5.")):
        return words
    try:
        status: Object = json.loads(words)
    except ValueError:
        return words
    return b"" if status.get("status") != "Failure" else str(status.get("message", "")).encode()

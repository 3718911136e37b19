# SPDX-License-Identifier: Apache-2.0
"""The client's side of WebSocket's opening handshake."""

import base64
from collections.abc import Sequence

from pybernetes.base.random import Random
from pybernetes.wire.types import Headers
from pybernetes.wire.websocket import PROTOCOL_ERROR, WebSocketError, accept_key


def client_headers(random: Random, offered: Sequence[str]) -> dict[str, str]:
    """The headers with which a client asks for a WebSocket."""
    nonce = random.below(1 << 128).to_bytes(16, "big")
    headers = {
        "upgrade": "websocket",
        "sec-websocket-version": "13",
        "sec-websocket-key": base64.b64encode(nonce).decode(),
    }
    if offered:
        headers["sec-websocket-protocol"] = ", ".join(offered)
    return headers


def check_answer(sent: dict[str, str], answer: Headers) -> str:
    """The sub-protocol the server chose. Raises WebSocketError if the 101 is not for us."""
    got = {name.lower(): value for name, value in answer}
    if got.get("sec-websocket-accept") != accept_key(sent["sec-websocket-key"]):
        raise WebSocketError(PROTOCOL_ERROR, "the server's Sec-WebSocket-Accept is wrong")
    chosen = got.get("sec-websocket-protocol", "")
    if chosen and chosen not in sent.get("sec-websocket-protocol", "").split(", "):
        raise WebSocketError(PROTOCOL_ERROR, f"the server chose {chosen!r}, which was not offered")
    return chosen

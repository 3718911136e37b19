# SPDX-License-Identifier: Apache-2.0
"""Names and negotiation of the streaming sub-protocols, and the statuses they end with.

Source: k8s.io/apimachinery/pkg/util/remotecommand, k8s.io/streaming and client-go/tools/remotecommand.
"""

import json
from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError, internal
from pybernetes.apimachinery.types import Object
from pybernetes.kubelet.server.types import TerminalSize
from pybernetes.wire.types import Headers, Request, Response

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255  # WebSocket channels
EXEC_SPDY = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v3.channel.k8s.io",
    "v2.channel.k8s.io",
    "channel.k8s.io",
)
EXEC_WEBSOCKET = (
    "v5.channel.k8s.io",
    "v4.channel.k8s.io",
    "v4.base64.channel.k8s.io",
    "channel.k8s.io",
    "base64.channel.k8s.io",
    "",
)
FORWARD_SPDY = ("portforward.k8s.io",)
TUNNEL = "SPDY/3.1+portforward.k8s.io"
FORWARD_WEBSOCKET = (TUNNEL, "v4.channel.k8s.io", "v4.base64.channel.k8s.io", "")
PROTOCOL_HEADER = "X-Stream-Protocol-Version"


def is_spdy(request: Request) -> bool:
    return request.headers.get("upgrade", "").lower() == "spdy/3.1"


def plain(status: int, message: str, headers: Headers = ()) -> Response:
    """An answer in the listener's own form: plain text."""
    return Response(status, message.encode() + b"\n", "text/plain; charset=utf-8", headers)


def refused(error: ApiError, request: Request) -> Response:
    """Plain text; but who wanted a stream would take text with a colon for YAML, and gets a Status."""
    if "upgrade" in request.headers and ": " in error.message:
        return Response(error.code, json.dumps(error.status()).encode())
    return plain(error.code, error.message)


def choose_spdy(request: Request, supported: Sequence[str]) -> tuple[str, Headers] | Response:
    """(protocol, headers of the 101), or the refusal. A client that offers none gets "" (v1)."""
    value = request.headers.get(PROTOCOL_HEADER.lower(), "")
    offered = [name.strip() for name in value.split(",") if name.strip()]
    upgrade = ("Upgrade", "SPDY/3.1")
    if not offered:
        return "", (upgrade,)
    for name in offered:
        if name in supported:
            return name, (upgrade, (PROTOCOL_HEADER, name))
    known = tuple(("X-Accepted-Stream-Protocol-Versions", name) for name in supported)
    message = f"unable to upgrade: unable to negotiate protocol: client supports {offered}, server accepts {list(supported)}"
    return plain(403, message, known)


def status_of_exit(code: int) -> Object:
    """The Status that ends a session whose process exited with `code`."""
    if code == 0:
        return {"metadata": {}, "status": "Success"}
    return {
        "metadata": {},
        "status": "Failure",
        "message": f"command terminated with non-zero exit code: exit status {code}",
        "reason": "NonZeroExitCode",
        "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
    }


def status_of_error(error: Exception, action: str) -> Object:
    """The Status for a session that could not be served."""
    return internal(f"error {action}: {error}").status()


def encode_status(status: Object, protocol: str) -> bytes:
    """JSON since v4; before that the message, and nothing for success."""
    if protocol.startswith(("v4.", "v5.")):
        return json.dumps(status, separators=(",", ":")).encode()
    return b"" if status["status"] == "Success" else status["message"].encode()


def exit_of(status: bytes) -> int:
    """The exit status that an error stream of v4 tells. Raises ApiError if it tells a failure."""
    if not status:
        return 0
    parsed: Object
    try:
        parsed = json.loads(status)
    except ValueError:
        parsed = {"message": status.decode(errors="replace")}
    if parsed.get("status") == "Success":
        return 0
    if parsed.get("reason") == "NonZeroExitCode":
        for cause in (parsed.get("details") or {}).get("causes") or ():
            if cause.get("reason") == "ExitCode" and str(cause.get("message")).isdigit():
                return int(cause["message"])
    raise ApiError.from_status(parsed)


class Sizes:
    """Terminal sizes out of a stream of JSON objects."""

    def __init__(self) -> None:
        self._text = ""

    def feed(self, data: bytes) -> list[TerminalSize]:
        """The sizes that are complete with `data`; what is no JSON is dropped."""
        self._text = (self._text + data.decode("utf-8", "replace"))[-4096:]
        sizes = []
        decoder = json.JSONDecoder()
        while self._text.strip():
            text = self._text.lstrip()
            try:
                value, end = decoder.raw_decode(text)
            except ValueError:
                break
            self._text = text[end:]
            if isinstance(value, dict):
                sizes.append(TerminalSize(_number(value, "Width"), _number(value, "Height")))
        return sizes


def _number(value: Object, name: str) -> int:
    number = value.get(name, value.get(name.lower(), 0))
    return number if isinstance(number, int) and 0 <= number < 65536 else 0

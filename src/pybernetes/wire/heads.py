# SPDX-License-Identifier: Apache-2.0
"""HTTP/1.1 heads as bytes: what a listener or a client writes before a body."""

import functools
import http
import urllib.parse

from pybernetes.wire.types import Headers

_FRAMING = frozenset(
    {"connection", "transfer-encoding", "date", "keep-alive"}
)  # decided by the listener


@functools.lru_cache(maxsize=512)
def header_name(raw: bytes) -> str:
    """A header's name in lower case."""
    return raw.decode("latin-1").lower()


@functools.lru_cache(maxsize=256)
def _status_line(status: int, content_type: str) -> bytes:
    try:
        reason = http.HTTPStatus(status).phrase
    except ValueError:
        reason = "Unknown"
    line = f"HTTP/1.1 {status} {reason}\r\n"
    if content_type:
        line += _line("Content-Type", content_type)
    return line.encode("latin-1")


def _line(name: str, value: str) -> str:
    if "\r" in value or "\n" in value or "\0" in value or not name or ":" in name or "\n" in name:
        raise ValueError(f"header {name!r} cannot be sent")
    return f"{name}: {value}\r\n"


def _encode(text: str) -> bytes:
    try:
        return text.encode("latin-1")
    except UnicodeEncodeError:
        return text.encode()


def header_lines(headers: Headers, without: frozenset[str] = _FRAMING) -> bytes:
    """The lines of `headers`, leaving out those named in `without`. Raises ValueError."""
    if not headers:
        return b""
    return _encode("".join(_line(k, v) for k, v in headers if k.lower() not in without))


_WITH_LENGTH = _FRAMING | {"content-length"}


def response_head(
    status: int,
    content_type: str,
    headers: Headers,
    framing: bytes,
    *,
    keep_length: bool = False,
) -> bytes:
    """Everything up to the body. `framing` holds the listener's own lines, each with its CRLF.

    `keep_length` lets the headers' own Content-Length through (answers to HEAD).
    """
    lines = header_lines(headers, _FRAMING if keep_length else _WITH_LENGTH) if headers else b""
    return b"%b%b%b\r\n" % (_status_line(status, content_type), lines, framing)


def request_head(method: str, target: str, headers: dict[str, str], framing: bytes) -> bytes:
    """A request's head. `framing` as in response_head. Raises ValueError."""
    if " " in target or "\r" in target or "\n" in target or not target.isascii():
        raise ValueError(f"request target {target!r} is not encoded")
    lines = header_lines(tuple(headers.items()), _WITH_LENGTH)
    return b"%b %b HTTP/1.1\r\n%b%b\r\n" % (method.encode(), target.encode(), lines, framing)


def split_target(raw: bytes) -> tuple[str, str, str]:
    """(raw path, decoded path, query) of a request target. Raises ValueError."""
    try:
        text = raw.decode("ascii")
    except UnicodeDecodeError as error:
        raise ValueError("request target is not ASCII") from error
    if not text.startswith("/"):
        text = _origin_form(text)
    raw_path, _, query = text.partition("?")
    if "%" not in raw_path:
        return raw_path, raw_path, query
    return raw_path, _unquote(raw_path), query


def _origin_form(text: str) -> str:
    """The path and query of an absolute-form target; "*" stays."""
    if text == "*":
        return text
    scheme, separator, rest = text.partition("://")
    if not separator or scheme.lower() not in {"http", "https"}:
        raise ValueError("request target is not a path")
    _, slash, path = rest.partition("/")
    return slash + path if slash else "/"


def _unquote(path: str) -> str:
    for part in path.split("%")[1:]:
        if len(part) < 2 or not all(c in "0123456789abcdefABCDEF" for c in part[:2]):
            raise ValueError(f"invalid URL escape {('%' + part[:2])!r}")
    return urllib.parse.unquote(path)

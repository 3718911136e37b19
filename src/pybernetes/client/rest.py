# SPDX-License-Identifier: Apache-2.0
"""Requests and answers of the REST API, as the client makes and reads them."""

from collections.abc import AsyncIterator, Mapping
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from pybernetes.apimachinery.errors import ApiError
from pybernetes.wire.types import ClientReply, Request, Response, StreamingResponse

JSON = "application/json"


def new_request(
    method: str,
    path: str,
    query: Mapping[str, str | int] | None = None,
    *,
    body: Any = None,
    content_type: str = JSON,
    accept: str = JSON,
) -> Request:
    """A request with a JSON body; query parameters that are empty or 0 are left out."""
    pairs = {name: value for name, value in (query or {}).items() if value}
    headers = {"accept": accept}
    data = b""
    if body is not None:
        data = orjson.dumps(body)
        headers["content-type"] = content_type
    return Request(method, quote(path), path, urlencode(pairs), headers, data)


def error_of(status: int, body: bytes) -> ApiError:
    """The error in an answer with a failure status."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status":
        return ApiError.from_status(found, status)
    text = body.decode(errors="replace").strip() or f"the server answered {status}"
    return ApiError(status, "Unknown", text)


def retry_after(reply: Response) -> float | None:
    """Seconds after which an overloaded server asks to try again; None: it does not."""
    if reply.status != 429 and reply.status < 500:
        return None
    asked = {name.lower(): value for name, value in reply.headers}.get("retry-after", "")
    return float(asked) if asked.isdigit() else None


async def read_all(reply: ClientReply) -> Response:
    """The whole answer, whichever way it comes. Raises ApiError for an upgrade."""
    if isinstance(reply, Response):
        return reply
    if not isinstance(reply, StreamingResponse):
        raise ApiError(500, "InternalError", "the server switched protocols without being asked")
    body = b"".join([chunk async for chunk in reply.chunks])
    return Response(reply.status, body, reply.content_type, reply.headers)


async def lines(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Chunks of any size as lines without their ends; empty lines are left out."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            if line:
                yield line
    if rest:
        yield rest

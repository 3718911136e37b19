# SPDX-License-Identifier: Apache-2.0
"""Requests and answers of the REST API: what both transports share."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlencode

import orjson

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.types import MERGE_PATCH, Listing, WatchEvent
from pybernetes.wire.types import ClientReply, Request, Response, StreamingResponse

JSON = "application/json"
MAX_RETRIES = 10  # client-go's
_REASONS = {  # for answers without a Status (upstream's errors.NewGenericServerResponse)
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    405: "MethodNotAllowed",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    415: "UnsupportedMediaType",
    422: "Invalid",
    429: "TooManyRequests",
    500: "InternalError",
    503: "ServiceUnavailable",
    504: "Timeout",
}


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
    return ApiError(status, _REASONS.get(status, "Unknown"), text)


def _retry_after(reply: Response) -> float | None:
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


class Rest:
    """pybernetes.client.types.Client over `exchange`, which a transport provides."""

    decode: Callable[[bytes], Any] = staticmethod(orjson.loads)  # of a watch event

    async def exchange(self, request: Request, *, stream: bool) -> ClientReply:
        """Send; with `stream` the answer's body comes chunk by chunk. Raises ConnectionError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to release."""

    async def send(self, request: Request) -> ClientReply:
        """Streams what is asked for as a stream: watch=true and follow=true."""
        flags = request.query.split("&")
        stream = any(flag in flags for flag in ("watch=true", "watch=1", "follow=true"))
        return await self.exchange(request, stream=stream)

    async def _call(self, request: Request) -> Object:
        reply = await read_all(await self.exchange(request, stream=False))
        for _ in range(MAX_RETRIES):
            wait = _retry_after(reply)
            if wait is None:
                break
            await asyncio.sleep(wait)
            reply = await read_all(await self.exchange(request, stream=False))
        if reply.status >= 300:
            raise error_of(reply.status, reply.body)
        found = orjson.loads(reply.body)
        if not isinstance(found, dict):
            raise ApiError(500, "InternalError", "the server did not answer with an object")
        return found

    async def get(
        self, gvr: GVR, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object:
        return await self._call(new_request("GET", gvr.path(namespace, name, subresource)))

    async def list(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        label_selector: str = "",
        field_selector: str = "",
        limit: int = 0,
        continue_token: str = "",
        resource_version: str = "",
    ) -> Listing:
        query: dict[str, str | int] = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": limit,
            "continue": continue_token,
            "resourceVersion": resource_version,
        }
        found = await self._call(new_request("GET", gvr.path(namespace), query))
        kind, version = found.get("kind", "").removesuffix("List"), found.get("apiVersion")
        items = [
            item if "kind" in item else {"apiVersion": version, "kind": kind, **item}
            for item in found.get("items") or ()
        ]
        head = found.get("metadata") or {}
        return Listing(items, head.get("resourceVersion", ""), head.get("continue", ""))

    async def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]:
        query = {
            "watch": "true",
            "resourceVersion": resource_version,
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            **(params or {}),
        }
        reply = await self.exchange(new_request("GET", gvr.path(namespace), query), stream=True)
        if not isinstance(reply, StreamingResponse) or reply.status != 200:
            whole = await read_all(reply)
            raise error_of(whole.status if whole.status != 200 else 500, whole.body)
        try:
            async for line in lines(reply.chunks):
                event = self.decode(line)
                if event["type"] == "ERROR":
                    raise ApiError.from_status(event["object"])
                yield WatchEvent(event["type"], event["object"])
        finally:
            close = getattr(reply.chunks, "aclose", None)
            if close is not None:
                await close()

    async def create(
        self,
        gvr: GVR,
        obj: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Object:
        path = gvr.path(namespace, name, subresource)
        return await self._call(new_request("POST", path, params, body=obj))

    async def update(
        self,
        gvr: GVR,
        obj: Object,
        namespace: str = "",
        *,
        subresource: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Object:
        path = gvr.path(namespace, obj["metadata"]["name"], subresource)
        return await self._call(new_request("PUT", path, params, body=obj))

    async def patch(
        self,
        gvr: GVR,
        name: str,
        patch: Object | Sequence[Object],
        namespace: str = "",
        *,
        patch_type: str = MERGE_PATCH,
        subresource: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Object:
        path = gvr.path(namespace, name, subresource)
        return await self._call(
            new_request("PATCH", path, params, body=patch, content_type=patch_type)
        )

    async def delete(
        self, gvr: GVR, name: str, namespace: str = "", *, options: Object | None = None
    ) -> Object:
        return await self._call(
            new_request("DELETE", gvr.path(namespace, name), body=_delete_options(options))
        )

    async def delete_collection(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        options: Object | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None:
        query = {"labelSelector": label_selector, "fieldSelector": field_selector}
        await self._call(
            new_request("DELETE", gvr.path(namespace), query, body=_delete_options(options))
        )


def _delete_options(options: Object | None) -> Object | None:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None

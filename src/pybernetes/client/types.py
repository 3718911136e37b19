# SPDX-License-Identifier: Apache-2.0
"""The client: verbs over `exchange`, which is all that a transport (HTTPS, in process) brings.

Every method raises pybernetes.apimachinery.errors.ApiError for an answer that is a failure, and
ConnectionError when there is no answer. Objects returned belong to the caller; objects handed out
by informers are shared and read-only.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import orjson

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.rest import error_of, lines, new_request, read_all, retry_after
from pybernetes.wire.stream import end
from pybernetes.wire.types import ClientReply, Request, StreamingResponse

__tracebackhide__ = True  # a test's failure is shown where the test asked (pytest)
MAX_RETRIES = 10  # client-go's
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


@dataclass(frozen=True, slots=True)
class Listing:
    """A list answer: its items (with apiVersion and kind), revision and continue token."""

    items: list[Object]
    resource_version: str
    continue_token: str = ""


class WatchEvent(NamedTuple):
    """ADDED, MODIFIED, DELETED or BOOKMARK, and the object. ERROR is raised as ApiError."""

    type: str
    object: Object


class Client:
    """Typed by resource (GVR), not by kind. `namespace` "" means cluster scope or all namespaces.

    `params` are further query parameters (fieldManager, dryRun, fieldValidation, ...).
    """

    decode: Callable[[bytes], Any] = staticmethod(orjson.loads)  # of a watch event

    async def exchange(self, request: Request, *, stream: bool) -> ClientReply:
        """Send; with `stream` the answer's body comes chunk by chunk. Raises ConnectionError."""
        raise NotImplementedError

    async def close(self) -> None:
        """Nothing to release."""

    async def send(self, request: Request) -> ClientReply:
        """Any request (discovery, logs, proxies): the raw reply, whatever its status.

        Streams what is asked for as a stream: watch=true and follow=true.
        """
        flags = request.query.split("&")
        stream = any(flag in flags for flag in ("watch=true", "watch=1", "follow=true"))
        return await self.exchange(request, stream=stream)

    async def _call(self, request: Request) -> Object:
        reply = await read_all(await self.exchange(request, stream=False))
        for _ in range(MAX_RETRIES):
            wait = retry_after(reply)
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
    ) -> Listing:
        query: dict[str, str | int] = {
            "labelSelector": label_selector,
            "fieldSelector": field_selector,
            "limit": limit,
            "continue": continue_token,
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
    ) -> AsyncGenerator[WatchEvent, None]:
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
            await end(reply.chunks)

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
        """`namespace`: the object's own if none is given."""
        path = gvr.path(namespace or _namespace(obj), name, subresource)
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
        """`namespace`: the object's own if none is given."""
        path = gvr.path(namespace or _namespace(obj), obj["metadata"]["name"], subresource)
        return await self._call(new_request("PUT", path, params, body=obj))

    async def update_status(self, gvr: GVR, obj: Object, status: Object) -> Object:
        """`obj`, as it was read, with another status."""
        return await self.update(gvr, obj | {"status": status}, subresource="status")

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

    async def patch_object(
        self, gvr: GVR, obj: Object, patch: Object, *, subresource: str = ""
    ) -> Object:
        """A strategic merge of `patch` into this very object: 422 where another has its name."""
        metadata = obj["metadata"]
        whole = {**patch, "metadata": {"uid": metadata["uid"], **patch.get("metadata", {})}}
        return await self.patch(
            gvr,
            metadata["name"],
            whole,
            _namespace(obj),
            patch_type=STRATEGIC_MERGE_PATCH,
            subresource=subresource,
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


def _namespace(obj: Object) -> str:
    found: str = obj.get("metadata", {}).get("namespace", "")
    return found


def _delete_options(options: Object | None) -> Object | None:
    return {"apiVersion": "v1", "kind": "DeleteOptions", **options} if options else None

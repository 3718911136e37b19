# SPDX-License-Identifier: Apache-2.0
"""The client's contract: one interface, two transports (HTTPS, in process). No implementation here.

Every method raises pybernetes.apimachinery.errors.ApiError for an answer that is a failure, and
ConnectionError when there is no answer. Objects returned belong to the caller; objects handed out
by informers are shared and read-only.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from pybernetes.apimachinery.types import GVR, Object
from pybernetes.wire.types import ClientReply, Request

JSON_PATCH = "application/json-patch+json"
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


class Client(Protocol):
    """Typed by resource (GVR), not by kind. `namespace` "" means cluster scope or all namespaces.

    `params` are further query parameters (fieldManager, dryRun, fieldValidation, ...).
    """

    async def get(
        self, gvr: GVR, name: str, namespace: str = "", *, subresource: str = ""
    ) -> Object: ...

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
    ) -> Listing: ...

    def watch(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        resource_version: str = "",
        label_selector: str = "",
        field_selector: str = "",
        params: Mapping[str, str] | None = None,
    ) -> AsyncIterator[WatchEvent]: ...

    async def create(
        self,
        gvr: GVR,
        obj: Object,
        namespace: str = "",
        *,
        name: str = "",
        subresource: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Object: ...

    async def update(
        self,
        gvr: GVR,
        obj: Object,
        namespace: str = "",
        *,
        subresource: str = "",
        params: Mapping[str, str] | None = None,
    ) -> Object: ...

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
    ) -> Object: ...

    async def delete(
        self, gvr: GVR, name: str, namespace: str = "", *, options: Object | None = None
    ) -> Object: ...

    async def delete_collection(
        self,
        gvr: GVR,
        namespace: str = "",
        *,
        options: Object | None = None,
        label_selector: str = "",
        field_selector: str = "",
    ) -> None: ...

    async def send(self, request: Request) -> ClientReply:
        """Any request (discovery, logs, proxies): the raw reply, whatever its status."""

    async def close(self) -> None: ...

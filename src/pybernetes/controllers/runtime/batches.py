# SPDX-License-Identifier: Apache-2.0
"""Many similar writes: all at once, or starting slowly so that what cannot work fails cheaply."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.tasks import failures_of
from pybernetes.client.types import Client

T = TypeVar("T")


async def all_at_once(items: Sequence[T], act: Callable[[T], Awaitable[None]]) -> None:
    """`act` on every item, together; then raise the first failure, if any."""
    for _, error in await failures_of(items, act, (ApiError, ConnectionError)):
        raise error


async def slow_start(items: Sequence[T], act: Callable[[T], Awaitable[None]]) -> None:
    """Batches of 1, 2, 4, ...; a batch with a failure is the last one."""
    start, size = 0, 1
    while start < len(items):
        await all_at_once(items[start : start + size], act)
        start += size
        size *= 2


async def delete_if_there(client: Client, gvr: GVR, obj: Object, **options: Any) -> bool:
    """Delete `obj`, and no other of its name; False if it is gone already. Raises ApiError."""
    options = {"preconditions": {"uid": meta.uid(obj)}} | options
    with forgiving(404):
        await client.delete(gvr, meta.name(obj), meta.namespace(obj), options=options)
        return True
    return False


async def get_if_there(client: Client, gvr: GVR, name: str, namespace: str = "") -> Object | None:
    """What the API has, however old caches are; None if there is no such object. Raises ApiError."""
    with forgiving(404):
        return await client.get(gvr, name, namespace)
    return None


async def put(client: Client, gvr: GVR, obj: Object, current: Object | None) -> None:
    """Create or update `obj`, if its namespace is there to stay. Raises ApiError."""
    with forgiving("AlreadyExists", "NamespaceTerminating"):
        await (client.create(gvr, obj) if current is None else client.update(gvr, obj))


def is_terminating_namespace(error: Exception) -> bool:
    """True if a create failed because its namespace is being deleted: nothing can be done then."""
    if not isinstance(error, ApiError):
        return False
    causes = error.details.get("causes") or ()
    return any(cause.get("reason") == "NamespaceTerminating" for cause in causes)

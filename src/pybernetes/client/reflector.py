# SPDX-License-Identifier: Apache-2.0
"""The reflector: feeds one informer from the API by watch-list, or list and watch.

A watch that ends goes on from the last revision seen; a revision that is too old means listing
again; failures wait 0.8 s to 30 s (client-go's times).
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import NamedTuple, Protocol

import orjson

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import logs
from pybernetes.base.backoff import Backoff
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.client.types import Client, WatchEvent

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
PAGE = 500
SLICE = 200  # events handled before others on the loop get their turn
WATCH_SECONDS = 300  # a watch asks for one to two times as long (client-go's minWatchTimeout)
RESET_AFTER = 120.0  # seconds without failure after which back-off begins anew
SHORT = 1.0  # seconds; a watch that ends sooner counts as a failure
_log = logs.get("client.reflector")


class Scope(NamedTuple):
    """Which part of a resource is watched."""

    gvr: GVR
    namespace: str = ""
    label_selector: str = ""
    field_selector: str = ""
    metadata_only: bool = False


class Target(Protocol):
    """What is fed: an Informer."""

    scope: Scope
    resource_version: str

    @property
    def synced(self) -> bool: ...

    def replace(self, objects: list[Object], resource_version: str) -> None: ...

    def apply(self, kind: str, obj: Object) -> None: ...


class Reflector:
    """Runs until cancelled; never fails."""

    def __init__(self, env: Env, client: Client, target: Target, random: Random) -> None:
        self._clock = env.clock
        self._client = client
        self._target = target
        self._random = random
        self._backoff = Backoff(0.8, 30.0)
        self._watch_list = True  # until a server refuses it
        self._listed = target.synced  # a fork's informers go on from where the origin's were

    async def run(self) -> None:
        while True:
            started = self._clock.monotonic()
            try:
                progressed = await self._once()
                lasted = self._clock.monotonic() - started
                wait = 0.0 if progressed or lasted >= SHORT else self._pause(started)
            except (ApiError, ConnectionError, TimeoutError, orjson.JSONDecodeError) as error:
                wait = self._failed(error, started)
            if wait:
                await asyncio.sleep(wait)

    def _failed(self, error: Exception, started: float) -> float:
        scope = self._target.scope
        watched, expired = self._listed, isinstance(error, ApiError) and error.code == 410
        if isinstance(error, ApiError) and error.code != 429:
            self._listed = False
        if watched and expired:
            return 0.0  # the revision is too old: list again at once
        wait = self._pause(started)
        _log.warning(
            "Watching failed",
            resource=scope.gvr.resource,
            group=scope.gvr.group,
            err=error,
            retry_in=round(wait, 3),
        )
        return wait

    def _pause(self, started: float) -> float:
        if self._clock.monotonic() - started > RESET_AFTER:
            self._backoff.forget("")
        return self._random.jitter(self._backoff.next(""), 1.0)

    async def _once(self) -> bool:
        """List if needed, else watch until the watch ends. True if that brought something."""
        if self._listed:
            return await self._follow(self._watch({}))
        if self._watch_list:
            await self._list_by_watch()
        else:
            await self._list_by_pages()
        return True

    async def _list_by_watch(self) -> None:
        events = self._watch(
            {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}, fresh=True
        )
        try:
            await self._follow(events)
        except ApiError as error:
            if self._listed or error.code not in (400, 422):
                raise
            self._watch_list = False

    async def _list_by_pages(self) -> None:
        gvr, namespace, labels, fields, _ = self._target.scope
        objects: list[Object] = []
        token = ""
        while True:
            page = await self._client.list(
                gvr,
                namespace,
                label_selector=labels,
                field_selector=fields,
                limit=PAGE,
                continue_token=token,
            )
            objects += page.items
            for obj in page.items:
                _trim(obj)
            token = page.continue_token
            if not token:
                break
        self._target.replace(objects, page.resource_version)
        self._listed = True

    async def _follow(self, events: AsyncGenerator[WatchEvent, None]) -> bool:
        """Hand events on until the watch ends. True if there were any."""
        initial: dict[tuple[str, str], Object] = {}
        count = 0
        async with aclosing(events):
            async for kind, obj in events:
                count += 1
                if not count % SLICE:
                    await asyncio.sleep(0)
                if self._listed:
                    self._target.apply(kind, obj)
                elif _ends_initial(kind, obj):
                    version = obj["metadata"].get("resourceVersion", "")
                    self._target.replace(list(initial.values()), version)
                    self._listed = True
                    self._backoff.forget("")
                    initial.clear()
                elif kind != "BOOKMARK":
                    metadata = obj["metadata"]
                    key = metadata.get("namespace", ""), metadata["name"]
                    initial.pop(key, None)
                    if kind != "DELETED":
                        initial[key] = obj
        if not self._listed:
            raise ConnectionError("the watch ended before the initial list was complete")
        return count > 0

    async def _watch(
        self, extra: dict[str, str], *, fresh: bool = False
    ) -> AsyncGenerator[WatchEvent, None]:
        gvr, namespace, labels, fields, metadata_only = self._target.scope
        seconds = int(self._random.jitter(WATCH_SECONDS, 1.0))
        events = self._client.watch(
            gvr,
            namespace,
            resource_version="" if fresh else self._target.resource_version,
            label_selector=labels,
            field_selector=fields,
            params={"allowWatchBookmarks": "true", "timeoutSeconds": str(seconds), **extra},
        )
        async with aclosing(events):
            async for event in events:
                _trim(event.object)
                yield _only_metadata(event) if metadata_only else event


def _ends_initial(kind: str, obj: Object) -> bool:
    annotations = obj["metadata"].get("annotations") or {}
    return kind == "BOOKMARK" and annotations.get(INITIAL_EVENTS_END) == "true"


def _trim(obj: Object) -> None:
    """Who manages which field is half of a pod's memory, and of no use to those who only look."""
    obj["metadata"].pop("managedFields", None)


def _only_metadata(event: WatchEvent) -> WatchEvent:
    """apiVersion, kind and metadata."""
    obj = event.object
    kept = {name: obj.get(name) for name in ("apiVersion", "kind", "metadata")}
    return WatchEvent(event.type, kept)

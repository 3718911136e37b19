# SPDX-License-Identifier: Apache-2.0
"""One watch of etcd that goes on by itself: on another member where one is lost, without gap or repeat.

Where a member's progress notifications are sound, only the prefix is watched, and `nudge` asks how far
it is. An older member is not asked (its answer may run ahead of events still to come): there
everything in etcd is watched, so every revision is seen as an event, and others' are left out.
"""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from typing import Any

from pybernetes.base import logs
from pybernetes.storage.etcd.client import PAUSE, Client, message, translated
from pybernetes.storage.etcd.names import Names
from pybernetes.storage.types import Change, Compacted, StoreError, Unavailable

log = logs.get("storage.etcd")
NUDGE = 0.02  # seconds without the revision waited for, after which etcd is asked for progress
EVERYTHING = (b"\0", b"\0")
Batch = tuple[Sequence[Change], int]  # whole revisions, and how far the watch is


class Stream:
    """Changes of `prefix` after `revision` (the store's): iterate `batches()`, in one task."""

    def __init__(self, client: Client, names: Names, prefix: str, revision: int) -> None:
        self._client = client
        self._names = names
        self._span = names.span(prefix)
        self._revision = revision  # everything up to it was handed out
        self._call: Any = None
        self._sound = False  # the member can be asked for progress
        self._dropped = False
        self._asking = asyncio.Lock()  # a call takes one message at a time

    async def batches(self) -> AsyncGenerator[Batch, None]:
        """For ever. Raises Compacted (its floor is not known)."""
        import grpc

        told = ""
        while True:
            endpoint = self._client.endpoint
            failure: StoreError
            try:
                async for batch in self._of(endpoint):
                    told = ""
                    yield batch
            except Unavailable as error:
                failure = error
            except grpc.RpcError as error:
                failure = translated(error, endpoint)
                if not isinstance(failure, Unavailable):
                    raise failure from error
            if str(failure) != told:
                told = str(failure)
                log.warning("The watch of etcd broke off and is tried again", error=told)
            self._client.leave(endpoint)
            await asyncio.sleep(PAUSE)

    async def _of(self, endpoint: str) -> AsyncGenerator[Batch, None]:
        """The batches of one member. Raises Unavailable, Compacted, RpcError."""
        import grpc.aio

        sound = await self._client.sound_progress(endpoint)
        call = self._client.stream(endpoint)
        try:
            await call.write(self._request(self._span if sound else EVERYTHING))
            self._call, self._sound, self._dropped = call, False, False
            events: list[Any] = []
            while (answer := await call.read()) is not grpc.aio.EOF:
                if answer.canceled:
                    raise Compacted(0) if answer.compact_revision else _ended(answer, endpoint)
                events += answer.events
                if answer.created:  # until this is said, events are held back and progress is not
                    self._sound = sound
                if answer.fragment or answer.created:
                    continue
                yield self._batch(events, answer.header.revision)
                events = []
        except asyncio.CancelledError:
            if not self._dropped:
                raise
        finally:
            self._call = None
            call.cancel()
        raise Unavailable(f"etcd {endpoint}: the watch ended")

    def _request(self, span: tuple[bytes, bytes]) -> Any:
        create = {
            "key": span[0],
            "range_end": span[1],
            "start_revision": self._revision - self._names.offset + 1,
            "prev_kv": True,
            "fragment": True,
        }
        return message("WatchRequest")(create_request=create)

    def _batch(self, events: Sequence[Any], progress: int) -> Batch:
        """`progress` counts where there are no events: then the member was asked."""
        last = (events[-1].kv.mod_revision if events else progress) + self._names.offset
        self._revision = max(self._revision, last)
        return self._names.changes(events), self._revision

    async def nudge(self) -> None:
        """Ask how far the watch is, where the answer can be trusted: it comes as an empty batch."""
        import grpc

        async with self._asking:
            call = self._call
            if call is not None and self._sound:
                with contextlib.suppress(grpc.RpcError, asyncio.InvalidStateError):
                    await call.write(message("WatchRequest")(progress_request={}))

    def drop(self) -> None:
        """Go on with another member: this one says nothing about what must be there."""
        if self._call is not None:
            self._dropped = True
            self._call.cancel()


def _ended(answer: Any, endpoint: str) -> Unavailable:
    return Unavailable(f"etcd {endpoint}: {answer.cancel_reason or 'the watch was cancelled'}")

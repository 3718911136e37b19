# SPDX-License-Identifier: Apache-2.0
"""`EtcdStore`: one watch of the prefix feeds this process's watches; all else is calls.

- Reads and checks are etcd's own, linearizable; several processes may share one etcd.
- A write, a failed check and a listing return once the watch has reached their revision, so whoever
  waits for a change in this process has it before the writer goes on.
- A write that gets Unavailable may have happened or not.
- Not for virtual time: it has a network. Use the memory store there.
"""

import asyncio
import contextlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NoReturn

from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.base.virtualtime import VirtualTimeLoop
from pybernetes.storage import snapshot
from pybernetes.storage.etcd.client import PATIENCE, Client, EtcdConfig
from pybernetes.storage.etcd.leases import Leases
from pybernetes.storage.etcd.names import Names
from pybernetes.storage.etcd.past import Past, missed
from pybernetes.storage.etcd.stream import NUDGE, Batch, Stream
from pybernetes.storage.etcd.txn import conflict, transaction
from pybernetes.storage.hub import Hub
from pybernetes.storage.transaction import FIRST, check_keys
from pybernetes.storage.types import Change, Compacted, Op, Page, Record, StoreError, Unavailable
from pybernetes.storage.watched import Watched, closed

SILENCE = 3.0  # seconds without the revision waited for, after which another member is watched
PAGE = 5000  # records in one answer


class EtcdStore(Watched):
    """A `Store`. Made by `await EtcdStore.open(env, config)`."""

    shared = True

    def __init__(
        self, env: Env, config: EtcdConfig, client: Client, names: Names, *, revision: int
    ) -> None:
        self._env = env
        self._root = config.root
        self._client = client
        self._names = names
        self._leases = Leases(env, client)
        self._hub = Hub(revision)
        self._floor = FIRST + names.offset  # the highest known: etcd's may be higher
        self._writing = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []
        self._awaited = asyncio.Event()  # some wait for a revision
        self._next: asyncio.Future[int] | None = None  # of those whose question is not sent yet
        self._asking = asyncio.Lock()
        self._stream = Stream(client, names, config.root, revision)
        self._group = TaskGroup("etcd")
        self._task = asyncio.get_running_loop().create_task(self._run(), name="etcd")

    @classmethod
    async def open(cls, env: Env, config: EtcdConfig) -> "EtcdStore":
        """Connect. Raises Unavailable (no member answers), StoreError (settings)."""
        if isinstance(asyncio.get_running_loop(), VirtualTimeLoop):
            raise StoreError("no etcd store on virtual time: use the memory store")
        client = Client(env, config)
        store = None
        try:
            names = Names(config.root, config.prefix)
            answer = await client.call("KV", "Range", key=names.meta)
            if answer.kvs:
                names = replace(names, offset=int(json.loads(answer.kvs[0].value)["offset"]))
            revision = answer.header.revision + names.offset
            store = cls(env, config, client, names, revision=revision)
            await store._learn_floor()
        except BaseException:
            await (store or client).close()
            raise
        return store

    async def _run(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            async with self._group as group:
                group.start(self._nudge_forever(), "nudge")
                while True:
                    await self._follow()

    async def _follow(self) -> None:
        try:
            async for batch in self._stream.batches():
                self._deliver(*batch)
        except StoreError as error:
            await self._restart(error)

    def _deliver(self, changes: Sequence[Change], revision: int) -> None:
        """Watches first, then those who wait for the revision."""
        if changes:
            self._hub.publish(changes, revision)
        elif revision > self._hub.revision:
            self._hub.progress(revision)
        ready = [waiter for wanted, waiter in self._waiters if wanted <= revision]
        self._waiters = [waiter for waiter in self._waiters if waiter[0] > revision]
        for waiter in ready:
            if not waiter.done():
                waiter.set_result(None)

    async def _restart(self, error: StoreError) -> None:
        """Others compacted what the watch has not seen: every watch is told; on from now."""
        now = self._hub.revision
        with contextlib.suppress(StoreError):
            now = await self._ask()
            await self._learn_floor()
        self._hub.fail(Compacted(self._floor) if isinstance(error, Compacted) else error)
        self._stream = Stream(self._client, self._names, self._root, now)
        self._deliver((), now)
        await asyncio.sleep(NUDGE if isinstance(error, Compacted) else SILENCE)

    async def _nudge_forever(self) -> None:
        while True:
            await self._awaited.wait()
            asked, seen = self._env.clock.monotonic(), self._hub.revision
            while self._waiters and self._hub.revision == seen:
                await asyncio.sleep(NUDGE)
                await self._stream.nudge()
                if self._env.clock.monotonic() - asked > SILENCE:
                    self._stream.drop()
                    break
            if not self._waiters:
                self._awaited.clear()

    async def _reach(self, revision: int) -> None:
        """Until this process's watches have everything up to `revision`."""
        if self._hub.revision < revision:
            waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiters.append((revision, waiter))
            self._awaited.set()
            await waiter
        await asyncio.sleep(0)  # watches first

    @property
    def floor(self) -> int:
        return self._floor

    async def current(self) -> int:
        """One question answers all who ask while the one before it is under way."""
        while True:
            self._answering()
            waiting = self._next
            if waiting is None:
                return await self._lead()
            with contextlib.suppress(Unavailable):
                return await asyncio.shield(waiting)

    async def _lead(self) -> int:
        """Ask for everyone who comes until the question is sent."""
        mine: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        mine.add_done_callback(lambda done: done.exception())  # maybe nobody else asks
        self._next = mine
        try:
            async with self._asking:
                self._next = None
                revision = await self._ask()
            await self._reach(revision)
        except BaseException as error:
            self._next = None if self._next is mine else self._next
            mine.set_exception(Unavailable(str(error)))
            raise
        mine.set_result(revision)
        return revision

    async def start_after(self, revision: int) -> None:
        """Have revisions go on after another store's, whose content comes next. Then open it again."""
        missing = max(0, revision - await self._ask() + self._names.offset)
        value = json.dumps({"offset": missing}).encode()
        await self._client.call("KV", "Put", repeat=False, key=self._names.meta, value=value)

    async def _ask(self) -> int:
        """etcd's revision (linearizable), as the store's."""
        answer = await self._client.call("KV", "Range", key=self._names.meta, keys_only=True)
        return int(answer.header.revision) + self._names.offset

    def _at(self, revision: int, text: str = "") -> int:
        """etcd's number of `revision`, which others may have reached already; 0: now."""
        self._answering()
        return self._kept(revision, text) and revision - self._names.offset

    async def _readable(self, revision: int) -> bool:
        """Whether etcd still has `revision` (the store's)."""
        try:
            at = revision - self._names.offset
            await self._client.call("KV", "Range", key=self._names.meta, revision=at)
        except Compacted:
            return False
        return True

    async def _learn_floor(self) -> None:
        """Find out what others have compacted."""
        low, high = self._floor, self._floor if await self._readable(self._floor) else 0
        if not high:
            high = await self._ask()
            while low + 1 < high:  # low is not readable, high is
                middle = (low + high) // 2
                low, high = (low, middle) if await self._readable(middle) else (middle, high)
        self._floor = max(self._floor, high)

    async def _range(self, span: tuple[bytes, bytes], **more: Any) -> Any:
        try:
            return await self._client.call("KV", "Range", key=span[0], range_end=span[1], **more)
        except Compacted as error:
            await self._learn_floor()
            raise Compacted(self._floor) from error

    async def get(self, key: str, revision: int = 0) -> Record | None:
        at = self._at(revision, key)
        answer = await self._range((self._names.key(key), b""), revision=at)
        return self._names.record(answer.kvs[0]) if answer.kvs else None

    async def list(
        self, prefix: str, *, start: str = "", limit: int = 0, revision: int = 0
    ) -> Page:
        at = self._at(revision, prefix)
        kvs, at, remaining = await self._pages(self._names.span(prefix, start), limit, at)
        revision = at + self._names.offset
        await self._reach(revision)
        return Page([self._names.record(kv) for kv in kvs], revision, remaining > 0, remaining)

    async def _pages(
        self, span: tuple[bytes, bytes], limit: int, at: int
    ) -> tuple[Sequence[Any], int, int]:
        """At most `limit` (0: all) KeyValues, etcd's revision, and how many more there are."""
        while not at:  # what is read at once is never compacted, but meanwhile it may be
            with contextlib.suppress(Compacted):
                return await self._paged(span, limit, 0)
        return await self._paged(span, limit, at)

    async def _paged(
        self, span: tuple[bytes, bytes], limit: int, at: int
    ) -> tuple[Sequence[Any], int, int]:
        kvs: Any = []
        while True:
            size = min(PAGE, limit - len(kvs)) if limit else PAGE
            answer = await self._range(span, limit=size, revision=at)
            at = at or answer.header.revision
            kvs += answer.kvs
            remaining = answer.count - len(answer.kvs)
            if not answer.more or len(kvs) == limit:
                return kvs, at, remaining
            span = (answer.kvs[-1].key + b"\0", span[1])

    async def write(self, ops: Sequence[Op]) -> int:
        self._answering()
        check_keys(ops)
        if not ops:
            return self.revision
        self._writing += 1
        self._idle.clear()
        try:
            return await self._write(ops)
        finally:
            self._writing -= 1
            if not self._writing:
                self._idle.set()

    async def _write(self, ops: Sequence[Op]) -> int:
        for last in (False, True):
            leases = {ttl: await self._leases.get(ttl) for ttl in {op.ttl for op in ops} if ttl}
            try:
                answer = await self._client.call(
                    "KV", "Txn", repeat=False, **transaction(self._names, ops, leases)
                )
                break
            except StoreError as error:
                if last or not leases or "lease not found" not in str(error):
                    raise
                self._leases.forget()
        revision = answer.header.revision + self._names.offset
        await self._reach(revision)
        if not answer.succeeded:
            raise conflict(self._names, ops, answer)
        return int(revision)

    def _past(self, prefix: str, revision: int) -> Past:
        return Past(self._group.start(self._missed(prefix, revision, self.revision), "past"))

    async def _missed(self, prefix: str, first: int, last: int) -> "Sequence[Batch] | StoreError":
        try:
            found = await missed(self._client, self._names, prefix, first=first, last=last)
            if await self._readable(first):
                return found
            raise Compacted(0)  # meanwhile: there may be gaps
        except Compacted:
            with contextlib.suppress(StoreError):
                await self._learn_floor()
            return Compacted(self._floor)
        except StoreError as error:
            return error

    async def compact(self, revision: int) -> None:
        self._check(max(revision, self._floor))
        if revision <= self._floor:
            return
        try:
            await self._client.call("KV", "Compact", repeat=False, revision=self._at(revision))
        except Compacted:  # another API server was faster
            await self._learn_floor()
        self._floor = max(self._floor, revision)

    async def size(self) -> int:
        self._answering()
        status = await self._client.call("Maintenance", "Status")
        return int(status.dbSizeInUse)

    def fork(self) -> NoReturn:
        raise StoreError("an etcd store cannot be forked: load a snapshot into a memory store")

    async def snapshot(self, path: str) -> None:
        self._answering()
        kvs, at, _ = await self._pages(self._names.span(self._root), 0, 0)
        now, ends = self._env.clock.time(), {}
        for lease in sorted({kv.lease for kv in kvs if kv.lease}):
            answer = await self._client.call("Lease", "LeaseTimeToLive", ID=lease)
            ends[lease] = now + max(0, answer.TTL)
        records = [self._names.record(kv) for kv in kvs]
        deadlines = [
            (ends[kv.lease], record.key, record.revision)
            for kv, record in zip(kvs, records, strict=True)
            if kv.lease
        ]
        content = snapshot.Content(at + self._names.offset, records, deadlines)
        await self._env.offload.run(snapshot.write, Path(path), content)

    async def _close(self) -> None:
        await wait_within(self._idle, PATIENCE)
        self._task.cancel()
        self._hub.fail(closed())
        for _, waiter in self._waiters:
            if not waiter.done():
                waiter.set_exception(closed())
        await self._task
        await self._client.close()

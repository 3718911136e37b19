# SPDX-License-Identifier: Apache-2.0
"""The suite of behaviour: what every store does when nothing goes wrong."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import TaskGroup, gather_ordered
from pybernetes.storage.memory import MemoryStore
from pybernetes.storage.types import (
    Change,
    Compacted,
    Conflict,
    FutureRevision,
    Op,
    Record,
    Store,
    StoreError,
    Unavailable,
    Watch,
)
from pybernetes.testing.stores.driver import Driver


async def changes_until(watch: Watch, revision: int, seconds: float = 10) -> list[Change]:
    """What `watch` delivers until it has reached `revision`."""
    found: list[Change] = []
    batches = aiter(watch)
    async with asyncio.timeout(seconds):
        while watch.revision < revision:
            found += await anext(batches)
    return found


async def keys_of(store: Store, prefix: str, revision: int = 0) -> list[str]:
    page = await store.list(prefix, revision=revision)
    return [record.key for record in page.records]


class StoreSuite(Driver):
    """The guarantees of pybernetes.storage.types; every test starts with a new store.

    Override `restored` if the driver's snapshots are not in the embedded drivers' format.
    """

    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[Store]:
        async with self.opened(tmp_path) as store:
            yield store

    async def restored(self, path: Path) -> Store:
        """A store with the content of the snapshot at `path`."""
        return await MemoryStore.restore(Env(), str(path))

    # Writes

    async def test_a_fresh_store_is_empty_and_counts_from_one(self, store: Store) -> None:
        first = store.revision
        assert await store.get("/a") is None
        assert (await store.list("/")).records == []
        written = await store.write([Op("/a", b"1")])
        assert written > first
        assert written >= 1
        assert store.revision == written

    async def test_checks_decide(self, store: Store) -> None:
        created = await store.write([Op("/a", b"1", expected=0)])
        with pytest.raises(Conflict) as caught:
            await store.write([Op("/a", b"2", expected=0)])
        assert caught.value.current == Record("/a", b"1", created, created)
        updated = await store.write([Op("/a", b"2", expected=created)])
        with pytest.raises(Conflict):
            await store.write([Op("/a", None, expected=created)])
        assert await store.get("/a") == Record("/a", b"2", updated, created)
        deleted = await store.write([Op("/a", None, expected=updated)])
        assert deleted > updated
        assert await store.get("/a") is None
        again = await store.write([Op("/a", b"3", expected=0)])
        assert await store.get("/a") == Record("/a", b"3", again, again)

    async def test_a_transaction_is_all_or_nothing(self, store: Store) -> None:
        await store.write([Op("/b", b"1")])
        before = store.revision
        with pytest.raises(Conflict) as caught:
            await store.write([Op("/a", b"1"), Op("/b", b"2", expected=0), Op("/c", b"1")])
        assert (caught.value.index, caught.value.key) == (1, "/b")
        assert await keys_of(store, "/") == ["/b"]
        assert store.revision == before
        at = await store.write([Op("/a", b"1", 0), Op("/b", None), Op("/c", b"1", 0)])
        found = (await store.list("/")).records
        assert [(record.key, record.revision) for record in found] == [("/a", at), ("/c", at)]

    async def test_no_change_takes_no_revision(self, store: Store) -> None:
        before = store.revision
        assert await store.write([Op("/absent", None)]) == before
        assert await store.write([]) == before
        with pytest.raises(StoreError, match="twice"):
            await store.write([Op("/a", b"1"), Op("/a", b"2")])
        assert store.revision == before

    async def test_values_are_opaque(self, store: Store) -> None:
        values = [b"", b"\0", b"\xff\0\xfe" * 7, b'"\\\n', b"x" * 1_500_000]
        for index, value in enumerate(values):
            await store.write([Op(f"/v/{index}", value)])
        found = (await store.list("/v/")).records
        assert [record.value for record in found] == values
        record = await store.get("/v/1")
        assert record is not None
        assert record.value == b"\0"

    async def test_keys_are_unicode_text(self, store: Store) -> None:
        """In the order of their code points; what cannot be kept as such is refused, not changed."""
        names = ["/k/", "/k/ \n\x01", '/k/"\\%', "/k/\x7f", "/k/é", "/k/\uffff", "/k/\U0001f600"]
        names.append("/k/" + "x" * 5000)
        at = await store.write([Op(name, name.encode()) for name in names])
        assert await keys_of(store, "/k/") == sorted(names)
        assert await store.get(names[6]) == Record(names[6], names[6].encode(), at, at)
        for bad in ("", "/k/a\0b", "/k/\ud800", "/k/\udcff", "/k/\U0010ffff"):
            with pytest.raises(StoreError, match="key"):
                await store.write([Op("/k/good", b""), Op(bad, b"")])
        for bad in ("/k/\ud800", "/k/\udcff"):
            with pytest.raises(StoreError, match="key"):
                await store.get(bad)
            with pytest.raises(StoreError, match="key"):
                await store.list(bad)
            with pytest.raises(StoreError, match="key"):
                await anext(aiter(store.watch(bad, store.revision)))
        assert await store.write([Op(names[0], None)]) == at + 1

    # Reads

    async def test_listing_by_prefix_in_pages(self, store: Store) -> None:
        names = ["/a", "/a/", "/a/1", "/a/2", "/a/3", "/a/é", "/ab/1", "/b/1"]
        for name in reversed(names):
            await store.write([Op(name, name.encode())])
        assert await keys_of(store, "/a/") == ["/a/", "/a/1", "/a/2", "/a/3", "/a/é"]
        assert await keys_of(store, "") == names
        page = await store.list("/a/", start="/a/1", limit=2)
        assert [record.key for record in page.records] == ["/a/1", "/a/2"]
        assert (page.more, page.remaining) == (True, 2)
        page = await store.list("/a/", start="/a/2\0", limit=2)
        assert [record.key for record in page.records] == ["/a/3", "/a/é"]
        assert (page.more, page.remaining) == (False, 0)
        await store.write([Op("/a/3", None)])
        page = await store.list("/a/", limit=2)
        assert (page.more, page.remaining) == (True, 2)

    async def test_pages_of_one_revision_while_writes_go_on(self, store: Store) -> None:
        for index in range(10):
            await store.write([Op(f"/p/{index}", b"old")])
        first = await store.list("/p/", limit=4)
        await store.write([Op("/p/5", b"new")])
        await store.write([Op("/p/7", None), Op("/p/55", b"new")])
        rest = await store.list("/p/", start="/p/4", revision=first.revision)
        found = [*first.records, *rest.records]
        assert [record.key for record in found] == [f"/p/{index}" for index in range(10)]
        assert {record.value for record in found} == {b"old"}
        assert rest.revision == first.revision

    async def test_reading_the_past(self, store: Store) -> None:
        one = await store.write([Op("/a", b"1")])
        two = await store.write([Op("/a", b"2")])
        three = await store.write([Op("/a", None)])
        await store.write([Op("/b", b"1")])
        assert await store.get("/a", one) == Record("/a", b"1", one, one)
        assert await store.get("/a", two) == Record("/a", b"2", two, one)
        assert await store.get("/a", three) is None
        assert await keys_of(store, "/", two) == ["/a"]
        with pytest.raises(FutureRevision):
            await store.get("/a", store.revision + 1)
        with pytest.raises(FutureRevision):
            await store.list("/", revision=store.revision + 1)

    # Watches

    async def test_a_watch_from_the_past_replays(self, store: Store) -> None:
        start = store.revision
        one = await store.write([Op("/w/a", b"1")])
        await store.write([Op("/other", b"1")])
        two = await store.write([Op("/w/a", b"2")])
        three = await store.write([Op("/w/a", None), Op("/w/b", b"1")])
        first, second = Record("/w/a", b"1", one, one), Record("/w/a", b"2", two, one)
        expected = [
            Change("/w/a", one, first, None),
            Change("/w/a", two, second, first),
            Change("/w/a", three, None, second),
            Change("/w/b", three, Record("/w/b", b"1", three, three), None),
        ]
        watch = store.watch("/w/", start)
        assert await changes_until(watch, three) == expected
        watch.close()
        watch = store.watch("/w/", one)
        assert await changes_until(watch, three) == expected[1:]
        watch.close()

    async def test_the_changes_of_a_transaction_stay_together(self, store: Store) -> None:
        watch = store.watch("/", store.revision)
        batches = aiter(watch)
        at = await store.write([Op(f"/t/{index}", b"") for index in range(50)])
        batch: Sequence[Change] = await anext(batches)
        assert [(change.key, change.revision) for change in batch] == [
            (f"/t/{index}", at) for index in range(50)
        ]
        watch.close()

    async def test_progress_without_changes(self, store: Store) -> None:
        watch = store.watch("/quiet/", store.revision)
        at = await store.write([Op("/loud/a", b"1")])
        assert await changes_until(watch, at) == []
        assert watch.revision >= at
        watch.close()

    async def test_no_gap_and_no_repeat_under_concurrent_writers(self, store: Store) -> None:
        """Watches started at any moment, from any revision, all tell the same story."""
        start = store.revision

        async def write(writer: int) -> None:
            for index in range(40):
                await store.write([Op(f"/c/{writer}", str(index).encode())])

        watches = [(start, store.watch("/c/", start))]
        async with TaskGroup("writers") as group:
            for writer in range(10):
                group.start(write(writer), str(writer))
            for _ in range(10):
                await asyncio.sleep(0.002)
                now = store.revision
                watches += [(now, store.watch("/c/", now)), (start, store.watch("/c/", start))]
        stories = await gather_ordered(
            [changes_until(watch, store.revision) for _, watch in watches]
        )
        whole = stories[0]
        assert [change.revision for change in whole] == list(range(start + 1, start + 401))
        for (since, watch), story in zip(watches, stories, strict=True):
            assert story == [change for change in whole if change.revision > since]
            watch.close()

    async def test_a_waiting_watch_runs_before_the_writer(self, store: Store) -> None:
        applied = store.revision
        watch = store.watch("/", applied)

        async def follow() -> None:
            nonlocal applied
            async for batch in watch:
                applied = batch[-1].revision

        async with TaskGroup("cache") as group:
            group.start(follow(), "follow")
            for index in range(20):
                await asyncio.sleep(0.001)
                assert await store.write([Op("/a", str(index).encode())]) == applied
            watch.close()

    async def test_a_cancelled_wait_loses_nothing(self, store: Store) -> None:
        start = store.revision
        for index in range(20):
            await store.write([Op("/a", str(index).encode())])
        watch = store.watch("/", start)
        batches = aiter(watch)
        found: list[Change] = []
        for turn in range(200):
            try:
                async with asyncio.timeout(0.0001 * (turn % 7)):
                    found += await anext(batches)
            except TimeoutError:
                if turn == 100:
                    await store.write([Op("/a", b"last")])
        found += await changes_until(watch, store.revision)
        assert [change.revision for change in found] == list(range(start + 1, start + 22))
        watch.close()

    async def test_a_closed_watch_ends(self, store: Store) -> None:
        watch = store.watch("/", store.revision)

        async def follow() -> int:
            return sum([len(batch) async for batch in watch])

        async with TaskGroup("t") as group:
            task = group.start(follow(), "follow")
            await asyncio.sleep(0.01)
            watch.close()
        assert task.result() == 0

    # Compaction

    async def test_compaction_forgets_the_past_only(self, store: Store) -> None:
        start = store.revision
        await store.write([Op("/a", b"1"), Op("/gone", b"1")])
        two = await store.write([Op("/a", b"2"), Op("/gone", None)])
        three = await store.write([Op("/a", b"3"), Op("/b", b"1")])
        live = store.watch("/", two)
        await store.compact(two)
        assert store.floor == two
        for _ in range(2):  # at once, and when the driver had time to clean up
            with pytest.raises(Compacted) as caught:
                await store.get("/a", two - 1)
            assert caught.value.floor == two
            assert await keys_of(store, "/", two) == ["/a"]
            record = await store.get("/a", two)
            assert record is not None
            assert record.value == b"2"
            assert await keys_of(store, "/") == ["/a", "/b"]
            await asyncio.sleep(0.05)
        story = await changes_until(live, three)
        assert [change.key for change in story] == ["/a", "/b"]
        assert story[0].previous == Record("/a", b"2", two, start + 1)
        late = store.watch("/", two - 1)
        with pytest.raises(Compacted):
            await anext(aiter(late))

    async def test_watching_and_compacting_the_future(self, store: Store) -> None:
        with pytest.raises(FutureRevision):
            await store.compact(store.revision + 1)
        with pytest.raises(FutureRevision):
            await anext(aiter(store.watch("/", store.revision + 1)))

    # Concurrency

    async def test_increments_are_not_lost(self, store: Store) -> None:
        await store.write([Op("/n", b"0")])

        async def increment() -> int:
            tries = 0
            while True:
                tries += 1
                record = await store.get("/n")
                assert record is not None
                value = str(int(record.value) + 1).encode()
                try:
                    return await store.write([Op("/n", value, expected=record.revision)])
                except Conflict:
                    await asyncio.sleep(0)

        revisions = await gather_ordered([increment() for _ in range(40)])
        record = await store.get("/n")
        assert record is not None
        assert record.value == b"40"
        assert len(set(revisions)) == 40

    async def test_one_winner_per_create(self, store: Store) -> None:
        async def create(index: int) -> int:
            try:
                await store.write([Op("/lock", str(index).encode(), expected=0)])
            except Conflict:
                return 0
            return 1

        assert sum(await gather_ordered([create(index) for index in range(50)])) == 1

    # Time to live

    async def test_time_to_live(self, store: Store) -> None:
        watch = store.watch("/", store.revision)
        await store.write([Op("/short", b"1", ttl=1), Op("/kept", b"1", ttl=1)])
        await store.write([Op("/kept", b"2")])
        story: list[Change] = []
        async with asyncio.timeout(10):
            async for batch in watch:
                story += batch
                if batch[-1].record is None:
                    break
        assert [(change.key, change.record is None) for change in story] == [
            ("/short", False),
            ("/kept", False),
            ("/kept", False),
            ("/short", True),
        ]
        await asyncio.sleep(0.1)
        assert await keys_of(store, "/") == ["/kept"]
        watch.close()

    # Copies and the end

    async def test_a_fork_is_independent(self, store: Store) -> None:
        start = store.revision
        await store.write([Op("/a", b"1")])
        try:
            fork = store.fork()
        except StoreError:
            return  # says so, as the contract allows
        assert fork.revision == store.revision
        await fork.write([Op("/a", b"2"), Op("/b", b"2")])
        await store.write([Op("/a", None)])
        assert await keys_of(fork, "/") == ["/a", "/b"]
        assert await keys_of(store, "/") == []
        watch = fork.watch("/", start)
        assert [change.key for change in await changes_until(watch, fork.revision)] == [
            "/a",
            "/a",
            "/b",
        ]
        await fork.close()
        assert await store.get("/b") is None

    async def test_a_snapshot_is_consistent(self, store: Store, tmp_path: Path) -> None:
        """Both keys always change together; a copy made meanwhile never shows them apart, compaction or not."""

        async def write() -> None:
            for index in range(200):
                value = str(index).encode()
                await store.write([Op("/x", value), Op("/y", value)])
                if index % 20 == 19:
                    await store.compact(store.revision - 1)

        async with TaskGroup("t") as group:
            group.start(write(), "write")
            await changes_until(store.watch("/", store.revision), store.revision + 1)
            for name in ("first", "second"):  # to one file: the later one is it, whole
                group.start(store.snapshot(str(tmp_path / "copy")), name)
        copy = await self.restored(tmp_path / "copy")
        records = (await copy.list("/")).records
        assert len(records) == 2
        assert records[0].value == records[1].value
        assert copy.revision == records[0].revision <= store.revision
        await copy.write([Op("/x", b"", expected=records[0].revision)])
        await copy.close()

    async def test_closing(self, store: Store) -> None:
        watch = store.watch("/", store.revision)
        async with TaskGroup("t") as group:
            last = group.start(store.write([Op("/a", b"1")]), "write")
            await asyncio.sleep(0)
            await store.close()
        await store.close()
        assert last.result() == store.revision
        assert [change.key for change in await changes_until(watch, last.result())] == ["/a"]
        with pytest.raises(Unavailable):
            await anext(aiter(watch))
        with pytest.raises(Unavailable):
            await store.get("/a")
        with pytest.raises(Unavailable):
            await store.write([Op("/a", b"2")])

    # All together

    @pytest.mark.parametrize("seed", range(3))
    async def test_against_a_model(self, store: Store, seed: int) -> None:
        """Random transactions and compactions; every kept revision still reads as it was."""
        draw = Random(seed)
        state: dict[str, bytes] = {}
        states: dict[int, dict[str, bytes]] = {store.revision: {}}
        for step in range(250):
            ops = _some_ops(draw, step)
            revision = await store.write(ops)
            for op in ops:
                if op.value is None:
                    state.pop(op.key, None)
                else:
                    state[op.key] = op.value
            states[revision] = dict(state)
            if step % 60 == 59:
                await store.compact(store.revision - draw.below(30))
        for revision, then in states.items():
            if revision >= store.floor:
                assert await _content(store, revision) == then
        assert await _content(store, 0) == state


def _some_ops(draw: Random, step: int) -> list[Op]:
    keys = sorted({f"/m/{draw.below(25):02}" for _ in range(1 + draw.below(4))})
    return [
        Op(key, None if draw.below(3) == 0 else f"{step} {draw.below(9)}".encode()) for key in keys
    ]


async def _content(store: Store, revision: int) -> dict[str, bytes]:
    return {record.key: record.value async for record in _paged(store, revision)}


async def _paged(store: Store, revision: int) -> AsyncIterator[Record]:
    start = ""
    while True:
        page = await store.list("/m/", start=start, limit=7, revision=revision)
        for record in page.records:
            yield record
        if not page.more:
            return
        revision, start = page.revision, page.records[-1].key + "\0"

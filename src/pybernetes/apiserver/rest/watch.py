# SPDX-License-Identifier: Apache-2.0
"""WATCH: initial events, then changes, each encoded once for all watchers; bookmarks; watch-list."""

from collections.abc import AsyncIterator, Awaitable
from dataclasses import dataclass

from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry, Event
from pybernetes.apiserver.cache.watchers import Watcher
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import versions
from pybernetes.apiserver.rest.options import integer
from pybernetes.apiserver.rest.reply import Format, format_of
from pybernetes.apiserver.rest.selecting import selection_of
from pybernetes.wire.types import StreamingResponse

INITIAL_EVENTS_END = "k8s.io/initial-events-end"
_CHUNK = 256 * 1024


@dataclass(frozen=True, slots=True)
class WatchOptions:
    """`revision` -1 and 0: begin with the present objects. `initial`: sendInitialEvents."""

    revision: int
    initial: bool | None
    bookmarks: bool
    seconds: float


def watch_options(ctx: Context) -> WatchOptions:
    """The options of a watch. Raises 400 and 422."""
    versions.check_options(ctx, "watch")
    initial = ctx.flag("sendInitialEvents") if "sendInitialEvents" in ctx.params else None
    seconds = float(integer(ctx.param("timeoutSeconds") or "0"))
    if seconds <= 0:
        least = ctx.core.config.min_request_timeout
        seconds = least + ctx.core.env.random.uniform(0, least)
    revision = versions.parse_revision(ctx.param("resourceVersion"))
    return WatchOptions(revision, initial, ctx.flag("allowWatchBookmarks"), seconds)


def watch(ctx: Context) -> StreamingResponse | Awaitable[StreamingResponse]:
    """A stream of watch events."""
    options = watch_options(ctx)
    wanted = options.revision
    if wanted < 0 or (options.initial and wanted == 0):
        wanted = ctx.core.newest
    from_present = options.initial or options.revision <= 0
    wanted = wanted if from_present else 0
    return versions.when(ctx, wanted, lambda ctx: _start(ctx, options))


def _start(ctx: Context, options: WatchOptions) -> StreamingResponse:
    """Register the watcher now, so that nothing is missed before the first read."""
    selection = selection_of(ctx)
    cache, now = ctx.serving.cache, ctx.core.env.clock.monotonic()
    watcher = Watcher(ctx.namespace, selection, ctx.core.config.watch_queue)
    times = now + options.seconds, now + ctx.core.config.bookmark_interval
    stream = _Stream(ctx, options, watcher, format_of(ctx), *times)
    from_present = options.initial or (options.revision <= 0 and options.initial is None)
    if from_present:
        stream.first = cache.select(ctx.namespace, selection)
    elif options.revision > 0:
        if options.revision < cache.floor:
            raise versions.too_old(options.revision, cache.floor)
        watcher.after = options.revision
        for event in cache.since(options.revision):
            watcher.offer(event, cache.fields)
        watcher.closed = False
    stream.revision = ctx.core.feed.revision
    cache.watchers.add(watcher)
    return StreamingResponse(stream)


@dataclass(slots=True, eq=False)
class _Stream:
    """The chunks of one watch. `aclose` may come at any time, or never begun."""

    ctx: Context
    options: WatchOptions
    watcher: Watcher
    shape: Format
    end: float  # by the monotonic clock
    bookmark: float
    ended: bool = False
    first: list[Entry] | None = None
    revision: int = 0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self.first is not None:
            chunk = self._initial()
            if chunk:
                return chunk
        while not self.ended:
            chunk = self._drain()
            if chunk:
                return chunk
            if self.watcher.closed:
                break
            now = self.ctx.core.env.clock.monotonic()
            if now >= self.end:
                break
            if self.options.bookmarks and now >= self.bookmark:
                self.bookmark = now + self.ctx.core.config.bookmark_interval
                known = max(self.ctx.core.feed.revision, self.watcher.after)
                return self._bookmark_frame(known, end=False)
            until = min(self.end, self.bookmark) if self.options.bookmarks else self.end
            await self.watcher.wait(until - now)
        await self.aclose()
        raise StopAsyncIteration

    async def aclose(self) -> None:
        self.ended = True
        self.ctx.serving.cache.watchers.remove(self.watcher)

    def _initial(self) -> bytes:
        """Synthetic ADDED events, in slices; then the bookmark of a watch-list."""
        frames: list[bytes] = []
        size = 0
        entries = self.first or []
        one, serving = self.shape.one, self.ctx.serving
        for taken, entry in enumerate(entries):
            frame = b'{"type":"ADDED","object":%b}\n' % one(serving, entry).rstrip(b"\n")
            frames.append(frame)
            size += len(frame)
            if size > _CHUNK:
                self.first = entries[taken + 1 :]
                return b"".join(frames)
        self.first = None
        if self.options.initial and self.options.bookmarks:
            frames.append(self._bookmark_frame(self.revision, end=True))
        return b"".join(frames)

    def _drain(self) -> bytes:
        queue = self.watcher.queue
        frames = []
        size = 0
        while queue and size < _CHUNK:
            kind, event = queue.popleft()
            frame = self._frame(kind, event)
            frames.append(frame)
            size += len(frame)
        return frames[0] if len(frames) == 1 else b"".join(frames)

    def _frame(self, kind: str, event: Event) -> bytes:
        where = (kind, self.shape.key)
        frame = event.frames.get(where)
        if frame is None:
            entry = event.gone() if kind == "DELETED" else event.new
            assert entry is not None
            body = self.shape.one(self.ctx.serving, entry)
            frame = b'{"type":"%b","object":%b}\n' % (kind.encode(), body)
            event.frames[where] = frame
        return frame

    def _bookmark_frame(self, revision: int, *, end: bool) -> bytes:
        metadata: dict[str, object] = {"resourceVersion": str(revision), "creationTimestamp": None}
        if end:
            metadata["annotations"] = {INITIAL_EVENTS_END: "true"}
        obj = {
            "kind": self.ctx.serving.row.kind,
            "apiVersion": self.ctx.serving.api_version,
            "metadata": metadata,
        }
        return codec.dumps({"type": "BOOKMARK", "object": obj}) + b"\n"

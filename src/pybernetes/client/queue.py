# SPDX-License-Identifier: Apache-2.0
"""The work queue of controllers (client-go's workqueue, its guarantees and metrics).

- A key added several times before it is taken is worked on once.
- A key is never worked on by two workers: added meanwhile, it comes again after `done`.
- Keys come out in the order in which they were added.
- Waiting keys (add_after, add_rate_limited) wait on the event loop; the earliest time wins.
"""

import asyncio
import heapq
import math
from collections.abc import Hashable
from typing import Generic, TypeVar

from pybernetes.base.backoff import Backoff
from pybernetes.base.clock import Clock
from pybernetes.base.env import Env
from pybernetes.base.metrics import counter, exponential, gauge, histogram

K = TypeVar("K", bound=Hashable)
BUCKET_RATE, BUCKET_BURST = 10.0, 100
_BUCKETS = exponential(1e-8, 10.0, 10)


class TokenBucket:
    """`rate` tokens a second, at most `burst` saved up; says how long to wait for the next one."""

    __slots__ = ("_burst", "_clock", "_last", "_rate", "_tokens")

    def __init__(self, clock: Clock, rate: float, burst: float) -> None:
        self._clock = clock
        self._rate = rate
        self._burst = burst
        self._tokens = float(burst)
        self._last = clock.monotonic()

    def reserve(self) -> float:
        """Take a token, now or in the future: seconds until it may be used."""
        self._refill()
        self._tokens -= 1.0
        return max(0.0, -self._tokens / self._rate)

    def try_take(self) -> bool:
        """Take a token if there is one now."""
        self._refill()
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def _refill(self) -> None:
        now = self._clock.monotonic()
        self._tokens = min(self._burst, self._tokens + (now - self._last) * self._rate)
        self._last = now


class WorkQueue(Generic[K]):
    """One queue; `name` is its name in the workqueue_* metrics."""

    def __init__(self, env: Env, name: str = "") -> None:
        self._clock = env.clock
        self._backoff = Backoff(0.005, 1000.0)
        self._bucket = TokenBucket(env.clock, BUCKET_RATE, BUCKET_BURST)
        self._order: asyncio.Queue[K] = asyncio.Queue()
        self._dirty: dict[K, float] = {}  # to be worked on -> since when
        self._processing: dict[K, float] = {}  # being worked on -> since when
        self._delayed: list[tuple[float, int, K]] = []  # when, sequence, key: a heap
        self._due: dict[K, float] = {}  # the earliest time of each waiting key
        self._sequence = 0
        self._timer: asyncio.TimerHandle | None = None
        self._metrics = _Metrics(env, name)

    def __len__(self) -> int:
        return self._order.qsize()

    @property
    def idle(self) -> bool:
        """True if nothing is queued or being worked on (keys may wait for their time)."""
        return not self._dirty and not self._processing

    @property
    def due(self) -> float:
        """When the first of the waiting keys comes, on the clock; infinity if none waits."""
        return self._delayed[0][0] if self._delayed else math.inf

    def add(self, key: K) -> None:
        if key in self._dirty:
            return
        self._dirty[key] = self._clock.monotonic()
        self._metrics.adds.inc()
        if key not in self._processing:
            self._enqueue(key)

    def add_after(self, key: K, seconds: float) -> None:
        if seconds <= 0:
            self.add(key)
            return
        when = self._clock.monotonic() + seconds
        if when >= self._due.get(key, when + 1):
            return
        self._due[key] = when
        self._sequence += 1
        heapq.heappush(self._delayed, (when, self._sequence, key))
        self._set_timer()

    def add_rate_limited(self, key: K, longest: float = math.inf) -> None:
        """Try again after a failure: later each time, but for the queue's own rate within `longest` seconds."""
        self._metrics.retries.inc()
        wait = min(self._backoff.next(key), longest)
        self.add_after(key, max(wait, self._bucket.reserve()))

    def forget(self, key: K) -> None:
        """The key's work succeeded: its next failure waits the shortest time again."""
        self._backoff.forget(key)

    def failures(self, key: K) -> int:
        return self._backoff.failures(key)

    async def get(self) -> K:
        """The next key, which must be given to `done`."""
        key = await self._order.get()
        now = self._clock.monotonic()
        self._metrics.depth.set(len(self))
        self._metrics.waited.observe(now - self._dirty.pop(key))
        self._processing[key] = now
        return key

    def done(self, key: K) -> None:
        self._metrics.worked.observe(self._clock.monotonic() - self._processing.pop(key))
        if key in self._dirty:
            self._enqueue(key)

    def _enqueue(self, key: K) -> None:
        self._order.put_nowait(key)
        self._metrics.depth.set(len(self))

    def _set_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._delayed:
            wait = max(0.0, self._delayed[0][0] - self._clock.monotonic())
            self._timer = asyncio.get_running_loop().call_later(wait, self._release)

    def _release(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now + 1e-6:
            when, _, key = heapq.heappop(self._delayed)
            if self._due.get(key) == when:
                del self._due[key]
                self.add(key)
        self._set_timer()


class _Metrics:
    """client-go's workqueue metrics, bound to one queue's name."""

    def __init__(self, env: Env, name: str) -> None:
        label = ("name",)
        self.adds = counter(
            env, "workqueue_adds_total", "Total number of adds handled by workqueue", label
        ).labels(name)
        self.depth = gauge(env, "workqueue_depth", "Current depth of workqueue", label).labels(name)
        self.waited = histogram(
            env,
            "workqueue_queue_duration_seconds",
            "How long in seconds an item stays in workqueue before being requested.",
            label,
            buckets=_BUCKETS,
        ).labels(name)
        self.worked = histogram(
            env,
            "workqueue_work_duration_seconds",
            "How long in seconds processing an item from workqueue takes.",
            label,
            buckets=_BUCKETS,
        ).labels(name)
        self.retries = counter(
            env, "workqueue_retries_total", "Total number of retries handled by workqueue", label
        ).labels(name)

# SPDX-License-Identifier: Apache-2.0
"""Metrics on an Env's registry: get-or-create by upstream's name, labels bound once.

Asking twice for the same name on one registry gives the same metric, so that several informers or
queues of a process share theirs. On hot paths keep the children: `seen = Children(metric)`, then
`seen["GET", "pods"].inc()` is one dictionary look-up.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Generic, TypeVar
from weakref import WeakKeyDictionary

from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    disable_created_metrics,
    generate_latest,
)
from prometheus_client.metrics import MetricWrapperBase

from pybernetes.base.env import Env

_M = TypeVar("_M", bound=MetricWrapperBase)
SECONDS = (0.001, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)

_known: WeakKeyDictionary[CollectorRegistry, dict[str, MetricWrapperBase]] = WeakKeyDictionary()


def exponential(start: float, factor: float, count: int) -> tuple[float, ...]:
    """Bucket bounds as upstream's ExponentialBuckets."""
    return tuple(start * factor**index for index in range(count))


def _once(env: Env, kind: type[_M], name: str, about: str, **more: Any) -> _M:
    metrics = _known.setdefault(env.metrics, {})
    if name not in metrics:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # the library has no types there
        metrics[name] = kind(name, about, registry=env.metrics, **more)
    found = metrics[name]
    if not isinstance(found, kind):
        raise TypeError(f"metric {name} is a {type(found).__name__}, not a {kind.__name__}")
    return found


def counter(env: Env, name: str, about: str, labels: Sequence[str] = ()) -> Counter:
    """A counter. Its exposed name ends in `_total`, as upstream's counters do."""
    return _once(env, Counter, name, about, labelnames=labels)


def gauge(env: Env, name: str, about: str, labels: Sequence[str] = ()) -> Gauge:
    return _once(env, Gauge, name, about, labelnames=labels)


def histogram(
    env: Env,
    name: str,
    about: str,
    labels: Sequence[str] = (),
    *,
    buckets: Sequence[float] = SECONDS,
) -> Histogram:
    return _once(env, Histogram, name, about, labelnames=labels, buckets=buckets)


class Children(dict[tuple[str, ...], _M], Generic[_M]):
    """The children of a labelled metric, by their label values in order."""

    def __init__(self, metric: _M) -> None:
        super().__init__()
        self._metric = metric

    def __missing__(self, key: tuple[str, ...] | str) -> _M:
        values = (key,) if isinstance(key, str) else key
        child: _M = self._metric.labels(*values)
        self[key] = child  # type: ignore[index]  # a single label may be asked for as plain text
        return child


def exposition(env: Env) -> tuple[str, bytes]:
    """Content type and body of /metrics."""
    return CONTENT_TYPE_LATEST, generate_latest(env.metrics)


async def watch_loop_lag(env: Env, interval: float = 0.1) -> None:
    """Measure for ever how late the loop wakes a sleeper. Not for virtual time, which is never late."""
    lag: Any = histogram(
        env,
        "pybernetes_event_loop_lag_seconds",
        "How late the event loop ran a timer.",
        buckets=(0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0),
    )
    while True:
        due = env.clock.monotonic() + interval
        await asyncio.sleep(interval)
        lag.observe(max(0.0, env.clock.monotonic() - due))

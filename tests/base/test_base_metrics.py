# SPDX-License-Identifier: Apache-2.0
"""Metrics: shared by name, exposed as text; loop lag; the collector's policy."""

import asyncio
import gc
import time

import pytest

from pybernetes.base import gcpolicy, metrics
from pybernetes.base.env import Env


def test_same_name_same_metric_and_exposition() -> None:
    env = Env()
    labels = ["verb", "resource"]
    seen = metrics.Children(metrics.counter(env, "apiserver_request_total", "Requests.", labels))
    again = metrics.Children(metrics.counter(env, "apiserver_request_total", "Requests.", labels))
    seen["GET", "pods"].inc()
    again["GET", "pods"].inc()
    kind, body = metrics.exposition(env)
    assert kind.startswith("text/plain")
    assert b'apiserver_request_total{resource="pods",verb="GET"} 2.0' in body
    assert b"_created" not in body


def test_another_kind_under_a_name_is_refused() -> None:
    env = Env()
    metrics.gauge(env, "workqueue_depth", "Depth.")
    with pytest.raises(TypeError, match="is a Gauge"):
        metrics.counter(env, "workqueue_depth", "Depth.")


def test_registries_are_independent() -> None:
    one, two = Env(), Env()
    metrics.gauge(one, "g", "G.").set(1)
    metrics.gauge(two, "g", "G.").set(2)
    assert b"g 1.0" in metrics.exposition(one)[1]
    assert b"g 2.0" in metrics.exposition(two)[1]


def _block(seconds: float) -> None:
    time.sleep(seconds)


async def test_a_blocked_loop_shows_as_lag() -> None:
    env = Env()
    task = asyncio.create_task(metrics.watch_loop_lag(env, 0.01))
    await asyncio.sleep(0)
    _block(0.06)
    await asyncio.sleep(0.02)
    task.cancel()
    late = env.metrics.get_sample_value("pybernetes_event_loop_lag_seconds_sum")
    assert late is not None
    assert late >= 0.045


def test_collections_are_measured() -> None:
    env = Env()
    gcpolicy.measure(env)
    try:
        gc.collect()
    finally:
        gc.callbacks.pop()
    name = "pybernetes_gc_pause_seconds_count"
    assert env.metrics.get_sample_value(name, {"generation": "2"}) == 1

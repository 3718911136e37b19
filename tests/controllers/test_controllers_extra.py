# SPDX-License-Identifier: Apache-2.0
"""A controller from outside: one class and one row; and the loop's promises to it."""

import asyncio
import json
from importlib import resources
from itertools import pairwise
from pkgutil import resolve_name
from types import SimpleNamespace
from typing import cast

import pytest

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.queue import WorkQueue
from pybernetes.controllers import manager
from pybernetes.controllers.registry import CONTROLLERS
from pybernetes.controllers.runtime.controller import Context, Controller, Row

CONFIG_MAPS = GVR("", "v1", "configmaps")


class Greeter:
    """Says hello in every ConfigMap that asks for it, after two failures."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.maps = context.informers.get(CONFIG_MAPS, label_selector="greet=yes")
        self.maps.on_change(lambda old, new: context.queue.add(meta.key(new or old or {})))
        self.tries: list[float] = []

    async def sync(self, key: str) -> None:
        self.tries.append(self.context.env.clock.monotonic())
        found = self.maps.find(*meta.split_key(key))
        if found is None or found.get("data"):
            return
        if len(self.tries) <= 2:
            raise ApiError(500, "InternalError", "not in the mood")
        said = {**found, "data": {"say": "hello"}}
        await self.context.client.update(CONFIG_MAPS, said, meta.namespace(found))


def test_one_row_adds_a_controller(in_cluster) -> None:
    made: list[Greeter] = []

    def build(context: Context) -> Greeter:
        made.append(Greeter(context))
        return made[0]

    async def main(cluster) -> None:
        metadata = {"name": "x", "labels": {"greet": "yes"}}
        obj: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata}
        await cluster.create(CONFIG_MAPS, obj)

        async def greeted():
            found = await cluster.client.get(CONFIG_MAPS, "x", "default")
            return found.get("data") == {"say": "hello"}

        await cluster.eventually(greeted)
        first, second, third = made[0].tries[:3]
        assert round(second - first, 4) == 0.005
        assert round(third - second, 4) == 0.01

    row = Row(build, "root-ca-cert-publisher")  # an account that may update ConfigMaps
    in_cluster(main, extra={"greeter": row}, controllers=("greeter", "serviceaccount-controller"))


class Stubborn(Controller):
    """Fails while it is being cancelled."""

    async def sync(self, key: str) -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            raise ConnectionError("the API server is gone too")


def test_a_failure_does_not_keep_a_cancelled_controller_alive(in_cluster) -> None:
    def build(context: Context) -> Controller:
        context.queue.add("x")
        return Stubborn(context)

    async def main(cluster) -> None:
        await asyncio.sleep(1)  # then everything is cancelled, and has to end

    row = Row(build, "root-ca-cert-publisher")
    in_cluster(main, extra={"stubborn": row}, controllers=("stubborn", "serviceaccount-controller"))


def test_controllers_can_be_left_out(in_cluster) -> None:
    async def main(cluster) -> None:
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bare"}}
        await cluster.client.create(GVR("", "v1", "namespaces"), namespace)
        await asyncio.sleep(5)
        assert await cluster.list(GVR("", "v1", "serviceaccounts"), "bare") == []

    in_cluster(main, controllers=("*", "-serviceaccount-controller"))


def test_names_are_upstreams_and_lead_to_code() -> None:
    table = json.loads(
        resources.files("pybernetes.controllers").joinpath("controllers.json").read_text()
    )
    assert table.keys() == CONTROLLERS.keys()
    for name, row in table.items():
        assert name.endswith("-controller")
        assert callable(resolve_name(f"pybernetes.controllers.{row['build']}"))


def test_lost_races_are_no_news_until_they_repeat(monkeypatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(
        manager, "_log", SimpleNamespace(warning=lambda text, **_: told.append(text))
    )
    race = ApiError(409, "Conflict", "the object has been modified")
    for failures in range(manager.LATE_TRIES):
        manager._report("deployment", "ns/d", race, failures)
    assert not told
    manager._report("deployment", "ns/d", race, 7)
    manager._report("deployment", "ns/d", ApiError(500, "InternalError", "broken"), 0)
    assert len(told) == 2


@pytest.mark.parametrize(
    ("error", "passes"),
    [
        (ConnectionError("the API server is down"), True),
        (ApiError(503, "ServiceUnavailable", "the store is away"), True),
        (ApiError(409, "Conflict", "the object has been modified"), True),
        (ApiError(409, "AlreadyExists", "another's"), False),
        (ApiError(422, "Invalid", "refused"), False),
    ],
)
def test_an_outage_delays_no_key_for_long_once_it_is_over(
    error: Exception, *, passes: bool
) -> None:
    tries: list[float] = []

    async def main(env: Env) -> None:
        queue: WorkQueue[str] = WorkQueue(env)

        async def sync(_key: str) -> None:
            tries.append(env.clock.monotonic())
            raise error

        async with TaskGroup("controllers") as group:
            controller = cast(Controller, SimpleNamespace(sync=sync))
            group.start(manager._work("deployment", controller, queue), "worker")
            queue.add("default/web")
            await asyncio.sleep(3000)
            group.cancel()

    virtualtime.run(main, 1)
    longest = max(after - before for before, after in pairwise(tries))
    assert longest == pytest.approx(10.0 if passes else 1000.0)

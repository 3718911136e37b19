# SPDX-License-Identifier: Apache-2.0
"""A status that somebody else changed is written again by the kubelet that knows better."""

import asyncio
from typing import Any

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base import virtualtime
from pybernetes.base.env import Env
from pybernetes.kubelet.statusmanager import RETRY, StatusManager

READY = {"type": "Ready", "status": "True"}
STATUS = {"phase": "Running", "conditions": [READY], "not": "kept by the API server"}


class Api:
    """Counts the writes; the version of what it answers grows by ten."""

    def __init__(self) -> None:
        self.writes = 0

    async def patch(self, *_: Any, **__: Any) -> dict[str, Any]:
        self.writes += 1
        return pod(10 * self.writes, "True")


def pod(version: int, ready: str) -> dict[str, Any]:
    metadata = {"name": "web", "namespace": "default", "uid": "u", "resourceVersion": str(version)}
    conditions = [{"type": "Ready", "status": ready}]
    return {"metadata": metadata, "status": {"phase": "Running", "conditions": conditions}}


async def test_a_missed_node_says_that_its_pods_are_ready_again() -> None:
    api = Api()
    statuses = StatusManager(api, lambda _uid: pod(1, "True"))  # type: ignore[arg-type]
    running = asyncio.ensure_future(statuses.run())

    async def writes(seen: dict[str, Any]) -> int:
        statuses.set(seen, STATUS)
        await statuses.flush("u")
        return api.writes

    assert await writes(pod(1, "False")) == 1
    assert await writes(pod(1, "False")) == 1  # the informer has not seen our write yet
    assert await writes(pod(10, "True")) == 1  # now it has
    assert await writes(pod(11, "False")) == 2  # what the node lifecycle controller does
    assert await writes(pod(11, "False")) == 2
    assert await writes(pod(20, "True")) == 2
    running.cancel()


def test_whoever_waits_for_a_status_waits_until_it_is_written_at_last() -> None:
    class Refusing(Api):
        async def patch(self, gvr: Any, name: str, *_: Any, **__: Any) -> dict[str, Any]:
            await asyncio.sleep(1)
            self.writes += 1
            if self.writes == 1:
                raise ApiError(500, "InternalError", "not now")
            return {"metadata": {"name": name, "resourceVersion": "5"}}

    async def main(env: Env) -> float:
        pods = {uid: pod(1, "True") for uid in ("a", "b")}
        for uid, one in pods.items():
            one["metadata"]["uid"] = uid
        statuses = StatusManager(Refusing(), pods.get)  # type: ignore[arg-type]
        running = asyncio.ensure_future(statuses.run())
        for one in pods.values():
            statuses.set(one, {"phase": "Failed"})
        await asyncio.sleep(1.5)  # a was refused, b is being written
        start = env.clock.monotonic()
        await statuses.flush("a")
        running.cancel()
        return env.clock.monotonic() - start

    assert virtualtime.run(main) == 0.5 + RETRY + 1


def test_a_status_that_changes_back_while_it_is_written_is_written_again() -> None:
    class Slow(Api):
        async def patch(self, gvr: Any, name: str, patch: Any, *_: Any, **__: Any) -> Any:
            written.append(patch["status"]["phase"])
            await asyncio.sleep(1)
            return {"metadata": {"name": name, "resourceVersion": "5"}}

    async def main(env: Env) -> None:
        one = pod(1, "True")
        statuses = StatusManager(Slow(), lambda uid: one)  # type: ignore[arg-type]
        running = asyncio.ensure_future(statuses.run())
        for phase, pause in (("Pending", 2), ("Failed", 0.5), ("Pending", 0)):
            statuses.set(one, {"phase": phase})
            await asyncio.sleep(pause)
        async with asyncio.timeout(5):
            await statuses.flush("u")
        running.cancel()

    written: list[str] = []
    virtualtime.run(main)
    assert written == ["Pending", "Failed", "Pending"]

# SPDX-License-Identifier: Apache-2.0
"""A status that somebody else changed is written again by the kubelet that knows better."""

import asyncio
from typing import Any

from pybernetes.kubelet.statusmanager import StatusManager

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

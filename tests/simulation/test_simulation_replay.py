# SPDX-License-Identifier: Apache-2.0
"""The whole control plane on virtual time, and exact replay from a seed."""

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apimachinery.types import GVR
from pybernetes.base.tasks import gather_ordered
from pybernetes.simulation.world import World, simulate

PODS = GVR("", "v1", "pods")
SCENARIO = Path(__file__).parent / "scenario_replay.py"


def pod(name: str) -> dict[str, Any]:
    container = {"name": "main", "image": "example.org/web:1"}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


async def run(seed: int, nodes: int, replicas: int, hash_seed: str, log: Path) -> dict[str, Any]:
    """The scenario in an interpreter of its own: what it found."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(SCENARIO), str(seed), str(nodes), str(replicas), str(log)),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONHASHSEED": hash_seed},
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0, errors.decode()[-3000:]
    found: dict[str, Any] = json.loads(output)
    return found


async def test_another_seed_gives_another_event_log(tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("a", "b")]
    await gather_ordered(run(seed, 5, 12, "1", log) for seed, log in enumerate(logs, 7))
    first, other = (log.read_text() for log in logs)
    assert first.count("\n") > 200
    assert first != other


@pytest.mark.timeout(600)
async def test_fifty_nodes_and_500_pods_live_an_hour_in_seconds(tmp_path: Path) -> None:
    one, two = await gather_ordered(
        run(1, 50, 500, number, tmp_path / number) for number in ("1", "2")
    )
    assert one == two  # with the digest of the event log: whatever the hash seed
    assert one["moved"] > 300  # the default tolerations let pods stay for five minutes


def test_a_node_that_returns_starts_its_pods_again() -> None:
    async def scenario(world: World) -> tuple[int, int]:
        await world.client.create(PODS, pod("keeps-its-node"), "default")

        async def runs() -> bool:
            found = await world.client.get(PODS, "keeps-its-node", "default")
            conditions = found.get("status", {}).get("conditions") or ()
            return ("Ready", "True") in [(item["type"], item["status"]) for item in conditions]

        async def restarts() -> int:
            found = await world.client.get(PODS, "keeps-its-node", "default")
            return int(found["status"]["containerStatuses"][0]["restartCount"])

        await world.wait_for(runs, seconds=60)
        world.stop_node("hollow")
        await asyncio.sleep(120)
        assert not await runs()
        world.start_node("hollow")
        await world.wait_for(runs, seconds=120)
        return await restarts(), len(world.cluster.fleet.kubelets)

    assert simulate(scenario, seed=3) == (1, 1)

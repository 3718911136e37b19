# SPDX-License-Identifier: Apache-2.0
"""Whole clusters whose hollow nodes live by stages, on virtual time."""

import asyncio
import hashlib
import itertools
import re
from collections.abc import Awaitable, Callable
from typing import Any

from pybernetes.apimachinery.types import GVR
from pybernetes.cri.stagefile import parse
from pybernetes.simulation.world import World, simulate
from pybernetes.wire.types import Request, Response, StreamingResponse

EVENTS = GVR("", "v1", "events")
NODES = GVR("", "v1", "nodes")
PODS = GVR("", "v1", "pods")


def pod(name: str, *, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "main", "image": "example.org/web:1", **spec.pop("main", {})}
    metadata = {"name": name, "labels": labels or {}}
    return {"metadata": metadata, "spec": {"containers": [container], **spec}}


def play(stages: str, scenario: Callable[[World], Awaitable[Any]], seed: int = 3) -> Any:
    return simulate(scenario, seed=seed, nodes=1, stages=parse(stages))


async def status(world: World, name: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = (await world.client.get(PODS, name, "default"))["status"]
    return found


async def main(world: World, name: str = "a") -> dict[str, Any]:
    found: dict[str, Any] = (await status(world, name))["containerStatuses"][0]
    return found


async def conditions(world: World) -> list[str]:
    """Whether the pod is Ready, once a second for a minute."""
    found = []
    for _ in range(60):
        await asyncio.sleep(1)
        rows = {c["type"]: c["status"] for c in (await status(world)).get("conditions", ())}
        found.append(rows.get("Ready", "-")[0])
    return found


async def ask(world: World, path: str, query: str = "") -> bytes:
    reply = await world.client.send(Request("GET", path, path, query))
    if isinstance(reply, StreamingResponse):
        return b"".join([chunk async for chunk in reply.chunks])
    assert isinstance(reply, Response)
    assert reply.status == 200, reply
    return reply.body


def test_a_job_completes_and_init_containers_too() -> None:
    async def scenario(world: World) -> None:
        init = [{"name": "first", "image": "example.org/init:1"}]
        wanted = pod("a", labels={"job": "x"}, restartPolicy="Never", initContainers=init)
        await world.client.create(PODS, wanted, "default")
        await asyncio.sleep(10)
        assert (await status(world))["phase"] == "Running"
        await asyncio.sleep(30)
        found = await status(world)
        assert found["phase"] == "Succeeded"
        ended = found["containerStatuses"][0]["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (0, "Completed")

    play("stages:\n- {match: {labels: job, init: false}, run: {for: 30s}}\n", scenario)


def test_images_that_cannot_be_pulled_at_first() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(PODS, pod("a"), "default")
        await asyncio.sleep(8)
        waiting = (await main(world))["state"]["waiting"]
        assert waiting["reason"] in ("ErrImagePull", "ImagePullBackOff")
        assert "429 Too Many Requests" in waiting["message"]
        await asyncio.sleep(60)
        assert "running" in (await main(world))["state"]
        reasons = [item["message"] for item in (await world.client.list(EVENTS, "default")).items]
        assert any("429 Too Many Requests" in text for text in reasons)

    stage = '{match: {image: "*/web:*"}, pull: {takes: 2s, fails: 2, error: 429 Too Many Requests}}'
    play(f"stages:\n- {stage}\n", scenario)


def test_crashes_and_memory_that_runs_out() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(PODS, pod("a"), "default")
        await asyncio.sleep(30)
        found = await main(world)
        assert (found["restartCount"], "running" in found["state"]) == (2, True)
        ended = found["lastState"]["terminated"]
        assert (ended["exitCode"], ended["reason"], ended["message"]) == (3, "Error", "no config")
        limits = {"resources": {"limits": {"memory": "64Mi"}}}
        await world.client.create(PODS, pod("hog", main=limits, restartPolicy="Never"), "default")
        await asyncio.sleep(20)
        assert (await status(world, "hog"))["phase"] == "Running"
        await asyncio.sleep(15)
        ended = (await main(world, "hog"))["state"]["terminated"]
        assert (ended["exitCode"], ended["reason"]) == (137, "OOMKilled")

    stages = """
stages:
- {match: {pod: a}, run: {for: 2s, exit: 3, message: no config, times: 2}}
- {match: {pod: hog}, usage: {memory: {0s: 0, 60s: 128Mi}}}
"""
    play(stages, scenario)


def test_readiness_flaps_whether_or_not_the_pod_has_a_probe() -> None:
    probe = {"httpGet": {"path": "/", "port": 80}, "periodSeconds": 1, "failureThreshold": 3}

    async def scenario(world: World, main: dict[str, Any]) -> str:
        await world.client.create(PODS, pod("a", main=main), "default")
        return "".join(await conditions(world))

    stages = "stages:\n- {readiness: {after: 5s, up: 15s, down: 8s}}\n"
    bare = play(stages, lambda world: scenario(world, {}))
    probed = play(stages, lambda world: scenario(world, {"readinessProbe": probe}))
    for found in (bare, probed):
        assert "".join(turn for turn, _ in itertools.groupby(found.lstrip("-F"))) == "TFTFT"
    times, passed_over = 2, 2  # by a threshold of 3
    assert bare.count("F") - probed.count("F") == times * passed_over


def test_liveness_restarts_containers() -> None:
    async def scenario(world: World) -> None:
        probe = {"exec": {"command": ["true"]}, "periodSeconds": 2, "failureThreshold": 2}
        await world.client.create(PODS, pod("a", main={"livenessProbe": probe}), "default")
        await asyncio.sleep(9)
        assert (await main(world))["restartCount"] == 0
        await asyncio.sleep(10)
        assert (await main(world))["restartCount"] == 1

    play("stages:\n- {liveness: {up: 10s, down: 1h}}\n", scenario)


def test_containers_that_are_slow_to_stop_are_killed() -> None:
    async def scenario(world: World) -> None:
        for name in ("slow", "stubborn"):
            await world.client.create(PODS, pod(name, terminationGracePeriodSeconds=10), "default")
        await asyncio.sleep(5)
        for name in ("slow", "stubborn"):
            await world.client.delete(PODS, name, "default")
        gone: dict[str, int] = {}
        for second in range(1, 15):
            await asyncio.sleep(1)
            left = [item["metadata"]["name"] for item in (await world.client.list(PODS)).items]
            for name in {"slow", "stubborn"} - {*left, *gone}:
                gone[name] = second
        assert gone == {"slow": 7, "stubborn": 11}

    stages = """
stages:
- {match: {pod: slow}, stop: {takes: 6s, exit: 143}}
- {match: {pod: stubborn}, stop: {takes: 1h}}
"""
    play(stages, scenario)


def test_nodes_that_are_not_ready_and_nodes_that_are_lost() -> None:
    async def scenario(world: World) -> list[str]:
        node = await world.client.get(NODES, "hollow")
        assert (node["status"]["capacity"]["cpu"], node["metadata"]["labels"]["zone"]) == ("8", "a")
        seen = []
        for _ in range(60):
            node = await world.client.get(NODES, "hollow")
            (ready,) = [c for c in node["status"]["conditions"] if c["type"] == "Ready"]
            if not seen or seen[-1] != ready["status"]:
                seen.append(ready["status"])
                if ready["status"] == "False":
                    assert "a stage says so" in ready["message"]
            await asyncio.sleep(10)
        return seen

    stages = """
stages:
- match: {node: hollow}
  node:
    capacity: {cpu: 8}
    labels: {zone: a}
    notReady: {after: 60s, for: 30s}
    lost: {after: 200s, for: 120s}
"""
    assert play(stages, scenario) == ["True", "False", "True", "Unknown", "True"]


def test_logs_and_numbers_through_the_api_server() -> None:
    async def scenario(world: World) -> None:
        await world.client.create(PODS, pod("a"), "default")
        await asyncio.sleep(36)
        path = "/api/v1/namespaces/default/pods/a/log"
        assert await ask(world, path) == b"listening\nstill here\nstill here\nstill here\n"
        stamped = await ask(world, path, "tailLines=1&timestamps=true")
        assert re.fullmatch(rb"2026-01-01T00:00:\d\d\.\d{9}Z still here\n", stamped)
        assert await ask(world, path, "sinceSeconds=20&limitBytes=15") == b"still here\nstil"
        following = asyncio.ensure_future(ask(world, path, "follow=true&sinceSeconds=1"))
        await asyncio.sleep(20)
        await world.client.delete(PODS, "a", "default", options={"gracePeriodSeconds": 0})
        assert await following == b"still here\nstill here\n"
        await world.client.create(PODS, pod("b"), "default")
        await asyncio.sleep(60)
        text = (await ask(world, "/api/v1/nodes/hollow/proxy/stats/summary")).decode()
        assert '"workingSetBytes":67108864' in text
        metrics = (await ask(world, "/api/v1/nodes/hollow/proxy/metrics/resource")).decode()
        (line,) = [row for row in metrics.splitlines() if row.startswith("container_cpu_usage")]
        assert 25 < float(line.split()[1]) < 30

    stages = """
stages:
- logs: [listening, {every: 10s, line: still here}]
  usage: {cpu: 500m, memory: 64Mi}
"""
    play(stages, scenario)


def test_the_same_seed_gives_the_same_life() -> None:
    stages = """
stages:
- pull: {takes: {normal: [3s, 1s]}, fails: 30%}
  run: {for: {exponential: 40s}, exit: {0: 1, 1: 1, OOMKilled: 1}, chance: 80%}
  readiness: {after: {between: [1s, 5s]}, up: {about: [20s, 50%]}, down: 3s}
"""

    async def scenario(world: World) -> str:
        for number in range(6):
            await world.client.create(PODS, pod(f"p{number}"), "default")
        await asyncio.sleep(600)
        return hashlib.sha256(world.log.text().encode()).hexdigest()

    digests = [play(stages, scenario, seed) for seed in (5, 5, 6)]
    assert digests[0] == digests[1] != digests[2]

# SPDX-License-Identifier: Apache-2.0
"""Preemption: who leaves, from which node, and what becomes of the pods in a whole cluster."""

import asyncio
from typing import Any

import pytest

from pybernetes.apimachinery.types import GVR
from pybernetes.base.random import Random
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.cycle import Cycle
from pybernetes.scheduler.decision import Decision
from pybernetes.scheduler.nominations import Nominations
from pybernetes.scheduler.plugins.registry import PLUGINS
from pybernetes.scheduler.podinfo import PodInfo, Templates
from pybernetes.scheduler.preemption import Preemption, kept_by_budgets
from pybernetes.simulation.world import World, simulate

Object = dict[str, Any]
PODS = GVR("", "v1", "pods")
NODES = GVR("", "v1", "nodes")
EVENTS = GVR("", "v1", "events")
CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")


def node(name: str, cpu: str = "4", **spec: Any) -> Object:
    metadata = {"name": name, "labels": {"kubernetes.io/hostname": name}}
    allocatable = {"cpu": cpu, "memory": "8Gi", "pods": "10"}
    return {"metadata": metadata, "spec": spec, "status": {"allocatable": allocatable}}


def pod(name: str, priority: int, cpu: str = "1", start: str = "", **more: Any) -> Object:
    container = {"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}
    metadata = {"name": name, "namespace": "default", "uid": f"uid-{name}"}
    found: Object = {
        "metadata": metadata | more.pop("metadata", {}),
        "spec": {"containers": [container], "priority": priority, **more},
        "status": {"startTime": f"2026-01-01T{start}:00Z"} if start else {},
    }
    return found


class Table:
    """Nodes and what runs on them: asks who would leave for a pod."""

    def __init__(self, *nodes: Object) -> None:
        self.columns = NodeColumns()
        self.templates = Templates()
        self.objects: dict[tuple[str, str], Object] = {}
        self.budgets: list[Object] = []
        for one in nodes:
            self.columns.upsert(one)
        self.cycle = Cycle(self.columns, PLUGINS, Random(1))
        self.preemption = Preemption(
            self.columns, PLUGINS, lambda *key: self.objects.get(key), lambda: self.budgets
        )

    def run(self, where: str, *pods: Object) -> None:
        for one in pods:
            self.columns.place(self.info(one), where)
        self.cycle.changed()

    def info(self, one: Object) -> PodInfo:
        self.objects["default", one["metadata"]["name"]] = one
        return self.templates.info(one)

    def ask(self, one: Object, nominated: str = "") -> Decision:
        info = self.info(one)
        refused = self.cycle.schedule(info)
        assert not refused.node
        before = self.columns.requested.copy()
        *_, decision = self.preemption.decide(refused, one, nominated, self.cycle.possible(info))
        assert decision is not None
        assert (self.columns.requested == before).all()
        return decision


def victims(decision: Decision) -> tuple[str, list[str]]:
    assert decision.room is not None, decision.message
    return decision.room.node, [one["metadata"]["name"] for one in decision.room.victims]


def test_the_least_important_leave_and_no_more_than_needed() -> None:
    table = Table(node("n"))
    table.run("n", pod("mid", 5), pod("low", 1), pod("lower", 0), pod("equal", 10))
    assert victims(table.ask(pod("new", 10))) == ("n", ["lower"])
    assert victims(table.ask(pod("big", 10, "2"))) == ("n", ["low", "lower"])


def test_among_equals_the_younger_leaves() -> None:
    table = Table(node("n", "2"))
    table.run("n", pod("young", 1, start="09:00"), pod("old", 1, start="08:00"))
    assert victims(table.ask(pod("new", 2)))[1] == ["young"]


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([pod("a", 1)], [pod("b", 2)]),  # the lower of the highest priorities
        ([pod("a", 2)], [pod("b", 2, "500m"), pod("c", 1, "500m")]),  # the smaller sum
        ([pod("a", -5)], [pod("b", -5, "500m"), pod("c", -6, "500m")]),  # and so fewer of them
        ([pod("a", 1, start="09:00")], [pod("b", 1, start="08:00")]),  # the later start
    ],
)
def test_the_node_that_loses_least_is_chosen(first: list[Object], second: list[Object]) -> None:
    for nodes in (("x", "y"), ("y", "x")):
        table = Table(*(node(name, "1") for name in nodes))
        table.run("x", *first)
        table.run("y", *second)
        assert victims(table.ask(pod("new", 10)))[0] == "x"


def budget(allowed: int, **status: Any) -> Object:
    selector = {"matchLabels": {"app": "db"}}
    return {
        "metadata": {"name": "b", "namespace": "default"},
        "spec": {"selector": selector},
        "status": {"disruptionsAllowed": allowed, **status},
    }


def test_a_budget_keeps_its_pods_where_others_can_go() -> None:
    labels = {"metadata": {"labels": {"app": "db"}}}
    table = Table(node("n", "2"), node("other", "1"))
    table.budgets = [budget(0)]
    table.run("n", pod("kept", 0, **labels), pod("free", 1))
    table.run("other", pod("more", 2))
    decision = table.ask(pod("new", 9))
    assert victims(decision) == ("n", ["free"])
    decision = table.ask(pod("new", 9, "2"))  # nothing else would do
    assert decision.room is not None
    assert decision.room.violations == 1


def test_budgets_are_used_up_one_by_one() -> None:
    pods = [pod(name, 0, metadata={"labels": {"app": "db"}, "name": name}) for name in "abc"]
    assert kept_by_budgets(pods, [budget(1)]) == [False, True, True]
    assert kept_by_budgets(pods, [budget(0, disruptedPods={"a": "x"})]) == [False, True, True]
    everything = budget(0) | {"spec": {"selector": {}}}
    assert kept_by_budgets(pods, [everything]) == [False] * 3
    assert kept_by_budgets([pod("bare", 0)], [budget(0)]) == [False]


def test_host_ports_are_freed_too() -> None:
    ports = {"containers": [{"name": "c", "image": "i", "ports": [{"hostPort": 80}]}]}
    table = Table(node("n"))
    table.run("n", pod("holder", 1, **ports), pod("other", 0))
    assert victims(table.ask(pod("new", 2, **ports))) == ("n", ["holder"])


def test_why_nobody_can_leave() -> None:
    tainted = node("tainted", taints=[{"key": "k", "effect": "NoSchedule"}])
    table = Table(node("small", "1"), node("full", "2"), node("held", "2"), tainted)
    table.run("full", pod("a", 7, "2"))
    table.run("held", pod("b", 7, "1"), pod("c", 0, "1"))
    decision = table.ask(pod("new", 7, "2"))
    assert decision.message == (
        "0/4 nodes are available: 1 node(s) had untolerated taint(s), 3 Insufficient cpu. "
        "preemption: 0/4 nodes are available: 1 Insufficient cpu, "
        "1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )
    assert decision.nominated == ""
    never = table.ask(pod("shy", 9, "2", preemptionPolicy="Never"))
    assert (never.room, never.nominated) == (None, None)
    assert never.message.endswith("preemption: not eligible due to preemptionPolicy=Never.")


def test_who_waits_for_a_leaving_pod_takes_no_other() -> None:
    table = Table(node("n", "1"), node("m", "1"))
    leaving = pod("leaving", 1, metadata={"deletionTimestamp": "2026-01-01T00:00:00Z"})
    reason = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
    leaving["status"]["conditions"] = [reason]
    leaving["metadata"] |= {"name": "leaving", "namespace": "default", "uid": "uid-leaving"}
    table.run("n", leaving)
    table.run("m", pod("other", 0))
    assert victims(table.ask(pod("new", 5)))[0] == "m"
    waiting = table.ask(pod("new", 5), nominated="n")
    assert (waiting.room, waiting.nominated) == (None, None)
    assert "terminating pod on the nominated node" in waiting.message


def test_kept_room_is_there_for_its_pod_and_for_more_important_ones() -> None:
    table = Table(node("n", "1"))
    nominations = Nominations(table.columns, table.cycle.changed)
    waiting = table.info(pod("waiting", 5))
    nominations.set(waiting, "n")

    def place(name: str, priority: int) -> str:
        info = table.info(pod(name, priority))
        with nominations.lifted(info):
            found = table.cycle.schedule(info).node
            table.columns.unplace(info.uid)
        return found

    assert place("equal", 5) == ""
    assert place("higher", 6) == "n"
    assert place("waiting", 5) == "n"
    assert place("equal", 5) == ""  # it is kept still
    assert [one.name for one in nominations.less_important(6, "n")] == ["waiting"]
    nominations.set(waiting, "")
    assert place("equal", 5) == "n"


def test_kept_room_is_kept_after_a_failure() -> None:
    table = Table(node("n", "1"))
    nominations = Nominations(table.columns, table.cycle.changed)
    nominations.set(table.info(pod("waiting", 5)), "n")
    with pytest.raises(RuntimeError), nominations.lifted(table.info(pod("higher", 6))):
        raise RuntimeError("a plugin broke")
    assert table.cycle.schedule(table.info(pod("equal", 5))).node == ""


async def _until(world: World, name: str, what: str) -> Object:
    """The pod once it has that value: node, deletionTimestamp or nominatedNodeName."""
    async with asyncio.timeout(60):
        while True:
            one = await world.client.get(PODS, name, "default")
            if {**one["metadata"], **one["spec"], **one["status"]}.get(what):
                return one
            await asyncio.sleep(0.1)


async def _important(world: World, name: str, value: int, **more: Any) -> None:
    await world.client.create(
        CLASSES, {"metadata": {"name": name}, "value": value, "globalDefault": False, **more}
    )


async def _create(world: World, name: str, priority: str, **metadata: Any) -> None:
    (only,) = (await world.client.list(NODES)).items
    cpu = str(int(only["status"]["allocatable"]["cpu"]) // 2 + 1)  # no two of them fit
    made = pod(name, 0, cpu, priorityClassName=priority)
    made["metadata"] = {"name": name, **metadata}
    del made["spec"]["priority"], made["status"]
    await world.client.create(PODS, made, "default")


def test_a_cluster_makes_room_gracefully() -> None:
    async def scenario(world: World) -> None:
        await _important(world, "low", 1)
        await _important(world, "high", 1000)
        await _important(world, "shy", 2000, preemptionPolicy="Never")
        await _create(world, "victim", "low", finalizers=["example.com/wait"])
        await _until(world, "victim", "nodeName")
        await _create(world, "shy", "shy")
        await asyncio.sleep(30)
        assert (
            "deletionTimestamp"
            not in (await world.client.get(PODS, "victim", "default"))["metadata"]
        )
        await world.client.delete(PODS, "shy", "default")
        await _create(world, "high", "high")
        leaving = await _until(world, "victim", "deletionTimestamp")
        (target,) = [c for c in leaving["status"]["conditions"] if c["type"] == "DisruptionTarget"]
        assert (target["status"], target["reason"]) == ("True", "PreemptionByScheduler")
        waiting = await _until(world, "high", "nominatedNodeName")
        assert waiting["status"]["nominatedNodeName"] == leaving["spec"]["nodeName"]
        await _create(world, "late", "low")  # must not take the room that is being made
        await asyncio.sleep(60)  # the victim has ended, its finalizer keeps the object
        assert "nodeName" in (await world.client.get(PODS, "high", "default"))["spec"]
        placed = await world.client.get(PODS, "high", "default")
        assert "nominatedNodeName" not in placed["status"]
        assert "nodeName" not in (await world.client.get(PODS, "late", "default"))["spec"]
        events = (await world.client.list(EVENTS, "default")).items
        (told,) = [one for one in events if one["reason"] == "Preempted"]
        uid, where = placed["metadata"]["uid"], placed["spec"]["nodeName"]
        assert told["message"] == f"Preempted by pod {uid} on node {where}"
        assert told["involvedObject"]["name"] == "victim"

    simulate(scenario, seed=3, nodes=1)


def test_a_node_that_comes_back_holds_the_pods_it_had() -> None:
    table = Table(node("n1"))
    table.run("n1", pod("one", 0, cpu="3"))
    table.columns.remove("n1")
    table.columns.upsert(node("other"))  # takes the free row
    table.columns.upsert(node("n1"))
    row = table.columns.rows["n1"]
    assert table.columns.requested[0, row] == 3000
    assert table.columns.requested[0, table.columns.rows["other"]] == 0
    table.columns.unplace("uid-one")
    assert not table.columns.requested.any()


def test_a_pod_that_was_resized_takes_what_it_has_now() -> None:
    async def scenario(world: World) -> str:
        await world.client.create(PODS, plain("grows", "1"), "default")

        async def runs() -> bool:
            found = await world.client.get(PODS, "grows", "default")
            return found.get("status", {}).get("phase") == "Running"

        await world.wait_for(runs, seconds=60)
        resources = {"requests": {"cpu": "3"}, "limits": {"cpu": "3"}}
        patch = {"spec": {"containers": [{"name": "main", "resources": resources}]}}
        await world.client.patch(
            PODS,
            "grows",
            patch,
            "default",
            patch_type="application/strategic-merge-patch+json",
            subresource="resize",
        )
        await world.client.create(PODS, plain("late", "2"), "default")
        await asyncio.sleep(5)
        found = await world.client.get(PODS, "late", "default")
        return str(found["status"]["conditions"][0]["message"])

    assert "Insufficient cpu" in simulate(scenario, nodes=1)


def plain(name: str, cpu: str) -> Object:
    resources = {"requests": {"cpu": cpu}, "limits": {"cpu": cpu}}
    container = {"name": "main", "image": "example.org/web:1", "resources": resources}
    return {"metadata": {"name": name}, "spec": {"containers": [container]}}


def test_what_changes_while_candidates_are_looked_at_stays_changed() -> None:
    table = Table(*(node(name) for name in ("n1", "n2", "n3")))
    for name in ("n1", "n2", "n3"):
        table.run(name, pod(f"{name}-low", 1, "2"), pod(f"{name}-lower", 0, "2"))
    new = pod("new", 10, "4")
    info = table.info(new)
    steps = table.preemption.decide(table.cycle.schedule(info), new, "", table.cycle.possible(info))
    assert next(steps) is None  # n1 was looked at
    table.columns.unplace("uid-n2-low")  # it ended; its object is still there
    table.columns.remove("n3")
    table.columns.upsert(node("other"))  # takes the free row
    *_, decision = steps
    assert decision is not None
    assert victims(decision) == ("n2", ["n2-lower"])
    requested = {name: table.columns.requested[0, row] for name, row in table.columns.rows.items()}
    assert requested == {"n1": 4000, "n2": 2000, "other": 0}

# SPDX-License-Identifier: Apache-2.0
"""The vectorised cycle decides as the scalar oracle does, pod after pod."""

import random
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pybernetes.base.random import Random
from pybernetes.scheduler.columns import NodeColumns
from pybernetes.scheduler.config import SchedulerConfig
from pybernetes.scheduler.cycle import Cycle
from pybernetes.scheduler.plugins.registry import PLUGINS
from pybernetes.scheduler.podinfo import Templates
from pybernetes.scheduler.scheduler import plugins

sys.path.insert(0, str(Path(__file__).parent))
from oracle import Oracle


def make_node(name: str, **changes: Any) -> dict[str, Any]:
    allocatable = {"cpu": "4", "memory": "8Gi", "pods": "10"} | changes.get("allocatable", {})
    return {
        "metadata": {
            "name": name,
            "labels": {"kubernetes.io/hostname": name} | changes.get("labels", {}),
        },
        "spec": {"taints": changes.get("taints", [])},
        "status": {"allocatable": allocatable},
    }


def make_pod(name: str, requests: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    container = {"name": "c", "image": "i", "resources": {"requests": requests or {}}}
    return {
        "metadata": {"name": name, "namespace": "default", "uid": f"uid-{name}"},
        "spec": {"containers": [container], **spec},
    }


class World:
    """The same nodes and pods in the columns and in the oracle."""

    def __init__(self, seed: int = 1) -> None:
        self.columns = NodeColumns(capacity=2)  # so that it must grow
        self.templates = Templates()
        self.cycle = Cycle(self.columns, PLUGINS, Random(seed))
        self.oracle = Oracle()

    def add(self, node: dict[str, Any]) -> None:
        self.columns.upsert(node)
        self.cycle.changed()
        self.oracle.nodes[node["metadata"]["name"]] = node

    def schedule(self, pod: dict[str, Any]) -> str:
        """Schedule on both and compare: same feasible nodes, and a node with the best score."""
        verdicts = self.oracle.verdicts(pod)
        decision = self.cycle.schedule(self.templates.info(pod))
        feasible = {name: score for name, score in verdicts.items() if score is not None}
        if not feasible:
            assert decision.node == ""
            assert set(decision.refusals) == set(verdicts)
            return ""
        assert decision.feasible == len(feasible)
        best = max(feasible.values())
        assert feasible[decision.node] == best, (decision, feasible)
        self.oracle.place(pod, decision.node)
        return decision.node


@pytest.mark.parametrize("seed", range(12))
def test_random_clusters_agree_with_the_oracle(seed: int) -> None:
    draw = random.Random(seed)
    world = World(seed)
    effects = ["NoSchedule", "PreferNoSchedule", "PreferNoSchedule"]
    for number in range(draw.randint(3, 9)):
        taints = [
            {"key": f"t{draw.randint(0, 2)}", "value": "x", "effect": draw.choice(effects)}
            for _ in range(draw.choice([0, 0, 1, 2]))
        ]
        size = {"cpu": str(draw.randint(1, 6)), "memory": f"{draw.randint(2, 12)}Gi"}
        labels = {"zone": f"z{number % 2}"}
        world.add(make_node(f"n{number}", allocatable=size, labels=labels, taints=taints))
    for number in range(60):
        asked = draw.choice(
            [{}, {"cpu": "300m"}, {"cpu": "1", "memory": "1Gi"}, {"memory": "700Mi"}]
        )
        spec: dict[str, Any] = {}
        if draw.random() < 0.3:
            spec["nodeSelector"] = {"zone": "z1"}
        if draw.random() < 0.4:
            spec["tolerations"] = [{"key": "t1", "operator": "Exists"}]
        for copy in range(draw.randint(1, 4)):  # several pods of one template: the shared session
            world.schedule(make_pod(f"p{number}-{copy}", asked, **spec))


def test_the_refusal_message_counts_each_reason() -> None:
    world = World()
    world.add(make_node("small", allocatable={"cpu": "500m", "memory": "100Mi"}))
    world.add(make_node("tainted", taints=[{"key": "k", "effect": "NoSchedule"}]))
    world.add(make_node("other", labels={"disk": "hdd"}, allocatable={"cpu": "100m"}))
    decision = world.cycle.schedule(
        world.templates.info(make_pod("p", {"cpu": "1", "memory": "1Gi"}))
    )
    assert decision.message == (
        "0/3 nodes are available: 1 Insufficient memory, 1 node(s) had untolerated taint(s), "
        "2 Insufficient cpu."
    )
    decision = world.cycle.schedule(
        world.templates.info(
            make_pod("q", nodeSelector={"disk": "ssd"}, tolerations=[{"operator": "Exists"}])
        )
    )
    assert decision.message == (
        "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector."
    )


def test_host_ports_exclude_each_other() -> None:
    world = World()
    world.add(make_node("only"))
    port = {"containerPort": 80, "hostPort": 8080, "protocol": "TCP"}
    first, second = make_pod("a"), make_pod("b")
    for pod in (first, second):
        pod["spec"]["containers"][0]["ports"] = [port]
    assert world.cycle.schedule(world.templates.info(first)).node == "only"
    over = make_pod("c")  # its init container has ended when the others begin
    over["spec"]["initContainers"] = [{"name": "i", "image": "i", "ports": [port]}]
    assert world.cycle.schedule(world.templates.info(over)).node == "only"
    refused = world.cycle.schedule(world.templates.info(second))
    assert refused.message == (
        "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports."
    )
    world.columns.unplace("uid-a")
    world.cycle.changed()
    assert world.cycle.schedule(world.templates.info(second)).node == "only"


def test_extended_resources_are_counted() -> None:
    world = World()
    world.add(make_node("plain"))
    world.add(make_node("gpu", allocatable={"example.com/gpu": "2"}))
    places = [world.schedule(make_pod(f"p{n}", {"example.com/gpu": "1"})) for n in range(3)]
    assert places == ["gpu", "gpu", ""]


def test_a_removed_node_takes_its_pods_with_it_and_its_row_is_reused() -> None:
    world = World()
    world.add(make_node("a", allocatable={"pods": "1"}))
    assert world.schedule(make_pod("p")) == "a"
    world.columns.remove("a")
    world.cycle.changed()
    world.oracle.nodes.clear()
    world.oracle.pods.clear()
    world.add(make_node("b", allocatable={"pods": "1"}))
    assert world.schedule(make_pod("q")) == "b"
    assert world.schedule(make_pod("r")) == ""


def test_a_pod_on_a_node_not_seen_yet_counts_once_the_node_appears() -> None:
    world = World()
    pod = make_pod("early", nodeName="late")
    world.columns.place(world.templates.info(pod), "late")
    world.columns.upsert(make_node("late", allocatable={"pods": "1"}))
    world.cycle.changed()
    assert world.cycle.schedule(world.templates.info(make_pod("q"))).node == ""


class OnlyEvenNodes:
    """A plugin from outside: one class, one line where the scheduler is configured."""

    name = "OnlyEvenNodes"
    weight = 1
    dynamic = False
    normalize = ""

    def filter(self, nodes: NodeColumns, pod: Any, rows: slice) -> Any:
        mask = np.zeros(len(nodes.objects), np.bool_)
        for name, row in nodes.rows.items():
            mask[row] = int(name[1:]) % 2 == 0
        return mask[rows]

    def reasons(self, nodes: NodeColumns, pod: Any, row: int) -> list[str]:
        return ["node(s) were odd"]

    def score(self, nodes: NodeColumns, pod: Any, rows: slice) -> None:
        return None


def test_a_plugin_from_outside_takes_part() -> None:
    columns = NodeColumns()
    for number in range(4):
        columns.upsert(make_node(f"n{number}"))
    table = plugins(SchedulerConfig(plugins={"OnlyEvenNodes": OnlyEvenNodes()}))
    cycle = Cycle(columns, table, Random(1))
    info = Templates().info(make_pod("p"))
    assert cycle.schedule(info).node in ("n0", "n2")
    for name in ("n0", "n2"):
        columns.remove(name)
    cycle.changed()
    assert cycle.schedule(info).message == "0/2 nodes are available: 2 node(s) were odd."

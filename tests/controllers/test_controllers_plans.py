# SPDX-License-Identifier: Apache-2.0
"""Decisions on their own: objects in, plans out."""

import datetime

import pytest

from pybernetes.apimachinery.selectors import parse
from pybernetes.controllers.clusterroleaggregation import aggregated_rules
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.deployment import plan as deployment
from pybernetes.controllers.deployment.plan import Sets
from pybernetes.controllers.nodeipam import Ranges
from pybernetes.controllers.nodelifecycle import plan as node
from pybernetes.controllers.podgc import plan_pods
from pybernetes.controllers.replicaset import plan_replicas, plan_status
from pybernetes.controllers.runtime.owners import plan_claim
from pybernetes.controllers.runtime.revisions import short_hash
from pybernetes.controllers.tainteviction import eviction_time

NOW = datetime.datetime(2026, 1, 1, 12, tzinfo=datetime.UTC)


def make_deployment(replicas=10, surge="25%", unavailable="25%", kind="RollingUpdate"):
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": []}}
    return {
        "metadata": {"name": "d", "namespace": "n", "uid": "d"},
        "spec": {
            "replicas": replicas,
            "template": template,
            "selector": {"matchLabels": {"a": "b"}},
            "strategy": {"type": kind, "rollingUpdate": rolling},
        },
    }


def make_set(name, replicas, available=None, **annotations):
    keys = {key: f"deployment.kubernetes.io/{key.replace('_', '-')}" for key in annotations}
    return {
        "metadata": {
            "name": name,
            "creationTimestamp": f"2026-01-01T00:00:0{name[-1]}Z",
            "annotations": {keys[key]: value for key, value in annotations.items()},
        },
        "spec": {"replicas": replicas},
        "status": {"availableReplicas": replicas if available is None else available},
    }


@pytest.mark.parametrize(
    ("surge", "unavailable", "new", "old", "expected"),
    [
        ("25%", "25%", (0, 0), (10, 10), {"new2": 3}),  # up to 13 pods in all
        ("25%", "25%", (3, 0), (10, 10), {"old1": 8}),  # down to 8 that are available
        ("25%", "25%", (5, 5), (8, 8), {"old1": 3}),
        (0, 1, (0, 0), (10, 10), {"old1": 9}),
        (1, 0, (1, 0), (10, 10), {}),  # waits for the new pod
        ("25%", "25%", (3, 0), (10, 4), {"old1": 8}),  # broken pods go first
    ],
)
def test_a_rolling_update_keeps_within_its_bounds(surge, unavailable, new, old, expected) -> None:
    sets = Sets(make_set("new2", *new), [make_set("old1", *old)])
    planned = deployment.plan_rolling(make_deployment(10, surge, unavailable), sets)
    assert planned == expected


def test_bounds_that_both_round_to_nothing_allow_one_unavailable() -> None:
    assert deployment.fenceposts(make_deployment(3, 0, "10%")) == (0, 1)


def test_scaling_is_shared_by_size_and_the_rest_goes_to_the_largest() -> None:
    sizes = {"desired_replicas": "10", "max_replicas": "13"}
    sets = Sets(make_set("new2", 5, 0, **sizes), [make_set("old1", 8, **sizes)])
    assert deployment.is_scaling(make_deployment(20), sets)
    assert deployment.plan_scale(make_deployment(20), sets) == {"new2": 10, "old1": 15}
    assert deployment.plan_scale(make_deployment(0), sets) == {"new2": 0, "old1": 0}


def test_a_template_has_one_hash_until_it_collides() -> None:
    template = make_deployment()["spec"]["template"]
    labelled = {**template, "metadata": {"labels": {"a": "b", "pod-template-hash": "x"}}}
    first = short_hash(deployment.template_key(template))
    assert short_hash(deployment.template_key(labelled)) == first
    assert short_hash(deployment.template_key(template), 1) != first


def make_pod(name, phase="Running", ready=True, since="2026-01-01T11:00:00Z", **metadata):
    status = {"phase": phase}
    status["conditions"] = [
        {"type": "Ready", "status": str(ready), "lastTransitionTime": since},
    ]
    head = {"name": name, "uid": name, "creationTimestamp": since, **metadata}
    return {"metadata": head, "spec": {"nodeName": metadata.pop("node", "n")}, "status": status}


def test_the_pods_that_are_missed_least_go_first() -> None:
    pods = [
        make_pod("old", since="2026-01-01T01:00:00Z"),
        make_pod("young", since="2026-01-01T11:59:00Z"),
        make_pod("unready", ready=False),
        make_pod("pending", phase="Pending", ready=False),
        make_pod("cheap", annotations={"controller.kubernetes.io/pod-deletion-cost": "-5"}),
    ]
    owner = {"spec": {"replicas": 1}}
    _, delete = plan_replicas(owner, pods, pods, NOW)
    assert [pod["metadata"]["name"] for pod in delete] == [
        "pending",
        "unready",
        "cheap",
        "young",
    ]


def test_a_ready_pod_is_available_only_after_its_minimum() -> None:
    owner = {
        "kind": "ReplicaSet",
        "metadata": {"generation": 2},
        "spec": {"replicas": 2, "minReadySeconds": 120},
    }
    pods = [make_pod("long"), make_pod("short", since="2026-01-01T11:59:00Z")]
    pods.append(make_pod("going", deletionTimestamp="2026-01-01T12:00:00Z"))
    status = plan_status(owner, pods, "no quota", NOW)
    assert (status["readyReplicas"], status["availableReplicas"]) == (2, 1)
    assert status["terminatingReplicas"] == 1
    assert status["conditions"][0]["message"] == "no quota"


def test_claims_adopt_orphans_and_release_what_no_longer_matches() -> None:
    owner = {"kind": "ReplicaSet", "metadata": {"uid": "me"}}
    mine = {"controller": True, "uid": "me"}
    pods = {
        "keep": {"labels": {"a": "b"}, "ownerReferences": [mine]},
        "release": {"labels": {}, "ownerReferences": [mine]},
        "adopt": {"labels": {"a": "b"}},
        "other": {"labels": {"a": "b"}, "ownerReferences": [{"controller": True, "uid": "x"}]},
        "stranger": {"labels": {}},
    }
    listed = [{"metadata": {"name": name, **head}} for name, head in pods.items()]
    claim = plan_claim(owner, parse("a=b"), listed)
    assert [[obj["metadata"]["name"] for obj in part] for part in claim] == [
        ["keep"],
        ["adopt"],
        ["release"],
    ]


def make_node(status, **spec):
    conditions = [{"type": "Ready", "status": status}]
    return {"metadata": {"name": "n"}, "spec": spec, "status": {"conditions": conditions}}


def test_taints_follow_conditions_and_leave_others_alone() -> None:
    foreign = {"key": "mine", "effect": "NoSchedule"}
    old = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
    planned = node.plan_taints(make_node("Unknown", taints=[foreign, old]), node.UNREACHABLE, NOW)
    assert [(one["key"].split("/")[-1], one["effect"]) for one in planned] == [
        ("mine", "NoSchedule"),
        ("unreachable", "NoSchedule"),
        ("unreachable", "NoExecute"),
    ]
    assert node.plan_taints(make_node("True", taints=[foreign]), "", NOW) is None
    cordoned = node.plan_taints(make_node("True", unschedulable=True), "", NOW)
    assert [one["key"] for one in cordoned] == ["node.kubernetes.io/unschedulable"]


def test_zones_are_evicted_slowly_or_not_at_all_when_many_nodes_are_lost() -> None:
    up, down = make_node("True"), make_node("Unknown")
    config = ControllersConfig()
    assert node.disruption([up] * 4 + [down] * 2, 0.55) == "normal"
    assert node.disruption([up] * 2 + [down] * 3, 0.55) == "partial"
    assert node.disruption([down], 0.55) == "full"
    assert node.eviction_rate("partial", 5, config) == 0
    assert node.eviction_rate("partial", 51, config) == 0.01


def test_tolerations_decide_when_a_pod_goes() -> None:
    taint = {"key": "k", "effect": "NoExecute"}
    limited = {"key": "k", "operator": "Exists", "tolerationSeconds": 60}
    pod = {"spec": {"tolerations": [limited]}}
    assert eviction_time([taint], pod, None, 100.0) == 160.0
    assert eviction_time([taint], pod, 90.0, 100.0) == 150.0
    assert eviction_time([taint], {"spec": {}}, None, 100.0) == 100.0
    assert eviction_time([], pod, 90.0, 100.0) is None


def test_pod_ranges_are_given_once_and_come_back() -> None:
    ranges = Ranges("10.244.0.0/22", 24)
    ranges.occupy("10.244.1.0/24", "b")
    assert [ranges.take(name) for name in "acd"] == [
        "10.244.0.0/24",
        "10.244.2.0/24",
        "10.244.3.0/24",
    ]
    assert ranges.take("e") is None
    ranges.release("c")
    assert ranges.take("e") == "10.244.2.0/24"
    assert ranges.take("e") == "10.244.2.0/24"
    ranges.occupy("10.244.1.0/24", "thief")
    ranges.release("thief")
    assert ranges.take("f") is None  # b's range is still b's


def test_pod_garbage_has_a_reason() -> None:
    finished = [make_pod(f"f{n}", "Succeeded", since=f"2026-01-01T0{n}:00:00Z") for n in range(3)]
    lost = make_pod("lost", deletionTimestamp="x")
    unscheduled = {**make_pod("u", "Pending", deletionTimestamp="x"), "spec": {}}
    away = make_node("False", taints=[{"key": "node.kubernetes.io/out-of-service"}])
    found = plan_pods([*finished, lost, unscheduled], {"n": away}, 2)
    assert [(one.pod["metadata"]["name"], one.reason) for one in found] == [
        ("f0", "terminated"),
        ("lost", "terminating-out-of-service"),
        ("u", "terminating-unscheduled"),
    ]


def test_aggregated_roles_hold_each_rule_once() -> None:
    rule = {"verbs": ["get"], "resources": ["pods"]}
    part = {"metadata": {"name": "part", "labels": {"to": "all"}}, "rules": [rule]}
    again = {"metadata": {"name": "again", "labels": {"to": "all"}}, "rules": [rule]}
    selectors = [{"matchLabels": {"to": "all"}}]
    role = {"metadata": {"name": "all"}, "aggregationRule": {"clusterRoleSelectors": selectors}}
    assert aggregated_rules(role, [part, again, role]) == [rule]

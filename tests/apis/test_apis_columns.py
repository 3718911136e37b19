# SPDX-License-Identifier: Apache-2.0
"""Table output: the cells that kubectl shows."""

import datetime

import pytest

from pybernetes.apis.registry import RULES

NOW = datetime.datetime(2026, 1, 1, 1, 0, tzinfo=datetime.UTC)
META = {"name": "x", "creationTimestamp": "2026-01-01T00:00:00Z"}


def row(group, kind, obj, *, wide=False):
    rules = RULES[group, kind]
    obj = {"metadata": META, **obj}
    return [column.cell(obj, NOW) for column in rules.columns if wide or not column.priority]


def status(**state):
    return {"name": "c", "restartCount": 0, "state": state}


@pytest.mark.parametrize(
    ("pod", "expected"),
    [
        ({"phase": "Pending"}, ["0/1", "Pending", "0"]),
        (
            {"containerStatuses": [{**status(running={}), "ready": True}], "phase": "Running"},
            ["1/1", "Running", "0"],
        ),
        (
            {
                "phase": "Running",
                "containerStatuses": [
                    {
                        **status(waiting={"reason": "CrashLoopBackOff"}),
                        "restartCount": 3,
                        "lastState": {"terminated": {"finishedAt": "2026-01-01T00:55:00Z"}},
                    }
                ],
            },
            ["0/1", "CrashLoopBackOff", "3 (5m ago)"],
        ),
        (
            {
                "phase": "Succeeded",
                "containerStatuses": [status(terminated={"reason": "Completed", "exitCode": 0})],
            },
            ["0/1", "Completed", "0"],
        ),
        (
            {"phase": "Failed", "containerStatuses": [status(terminated={"exitCode": 2})]},
            ["0/1", "ExitCode:2", "0"],
        ),
        ({"phase": "Failed", "reason": "Evicted"}, ["0/1", "Evicted", "0"]),
        (
            {
                "phase": "Pending",
                "initContainerStatuses": [status(running={})],
                "containerStatuses": [status(waiting={"reason": "PodInitializing"})],
            },
            ["0/1", "Init:0/2", "0"],
        ),
        (
            {"initContainerStatuses": [status(terminated={"exitCode": 1, "reason": "Error"})]},
            ["0/1", "Init:Error", "0"],
        ),
        (
            {"conditions": [{"type": "PodScheduled", "reason": "SchedulingGated"}]},
            ["0/1", "SchedulingGated", "0"],
        ),
    ],
)
def test_pod(pod, expected):
    init = [{"name": "a"}, {"name": "b"}] if "initContainerStatuses" in pod else []
    spec = {"containers": [{"name": "c"}], "initContainers": init}
    assert row("", "Pod", {"spec": spec, "status": pod})[1:4] == expected


def test_pod_being_deleted():
    metadata = {**META, "deletionTimestamp": "2026-01-01T00:00:00Z"}
    pod = {"spec": {"containers": []}, "status": {"phase": "Running"}, "metadata": metadata}
    assert row("", "Pod", pod)[2] == "Terminating"


@pytest.mark.parametrize(
    ("group", "kind", "obj", "expected"),
    [
        (
            "",
            "Service",
            {
                "spec": {
                    "type": "LoadBalancer",
                    "clusterIP": "10.0.0.1",
                    "ports": [{"port": 80, "nodePort": 30080, "protocol": "TCP"}],
                    "selector": {"b": "2", "a": "1"},
                }
            },
            ["x", "LoadBalancer", "10.0.0.1", "<pending>", "80:30080/TCP", "60m", "a=1,b=2"],
        ),
        (
            "",
            "Node",
            {
                "metadata": {**META, "labels": {"node-role.kubernetes.io/control-plane": ""}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}],
                    "nodeInfo": {
                        "kubeletVersion": "v1.37.1",
                        "kernelVersion": "6.1",
                        "architecture": "amd64",
                        "containerRuntimeVersion": "hollow://1",
                    },
                },
            },
            [
                "x",
                "Ready,SchedulingDisabled",
                "control-plane",
                "60m",
                "v1.37.1",
                "10.1.1.1",
                "<none>",
                "<unknown>",
                "6.1 (amd64)",
                "hollow://1",
            ],
        ),
        (
            "apps",
            "Deployment",
            {
                "spec": {
                    "replicas": 3,
                    "selector": {"matchLabels": {"a": "1"}},
                    "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}},
                },
                "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2},
            },
            ["x", "2/3", 3, 2, "60m", "c", "i", "a=1"],
        ),
        (
            "",
            "Event",
            {
                "type": "Warning",
                "reason": "Failed",
                "message": "no\n",
                "count": 4,
                "involvedObject": {"kind": "Pod", "name": "p", "fieldPath": "f"},
                "source": {"component": "kubelet", "host": "n"},
                "firstTimestamp": "2026-01-01T00:00:00Z",
                "lastTimestamp": "2026-01-01T00:59:00Z",
            },
            ["60s", "Warning", "Failed", "pod/p", "f", "kubelet, n", "no", "60m", 4, "x"],
        ),
        (
            "",
            "Endpoints",
            {
                "subsets": [
                    {
                        "addresses": [{"ip": f"10.0.0.{n}"} for n in range(5)],
                        "ports": [{"port": 80}],
                    }
                ]
            },
            ["x", "10.0.0.0:80,10.0.0.1:80,10.0.0.2:80 + 2 more...", "60m"],
        ),
        (
            "batch",
            "Job",
            {
                "spec": {"completions": 1, "template": {}},
                "status": {
                    "succeeded": 1,
                    "startTime": "2026-01-01T00:00:00Z",
                    "completionTime": "2026-01-01T00:00:07Z",
                    "conditions": [{"type": "Complete", "status": "True"}],
                },
            },
            ["x", "Complete", "1/1", "7s", "60m", "", "", "<none>"],
        ),
        (
            "autoscaling",
            "HorizontalPodAutoscaler",
            {
                "spec": {
                    "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                    "minReplicas": 1,
                    "maxReplicas": 4,
                    "metrics": [
                        {
                            "type": "Resource",
                            "resource": {"name": "cpu", "target": {"averageUtilization": 80}},
                        }
                    ],
                }
            },
            ["x", "Deployment/d", "cpu: <unknown>/80%", "1", 4, 0, "60m"],
        ),
        (
            "networking.k8s.io",
            "Ingress",
            {"spec": {"rules": [{"host": h} for h in "abcd"], "tls": [{}]}},
            ["x", "<none>", "a,b,c + 1 more...", "", "80, 443", "60m"],
        ),
    ],
)
def test_row(group, kind, obj, expected):
    assert row(group, kind, obj, wide=True) == expected

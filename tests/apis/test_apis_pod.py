# SPDX-License-Identifier: Apache-2.0
"""Pod: defaults, what is refused, what may change, what it asks for."""

import copy

import pytest

from pybernetes.apis.core.pod.requests import pod_limits, pod_requests, qos_class
from pybernetes.apis.core.pod.resize import prepare_resize, validate_resize
from pybernetes.apis.core.pod.strategy import grace_seconds
from pybernetes.apis.core.pod.validation import validate_ephemeral_update
from pybernetes.apis.core.podspec.defaults import image_tag
from pybernetes.apis.registry import RULES

POD = RULES["", "Pod"]


def pod(**spec):
    spec = {"containers": [{"name": "c", "image": "nginx"}], **spec}
    obj = {
        "metadata": {"name": "p", "namespace": "d", "creationTimestamp": "2026-01-01T00:00:00Z"},
        "spec": spec,
    }
    POD.default(obj)
    return obj


def created(**spec):
    obj = pod(**spec)
    POD.prepare_create(obj)
    return obj


def errors(**spec):
    return [str(error) for error in POD.validate_create(pod(**spec))]


def test_defaults_are_upstreams():
    obj = pod(
        containers=[
            {
                "name": "c",
                "image": "nginx:1.2",
                "ports": [{"containerPort": 80}],
                "env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
                "resources": {"limits": {"cpu": "1"}},
                "livenessProbe": {"httpGet": {"port": 80}},
            }
        ],
        volumes=[
            {"name": "e"},
            {"name": "s", "secret": {"secretName": "x"}},
            {"name": "t", "projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
        ],
        hostNetwork=True,
        serviceAccount="robot",
    )
    again = copy.deepcopy(obj)
    POD.default(again)
    assert again == obj
    assert obj["spec"] == {
        "containers": [
            {
                "name": "c",
                "image": "nginx:1.2",
                "imagePullPolicy": "IfNotPresent",
                "terminationMessagePath": "/dev/termination-log",
                "terminationMessagePolicy": "File",
                "ports": [{"containerPort": 80, "hostPort": 80, "protocol": "TCP"}],
                "env": [
                    {
                        "name": "A",
                        "valueFrom": {
                            "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}
                        },
                    }
                ],
                "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                "livenessProbe": {
                    "httpGet": {"path": "/", "port": 80, "scheme": "HTTP"},
                    "timeoutSeconds": 1,
                    "periodSeconds": 10,
                    "successThreshold": 1,
                    "failureThreshold": 3,
                },
            }
        ],
        "volumes": [
            {"name": "e", "emptyDir": {}},
            {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}},
            {
                "name": "t",
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                },
            },
        ],
        "hostNetwork": True,
        "serviceAccount": "robot",
        "serviceAccountName": "robot",
        "dnsPolicy": "ClusterFirst",
        "restartPolicy": "Always",
        "schedulerName": "default-scheduler",
        "securityContext": {},
        "terminationGracePeriodSeconds": 30,
        "enableServiceLinks": True,
    }


@pytest.mark.parametrize(
    ("image", "tag"),
    [
        ("nginx", "latest"),
        ("host:5000/nginx", "latest"),
        ("host:5000/nginx:v1", "v1"),
        ("nginx@sha256:0", ""),
        ("nginx:v1@sha256:0", "v1"),
    ],
)
def test_image_tag(image, tag):
    assert image_tag(image) == tag


def test_creation_sets_the_status():
    obj = created(schedulingGates=[{"name": "g"}])
    assert obj["status"]["phase"] == "Pending"
    assert obj["status"]["qosClass"] == "BestEffort"
    assert obj["status"]["conditions"][0]["reason"] == "SchedulingGated"


def test_match_label_keys_become_part_of_the_selector():
    term = {
        "topologyKey": "zone",
        "labelSelector": {"matchLabels": {"app": "a"}},
        "matchLabelKeys": ["hash"],
    }
    obj = pod(affinity={"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}})
    obj["metadata"]["labels"] = {"hash": "1"}
    POD.prepare_create(obj)
    expected = [{"key": "hash", "operator": "In", "values": ["1"]}]
    assert term["labelSelector"]["matchExpressions"] == expected
    assert POD.validate_create(obj) == []


C = "spec.containers[0]"


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"containers": []}, ["spec.containers: Required value"]),
        (
            {"restartPolicy": "Sometimes"},
            [
                'spec.restartPolicy: Unsupported value: "Sometimes": '
                'supported values: "Always", "Never", "OnFailure"'
            ],
        ),
        (
            {"containers": [{"name": "a", "image": "x"}, {"name": "a", "image": "x"}]},
            ['spec.containers[1].name: Duplicate value: "a"'],
        ),
        (
            {"containers": [{"name": "a", "volumeMounts": [{"name": "v", "mountPath": "/"}]}]},
            [f"{C}.image: Required value", f'{C}.volumeMounts[0].name: Not found: "v"'],
        ),
        (
            {
                "containers": [
                    {
                        "name": "a",
                        "image": "x",
                        "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}},
                        "livenessProbe": {"successThreshold": 2, "exec": {"command": ["x"]}},
                    }
                ]
            },
            [
                f'{C}.resources.requests: Invalid value: "2": must be less than or equal to cpu '
                "limit of 1",
                f"{C}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
            ],
        ),
        (
            {"containers": [{"name": "a", "image": "x", "env": [{"name": "E", "valueFrom": {}}]}]},
            [
                f'{C}.env[0].valueFrom: Invalid value: "": must specify one of: `fieldRef`, '
                "`resourceFieldRef`, `configMapKeyRef`, `secretKeyRef` or `fileKeyRef`"
            ],
        ),
        (
            {
                "initContainers": [
                    {"name": "i", "image": "x", "livenessProbe": {"exec": {"command": ["x"]}}}
                ]
            },
            [
                "spec.initContainers[0].livenessProbe: Forbidden: may not be set for init "
                "containers without restartPolicy=Always"
            ],
        ),
        (
            {"volumes": [{"name": "v", "hostPath": {"path": "/a/../b"}, "secret": {}}]},
            [
                "spec.volumes[0].hostPath.path: Invalid value: \"/a/../b\": must not contain '..'",
                "spec.volumes[0].secret.secretName: Required value",
                "spec.volumes[0].secret: Forbidden: may not specify more than 1 volume type",
            ],
        ),
        (
            {"tolerations": [{"operator": "Equal", "value": "x"}]},
            [
                'spec.tolerations[0].operator: Invalid value: "Equal": operator must be Exists '
                'when `key` is empty, which means "match all values and all keys"'
            ],
        ),
        (
            {
                "topologySpreadConstraints": [
                    {"maxSkew": 0, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
                ]
            },
            [
                "spec.topologySpreadConstraints[0].maxSkew: Invalid value: 0: "
                "must be greater than zero"
            ],
        ),
        (
            {"nodeName": "n", "schedulingGates": [{"name": "g"}]},
            ["spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared"],
        ),
        (
            {"ephemeralContainers": [{"name": "e", "image": "x"}]},
            ["spec.ephemeralContainers: Forbidden: cannot be set on create"],
        ),
        (
            {"dnsPolicy": "None"},
            ["spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"],
        ),
    ],
)
def test_findings(spec, expected):
    assert errors(**spec) == expected


def test_updates_may_change_images_and_little_else():
    old = created()
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["image"] = "nginx:2"
    new["spec"]["tolerations"] = [{"key": "a", "operator": "Exists"}]
    assert POD.validate_update(new, old) == []
    new["spec"]["containers"][0]["command"] = ["sh"]
    (error,) = POD.validate_update(new, old)
    assert str(error).startswith(
        "spec: Forbidden: pod updates may not change fields other than "
        "`spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,"
        "`spec.tolerations` (only additions to existing tolerations),"
    )
    new["spec"]["containers"].append({"name": "d", "image": "x"})
    assert "spec.containers: Forbidden: pod updates may not add or remove containers" in [
        str(error) for error in POD.validate_update(new, old)
    ]


def test_empty_and_missing_fields_are_the_same():
    old = created()
    new = copy.deepcopy(old)
    new["spec"].update(hostNetwork=False, nodeName="", volumes=[], affinity=None)
    new["spec"]["containers"][0].update(tty=False, command=[], env=None)
    assert POD.validate_update(new, old) == []


def test_gated_pods_may_only_be_narrowed():
    old = created(schedulingGates=[{"name": "g"}], nodeSelector={"a": "1"})
    new = copy.deepcopy(old)
    new["spec"]["nodeSelector"]["b"] = "2"
    new["spec"]["schedulingGates"] = []
    assert POD.validate_update(new, old) == []
    new["spec"]["nodeSelector"]["a"] = "3"
    (error,) = POD.validate_update(new, old)
    assert error.field == "spec.nodeSelector"


def test_resize_changes_cpu_and_memory_only():
    old = created(containers=[{"name": "c", "image": "x", "resources": {"requests": {"cpu": "1"}}}])
    new = copy.deepcopy(old)
    new["spec"]["containers"][0]["resources"]["requests"]["cpu"] = "2"
    new["spec"]["containers"][0]["image"] = "y"
    prepare_resize(new, old)
    assert new["spec"]["containers"][0]["image"] == "x"
    assert validate_resize(new, old) == []
    new["spec"]["containers"][0]["resources"] = {}
    assert [str(error) for error in validate_resize(new, old)] == [
        'spec: Invalid value: "Burstable": Pod QOS Class may not change as a result of resizing',
        f"{C}.resources.requests: Forbidden: resource requests cannot be removed",
    ]


def test_ephemeral_containers_stay():
    old = created()
    debug = {"name": "debug", "image": "x", "targetContainerName": "c"}
    new = copy.deepcopy(old)
    new["spec"]["ephemeralContainers"] = [debug]
    POD.default(new)
    assert validate_ephemeral_update(new, old) == []
    (error,) = validate_ephemeral_update(old, new)
    assert 'existing ephemeral containers "debug" may not be removed' in str(error)


def test_ended_containers_do_not_come_back():
    old = created(restartPolicy="Never")
    old["status"]["containerStatuses"] = [{"name": "c", "state": {"terminated": {"exitCode": 1}}}]
    new = copy.deepcopy(old)
    new["status"]["containerStatuses"][0]["state"] = {"running": {}}
    assert [str(error) for error in POD.validate_status_update(new, old)] == [
        "status.containerStatuses[0].state: Forbidden: "
        "may not be transitioned to non-terminated state"
    ]


def test_grace():
    obj = created(nodeName="n")
    assert (grace_seconds(obj), grace_seconds(obj, 5), grace_seconds(obj, -1)) == (30, 5, 1)
    assert grace_seconds(created()) == 0
    assert grace_seconds({**obj, "status": {"phase": "Failed"}}, 5) == 0


def container(cpu, **more):
    return {"name": "x", "image": "x", "resources": {"requests": {"cpu": cpu}}, **more}


def test_requests_are_those_of_the_worst_moment():
    sidecar = container("100m", restartPolicy="Always")
    obj = pod(
        initContainers=[container("1"), sidecar, container("1950m")],
        containers=[container("500m"), container("500m")],
        overhead={"cpu": "10m", "memory": "1Mi"},
    )
    assert pod_requests(obj) == {"cpu": 2060, "memory": 1 << 20}
    assert pod_limits(obj) == {}
    obj["spec"]["resources"] = {"requests": {"cpu": "3"}}
    assert pod_requests(obj)["cpu"] == 3010


def test_pod_level_resources_are_completed():
    obj = created(containers=[container("500m")], resources={"limits": {"cpu": "2"}})
    assert obj["spec"]["resources"] == {"limits": {"cpu": "2"}, "requests": {"cpu": "500m"}}


@pytest.mark.parametrize(
    ("resources", "expected"),
    [
        ({}, "BestEffort"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m"}}, "Guaranteed"),
    ],
)
def test_qos(resources, expected):
    assert qos_class(pod(containers=[{"name": "c", "image": "x", "resources": resources}])) == (
        expected
    )

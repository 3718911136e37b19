# SPDX-License-Identifier: Apache-2.0
"""Decoding of built-in kinds and structural pruning and defaulting of custom ones."""

import os
import time
from pathlib import Path

import orjson
import pytest

from pybernetes.apimachinery.schema import check
from pybernetes.apimachinery.types import GVK, gvk_of
from pybernetes.apis import catalog

POD = catalog.schema_of(GVK("", "v1", "Pod"))
DEPLOYMENT = catalog.schema_of(GVK("apps", "v1", "Deployment"))


def small_pod() -> dict:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "a", "labels": {"app": "x"}, "creationTimestamp": None},
        "spec": {
            "containers": [
                {
                    "name": "c",
                    "image": "busybox",
                    "ports": [{"containerPort": 80}],
                    "resources": {"requests": {"cpu": "0.1", "memory": "1024Mi"}},
                    "livenessProbe": {"httpGet": {"path": "/", "port": 80}},
                }
            ],
            "hostNetwork": False,
            "nodeSelector": {},
            "volumes": [{"name": "v", "emptyDir": {}}],
        },
    }


def test_one_pass_normalises() -> None:
    pod = small_pod()
    assert check.decode(pod, POD) == []
    assert "creationTimestamp" not in pod["metadata"]
    assert not pod["spec"].keys() & {"hostNetwork", "nodeSelector"}
    container = pod["spec"]["containers"][0]
    assert container["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    assert container["resources"] == {"requests": {"cpu": "100m", "memory": "1Gi"}}
    assert pod["spec"]["volumes"] == [{"name": "v", "emptyDir": {}}]
    again = orjson.loads(orjson.dumps(pod))
    check.decode(again, POD)
    assert again == pod


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            {"replicas": "x"},
            "json: cannot unmarshal string into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 3000000000},
            "json: cannot unmarshal number 3000000000 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"replicas": 1.5},
            "json: cannot unmarshal number 1.5 into Go struct field "
            "DeploymentSpec.spec.replicas of type int32",
        ),
        (
            {"paused": 1},
            "json: cannot unmarshal number into Go struct field "
            "DeploymentSpec.spec.paused of type bool",
        ),
        (
            {"template": {"spec": {"containers": [{"env": [{"name": "A", "value": 1}]}]}}},
            "json: cannot unmarshal number into Go struct field "
            "EnvVar.spec.template.spec.containers.env.value of type string",
        ),
        (
            {"template": {"spec": {"restartPolicy": {}}}},
            "json: cannot unmarshal object into Go struct field "
            "PodSpec.spec.template.spec.restartPolicy of type v1.RestartPolicy",
        ),
        (
            {"template": {"spec": {"containers": "x"}}},
            "json: cannot unmarshal string into Go struct field "
            "PodSpec.spec.template.spec.containers of type []v1.Container",
        ),
        (
            {"template": {"spec": {"overhead": {"cpu": "x"}}}},
            "quantities must match the regular expression "
            "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
        ),
    ],
)
def test_wrong_types_in_upstreams_words(spec: dict, message: str) -> None:
    with pytest.raises(check.DecodeError) as error:
        check.decode({"spec": spec}, DEPLOYMENT)
    assert str(error.value) == message


def test_unknown_fields_are_dropped_and_named() -> None:
    obj = {
        "metadata": {"labels": {"any": "thing"}, "unknownMeta": 1},
        "spec": {"foo": {}, "template": {"spec": {"containers": [{}, {"bar": 1}]}}},
    }
    assert check.decode(obj, DEPLOYMENT) == [
        'unknown field "metadata.unknownMeta"',
        'unknown field "spec.foo"',
        'unknown field "spec.template.spec.containers[1].bar"',
    ]
    assert obj == {
        "metadata": {"labels": {"any": "thing"}},
        "spec": {"template": {"spec": {"containers": [{}, {}]}}},
    }


def test_times_and_bytes() -> None:
    meta = {"metadata": {"creationTimestamp": "2024-01-01T02:00:00.5+02:00"}}
    check.decode(meta, POD)
    assert meta["metadata"]["creationTimestamp"] == "2024-01-01T00:00:00Z"
    lease = {"spec": {"renewTime": "2024-01-01T00:00:00.25Z"}}
    check.decode(lease, catalog.schema_of(GVK("coordination.k8s.io", "v1", "Lease")))
    assert lease["spec"]["renewTime"] == "2024-01-01T00:00:00.250000Z"
    secret = catalog.schema_of(GVK("", "v1", "Secret"))
    with pytest.raises(check.DecodeError, match="illegal base64 data at input byte 2"):
        check.decode({"data": {"a": "YQ!!"}}, secret)


@pytest.mark.golden
def test_upstreams_examples_of_every_kind_pass_unchanged() -> None:
    cache = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
    passed = 0
    for path in sorted((cache / "k8s.io/api@v0.37.1/testdata/HEAD").glob("*.json")):
        obj = orjson.loads(path.read_bytes())
        try:
            schema = catalog.schema_of(gvk_of(obj))
        except KeyError:
            continue  # of a group version that is not served
        expected = orjson.loads(path.read_bytes())
        assert check.decode(obj, schema) == [], path.name
        assert obj == expected, path.name
        passed += 1
    assert passed > 70, "upstream's module is missing from the module cache"


def test_errors_as_answers() -> None:
    error = check.cannot_be_handled(GVK("", "v1", "Pod"), "json: x")
    assert error.code == 400
    assert error.message == 'Pod in version "v1" cannot be handled as a Pod: json: x'


def test_a_small_pod_is_checked_fast() -> None:
    raw = orjson.dumps(small_pod())
    pods = [orjson.loads(raw) for _ in range(500)]
    best = float("inf")
    for start in range(0, 500, 100):
        began = time.process_time()
        for pod in pods[start : start + 100]:
            check.decode(pod, POD)
        best = min(best, (time.process_time() - began) / 100)
    assert best < 200e-6  # about 15 us; the bound leaves room for slow machines

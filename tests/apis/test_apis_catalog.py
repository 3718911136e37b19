# SPDX-License-Identifier: Apache-2.0
"""The catalog: rows, schemas, storage layout, conversions."""

import copy

import pytest

from pybernetes.apimachinery.types import GVK, GVR
from pybernetes.apis import catalog
from pybernetes.apis.autoscaling import convert as autoscaling
from pybernetes.apis.core import event as events
from pybernetes.apis.data import types

ROWS = catalog.builtin()


def test_rows_carry_what_is_published() -> None:
    deployments = ROWS[GVR("apps", "v1", "deployments")]
    assert (deployments.kind, deployments.singular) == ("Deployment", "deployment")
    assert deployments.namespaced
    assert deployments.short_names == ("deploy",)
    assert deployments.categories == ("all",)
    assert deployments.subresources["scale"].kind == GVK("autoscaling", "v1", "Scale")
    assert deployments.subresources["status"].kind == deployments.gvk
    assert deployments.schema.name == "io.k8s.api.apps.v1.Deployment"


@pytest.mark.parametrize(
    ("gvr", "prefix"),
    [
        (GVR("", "v1", "nodes"), "/registry/minions/"),
        (GVR("", "v1", "services"), "/registry/services/specs/"),
        (GVR("", "v1", "endpoints"), "/registry/services/endpoints/"),
        (GVR("", "v1", "replicationcontrollers"), "/registry/controllers/"),
        (GVR("", "v1", "pods"), "/registry/pods/"),
        (GVR("networking.k8s.io", "v1", "ingresses"), "/registry/ingress/"),
        (GVR("apps", "v1", "deployments"), "/registry/deployments/"),
        (
            GVR("apiextensions.k8s.io", "v1", "customresourcedefinitions"),
            "/registry/apiextensions.k8s.io/customresourcedefinitions/",
        ),
        (
            GVR("apiregistration.k8s.io", "v1", "apiservices"),
            "/registry/apiregistration.k8s.io/apiservices/",
        ),
    ],
)
def test_keys_are_upstreams(gvr: GVR, prefix: str) -> None:
    assert ROWS[gvr].storage_prefix == prefix


def test_shared_storage() -> None:
    core, new = ROWS[GVR("", "v1", "events")], ROWS[GVR("events.k8s.io", "v1", "events")]
    assert (core.ttl, new.ttl) == (3600, 3600)
    assert (new.storage_group, new.storage_prefix) == ("", core.storage_prefix)
    old = ROWS[GVR("autoscaling", "v1", "horizontalpodautoscalers")]
    assert old.storage_version == "v2"
    for row in (new, old):
        assert "v1" in row.rules.conversions


def test_only_default_group_versions_are_served() -> None:
    versions = {gvr.version for gvr in ROWS}
    assert versions == {"v1", "v2"}


def test_schemas_carry_list_and_patch_semantics() -> None:
    pod = catalog.schema_of(GVK("", "v1", "Pod"))
    ports = pod.properties["spec"].properties["containers"].items.properties["ports"]
    assert (ports.list_type, ports.list_keys) == ("map", ("containerPort", "protocol"))
    assert (ports.patch_strategy, ports.patch_merge_key) == ("merge", "containerPort")
    assert ports.items.properties["protocol"].default == "TCP"
    quantity = types.named("io.k8s.api.core.v1.ResourceRequirements")
    assert quantity.properties["limits"].values.format == "quantity"
    strategy = catalog.schema_of(GVK("apps", "v1", "Deployment")).properties["spec"]
    assert strategy.properties["strategy"].patch_strategy == "retainKeys"
    assert types.named("io.k8s.api.apps.v1.DeploymentStrategy").patch_strategy == ""


def test_recursive_types_share_their_nodes() -> None:
    name = "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps"
    props = types.named(name)
    assert props.properties["not"] is props
    with pytest.raises(KeyError):
        types.named("io.k8s.api.core.v1.Nothing")


def test_events_convert_both_ways() -> None:
    core = {
        "kind": "Event",
        "apiVersion": "v1",
        "metadata": {"name": "e", "namespace": "d"},
        "involvedObject": {"kind": "Pod", "name": "p"},
        "message": "hello",
        "reportingComponent": "kubelet",
        "count": 3,
        "type": "Normal",
    }
    new = events.from_core(core)
    assert new["regarding"] == {"kind": "Pod", "name": "p"}
    assert (new["note"], new["deprecatedCount"]) == ("hello", 3)
    assert new["apiVersion"] == "events.k8s.io/v1"
    assert events.to_core(new) == core


HPA = {
    "kind": "HorizontalPodAutoscaler",
    "apiVersion": "autoscaling/v2",
    "metadata": {"name": "h", "annotations": {"a": "b"}},
    "spec": {
        "scaleTargetRef": {"kind": "Deployment", "name": "d", "apiVersion": "apps/v1"},
        "maxReplicas": 5,
        "metrics": [
            {
                "type": "Pods",
                "pods": {
                    "metric": {"name": "m", "selector": {"matchLabels": {"x": "y"}}},
                    "target": {"type": "AverageValue", "averageValue": "10"},
                },
            },
            {
                "type": "External",
                "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "3"}},
            },
            {
                "type": "Object",
                "object": {
                    "describedObject": {"kind": "Ingress", "name": "i"},
                    "metric": {"name": "r"},
                    "target": {"type": "AverageValue", "averageValue": "7"},
                },
            },
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "target": {"type": "Utilization", "averageUtilization": 50},
                },
            },
        ],
        "behavior": {"scaleDown": {"stabilizationWindowSeconds": 5}},
    },
    "status": {
        "desiredReplicas": 2,
        "currentMetrics": [
            {
                "type": "Resource",
                "resource": {
                    "name": "cpu",
                    "current": {"averageUtilization": 40, "averageValue": "1"},
                },
            }
        ],
        "conditions": [{"type": "AbleToScale", "status": "True"}],
    },
}


def test_autoscalers_survive_the_way_through_v1() -> None:
    before = copy.deepcopy(HPA)
    old = autoscaling.from_v2(HPA)
    assert old["spec"]["targetCPUUtilizationPercentage"] == 50
    assert old["status"]["currentCPUUtilizationPercentage"] == 40
    assert "metrics" not in old["spec"]
    assert autoscaling.to_v2(old) == HPA == before


def test_plain_v1_autoscaler_measures_cpu() -> None:
    v1 = {"apiVersion": "autoscaling/v1", "metadata": {"name": "h"}, "spec": {"maxReplicas": 1}}
    metrics = autoscaling.to_v2(v1)["spec"]["metrics"]
    assert [metric["resource"]["target"]["averageUtilization"] for metric in metrics] == [80]

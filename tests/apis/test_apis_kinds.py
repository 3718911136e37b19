# SPDX-License-Identifier: Apache-2.0
"""Rules of the other kinds: what is filled in, what is refused, what never changes."""

import base64
import copy

import pytest

from pybernetes.apis.core.namespace import validate_finalize
from pybernetes.apis.registry import RULES

META = {"name": "x", "namespace": "d", "uid": "u", "resourceVersion": "1"}
POD = {"containers": [{"name": "c", "image": "i"}]}


def made(group, kind, **parts):
    """An object as it is stored after a create."""
    rules = RULES[group, kind]
    obj = {"metadata": copy.deepcopy(META), **copy.deepcopy(parts)}
    rules.default(obj)
    rules.prepare_create(obj)
    return obj


def refused(group, kind, **parts):
    found = RULES[group, kind].validate_create(made(group, kind, **parts))
    return [str(error) for error in found]


def changed(group, kind, old, **parts):
    new = {**copy.deepcopy(old), **copy.deepcopy(parts)}
    rules = RULES[group, kind]
    rules.default(new)
    rules.prepare_update(new, old)
    return new, [str(error) for error in rules.validate_update(new, old)]


def workload(**spec):
    return {
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": POD},
        **spec,
    }


def test_namespace_lives_until_its_finalizer_is_gone():
    namespace = made("", "Namespace")
    assert namespace["spec"] == {"finalizers": ["kubernetes"]}
    assert namespace["status"] == {"phase": "Active"}
    assert namespace["metadata"]["labels"] == {"kubernetes.io/metadata.name": "x"}
    new, _ = changed("", "Namespace", namespace, spec={})
    assert new["spec"] == {"finalizers": ["kubernetes"]}
    gone = {**namespace, "status": {"phase": "Terminating"}}
    (error,) = RULES["", "Namespace"].validate_status_update(gone, namespace)
    assert str(error) == (
        "status.Phase: Invalid value: \"Terminating\": may only be 'Active' if "
        "`deletionTimestamp` is empty"
    )
    bad = {"metadata": {}, "spec": {"finalizers": ["mine"]}}
    (error,) = validate_finalize(bad, namespace)
    assert "neither a standard finalizer name nor is it fully qualified" in str(error)


def test_secret_takes_plain_text():
    secret = made("", "Secret", stringData={"a": "b"}, data={"a": "eA==", "c": "eA=="})
    assert secret["type"] == "Opaque"
    assert secret["data"] == {"a": base64.b64encode(b"b").decode(), "c": "eA=="}
    assert "stringData" not in secret
    assert refused("", "Secret", type="kubernetes.io/tls", data={"tls.crt": ""}) == [
        "data[tls.key]: Required value"
    ]
    fixed = made("", "Secret", immutable=True)
    assert changed("", "Secret", fixed, data={"a": "eA=="})[1] == [
        "data: Forbidden: field is immutable when `immutable` is set"
    ]


def test_config_map():
    assert refused("", "ConfigMap", data={"a/b": "x"}, binaryData={}) == [
        'data[a/b]: Invalid value: "a/b": a valid config key must consist of alphanumeric '
        "characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used "
        "for validation is '[-._a-zA-Z0-9]+')"
    ]
    assert refused("", "ConfigMap", data={"a": "x" * (1024 * 1024 + 1)}) == [
        "Too long: may not be more than 1048576 bytes"
    ]


def test_service_defaults():
    service = made("", "Service", spec={"ports": [{"port": 80}], "type": "LoadBalancer"})
    assert service["spec"] == {
        "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}],
        "type": "LoadBalancer",
        "sessionAffinity": "None",
        "externalTrafficPolicy": "Cluster",
        "internalTrafficPolicy": "Cluster",
        "allocateLoadBalancerNodePorts": True,
    }


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, ["spec.ports: Required value"]),
        (
            {"ports": [{"port": 80}, {"port": 80}]},
            [
                "spec.ports[0].name: Required value",
                "spec.ports[1].name: Required value",
                'spec.ports[1]: Duplicate value: {"port":80,"protocol":"TCP"}',
            ],
        ),
        (
            {"type": "ExternalName", "externalName": "-"},
            None,
        ),
        (
            {"ports": [{"port": 80}], "type": "NodePort", "clusterIP": "None"},
            [
                "spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for "
                "NodePort services"
            ],
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30000}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"ports": [{"port": 80}], "externalTrafficPolicy": "Local"},
            [
                'spec.externalTrafficPolicy: Invalid value: "Local": may only be set for '
                "externally-accessible services"
            ],
        ),
    ],
)
def test_service_findings(spec, expected):
    found = refused("", "Service", spec=spec)
    assert found == expected if expected is not None else "spec.externalName" in found[0]


def test_service_keeps_what_was_allocated():
    ports = [{"port": 80, "nodePort": 30001}]
    old = made("", "Service", spec={"type": "NodePort", "clusterIP": "10.0.0.1", "ports": ports})
    new, errors = changed("", "Service", old, spec={"type": "NodePort", "ports": [{"port": 80}]})
    assert errors == []
    assert new["spec"]["clusterIPs"] == ["10.0.0.1"]
    assert new["spec"]["ports"][0]["nodePort"] == 30001
    spec = {**old["spec"], "type": "ClusterIP"}
    new, errors = changed("", "Service", old, spec=spec)
    assert errors == []
    assert "nodePort" not in new["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in new["spec"]
    spec = {**old["spec"], "clusterIP": "10.0.0.2"}
    assert changed("", "Service", old, spec=spec)[1] == [
        'spec.clusterIPs[0]: Invalid value: ["10.0.0.2"]: may not change once set'
    ]


def test_deployment():
    deployment = made("apps", "Deployment", spec=workload())
    spec = deployment["spec"]
    assert spec["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"},
    }
    numbers = (spec["replicas"], spec["revisionHistoryLimit"], spec["progressDeadlineSeconds"])
    assert numbers == (1, 10, 600)
    other = workload(selector={"matchLabels": {"app": "b"}})
    assert refused("apps", "Deployment", spec=other) == [
        'spec.template.metadata.labels: Invalid value: {"app":"a"}: `selector` does not match '
        "template `labels`"
    ]
    assert changed("apps", "Deployment", deployment, spec=other)[1][-1] == (
        'spec.selector: Invalid value: {"matchLabels":{"app":"b"}}: field is immutable'
    )
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}
    assert refused("apps", "Deployment", spec=workload(strategy=rolling)) == [
        "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: 0: may not be 0 when "
        "`maxSurge` is 0"
    ]


def test_templates_restart_always():
    template = {"metadata": {"labels": {"app": "a"}}, "spec": {**POD, "restartPolicy": "Never"}}
    for kind in ("Deployment", "ReplicaSet", "DaemonSet", "StatefulSet"):
        assert refused("apps", kind, spec=workload(template=template)) == [
            'spec.template.spec.restartPolicy: Unsupported value: "Never": '
            'supported values: "Always"'
        ]


def test_job_selects_its_own_pods():
    template = {"spec": {**POD, "restartPolicy": "Never"}}
    job = made("batch", "Job", spec={"template": template})
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": "u"}}
    assert job["spec"]["template"]["metadata"]["labels"] == {
        "job-name": "x",
        "batch.kubernetes.io/job-name": "x",
        "controller-uid": "u",
        "batch.kubernetes.io/controller-uid": "u",
    }
    assert RULES["batch", "Job"].validate_create(job) == []
    assert refused("batch", "Job", spec={"template": {"spec": POD}}) == [
        'spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'
    ]
    new = copy.deepcopy(job)
    new["spec"]["template"]["spec"]["containers"][0]["image"] = "y"
    (error,) = RULES["batch", "Job"].validate_update(new, job)
    assert (error.field, error.message[-18:]) == ("spec.template", "field is immutable")
    job["spec"]["suspend"] = True
    resized = copy.deepcopy(job)
    resized["spec"]["template"]["spec"]["containers"][0]["resources"] = {"limits": {"cpu": "1"}}
    assert RULES["batch", "Job"].validate_update(resized, job) == []


def test_cron_job():
    job = {"template": {"spec": {**POD, "restartPolicy": "Never"}}}
    spec = {"schedule": "*/5 * * * *", "jobTemplate": {"spec": job}, "timeZone": "Etc/UTC"}
    assert made("batch", "CronJob", spec=spec)["spec"]["concurrencyPolicy"] == "Allow"


def test_roles_of_bindings_never_change():
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    group = "rbac.authorization.k8s.io"
    old = made(group, "RoleBinding", roleRef=role, subjects=[{"kind": "User", "name": "u"}])
    assert old["subjects"][0]["apiGroup"] == group
    errors = changed(group, "RoleBinding", old, roleRef={**role, "name": "edit"})[1]
    assert errors[0].endswith(": field is immutable")
    assert refused(group, "ClusterRoleBinding", roleRef={**role, "kind": "Role"}) == [
        'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"'
    ]
    assert refused(group, "Role", rules=[{"nonResourceURLs": ["/"], "verbs": ["get"]}]) == [
        'rules[0].nonResourceURLs: Invalid value: ["/"]: namespaced rules cannot apply to '
        "non-resource URLs"
    ]


def test_priority_class():
    assert refused("scheduling.k8s.io", "PriorityClass", value=1_000_000_001) == [
        "value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    ]
    old = made("scheduling.k8s.io", "PriorityClass", value=1)
    assert changed("scheduling.k8s.io", "PriorityClass", old, value=2)[1] == [
        "value: Forbidden: may not be changed in an update."
    ]


def test_claims_only_grow():
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "2Gi"}}}
    old = made("", "PersistentVolumeClaim", spec={**spec, "volumeName": "pv"})
    assert old["status"] == {"phase": "Pending"}
    old["status"]["phase"] = "Bound"
    smaller = {**old["spec"], "resources": {"requests": {"storage": "1Gi"}}}
    assert changed("", "PersistentVolumeClaim", old, spec=smaller)[1] == [
        "spec.resources.requests.storage: Forbidden: field can not be less than status.capacity"
    ]
    bigger = {**old["spec"], "resources": {"requests": {"storage": "3Gi"}}}
    assert changed("", "PersistentVolumeClaim", old, spec=bigger)[1] == []
    other = {**old["spec"], "volumeName": "other"}
    assert changed("", "PersistentVolumeClaim", old, spec=other)[1][0].startswith(
        "spec: Forbidden: spec is immutable after creation except resources.requests and "
    )


def test_old_events_belong_to_their_objects_namespace():
    involved = {"kind": "Pod", "name": "p", "namespace": "other"}
    assert refused("", "Event", involvedObject=involved) == [
        'involvedObject.namespace: Invalid value: "other": does not match event.namespace'
    ]


def test_limit_range_fills_downwards_from_max():
    limits = [{"type": "Container", "max": {"cpu": "2"}, "min": {"memory": "1Mi"}}]
    (item,) = made("", "LimitRange", spec={"limits": limits})["spec"]["limits"]
    assert item["default"] == {"cpu": "2"}
    assert item["defaultRequest"] == {"memory": "1Mi", "cpu": "2"}
    limits = [{"type": "Pod", "max": {"cpu": "1"}, "min": {"cpu": "2"}}]
    assert refused("", "LimitRange", spec={"limits": limits}) == [
        'spec.limits[0].min[cpu]: Invalid value: "2": min value 2 is greater than max value 1'
    ]


def test_network_policy():
    group = "networking.k8s.io"
    policy = made(group, "NetworkPolicy", spec={"podSelector": {}, "egress": [{}]})
    assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]


@pytest.mark.parametrize(
    ("port", "error"),
    [
        ({}, ""),
        ({"port": "web"}, ""),
        ({"port": 80, "endPort": 80}, ""),
        ({"port": 0}, "port: Invalid value: 0: must be between 1 and 65535, inclusive"),
        (
            {"endPort": 90},
            "endPort: Invalid value: 90: may not be specified when `port` is not specified",
        ),
        (
            {"port": "web", "endPort": 90},
            "endPort: Invalid value: 90: may not be specified when `port` is non-numeric",
        ),
        (
            {"port": 80, "endPort": 79},
            "endPort: Invalid value: 79: must be greater than or equal to `port`",
        ),
        (
            {"port": 80, "endPort": 65536},
            "endPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
        ),
        (
            {"protocol": "ICMP"},
            'protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ),
    ],
)
def test_the_ports_of_a_network_policy(port, error):
    spec = {"podSelector": {}, "egress": [{"ports": [port]}]}
    found = refused("networking.k8s.io", "NetworkPolicy", spec=spec)
    assert found == ([f"spec.egress[0].ports[0].{error}"] if error else [])


def test_custom_resource_definition():
    spec = {
        "group": "example.com",
        "scope": "Namespaced",
        "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [
            {"name": "v1", "storage": True, "served": True, "schema": {"openAPIV3Schema": {}}}
        ],
    }
    obj = made("apiextensions.k8s.io", "CustomResourceDefinition", spec=spec)
    assert obj["spec"]["names"]["listKind"] == "WidgetList"
    assert obj["status"]["storedVersions"] == ["v1"]

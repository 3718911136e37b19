# SPDX-License-Identifier: Apache-2.0
"""Environment, downward API, DNS, resources, security, admission and volumes' files."""

import os

import pytest

from pybernetes.apimachinery import errors
from pybernetes.cri.types import Image
from pybernetes.kubelet import admission, atomicwriter
from pybernetes.kubelet.atomicwriter import File
from pybernetes.kubelet.containers import dns, fieldpath, resources, security
from pybernetes.kubelet.containers.environment import (
    ConfigError,
    Surroundings,
    environment,
    expand,
    service_variables,
)
from pybernetes.linux import paths

POD = {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"b": "2", "a": "1"}},
    "spec": {"nodeName": "node", "containers": [{"name": "c", "resources": {}}]},
    "status": {"podIPs": [{"ip": "10.0.0.1"}]},
}


def test_expansion():
    scope = {"A": "1", "B": "$(A)"}
    assert expand("$(A) $(B) $(C) $$(A) $A $$", scope) == "1 $(A) $(C) $(A) $A $"


async def lookup(gvr, namespace, name):
    if name == "missing":
        raise errors.not_found(gvr.resource, gvr.group, name)
    data = {"secrets": {"k": "c2VjcmV0"}, "configmaps": {"k": "plain"}}[gvr.resource]
    return {"kind": "Secret" if gvr.resource == "secrets" else "ConfigMap", "data": data}


async def test_environment_in_upstream_order():
    service = {"metadata": {"name": "my-db", "namespace": "n"},
               "spec": {"clusterIP": "10.1.0.9", "ports": [{"port": 5432, "name": "sql"}]}}  # fmt: skip
    container = {
        "name": "c",
        "envFrom": [{"prefix": "X_", "configMapRef": {"name": "m"}}],
        "env": [
            {"name": "S", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "URL", "value": "$(MY_DB_SERVICE_HOST):$(MY_DB_SERVICE_PORT_SQL)/$(S)"},
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {
                "name": "GONE",
                "valueFrom": {"configMapKeyRef": {"name": "missing", "key": "k", "optional": True}},
            },
        ],
    }
    found = await environment(POD, container, Surroundings(lookup, [service], pod_ips=["10.0.0.2"]))
    assert list(found)[:4] == ["X_k", "S", "URL", "IP"]
    assert (found["URL"], found["IP"]) == ("10.1.0.9:5432/secret", "10.0.0.2")
    assert found["MY_DB_PORT_5432_TCP"] == "tcp://10.1.0.9:5432"
    bad = {"name": "c", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "z"}}}]}  # fmt: skip
    with pytest.raises(ConfigError, match="couldn't find key z in Secret n/s"):
        await environment(POD, bad, Surroundings(lookup))


def test_headless_services_have_no_variables():
    assert service_variables([{"spec": {"clusterIP": "None", "ports": [{"port": 1}]}}]) == {}


def test_downward_api():
    assert fieldpath.field_value(POD, "metadata.labels") == 'a="1"\nb="2"'
    assert fieldpath.field_value(POD, "metadata.labels['b']") == "2"
    with pytest.raises(fieldpath.FieldError):
        fieldpath.field_value(POD, "spec.nonsense")
    container = {"resources": {"limits": {"cpu": "1500m"}}}
    allocatable = {"memory": "8Gi"}
    assert fieldpath.resource_value(container, {"resource": "limits.cpu"}, allocatable) == "2"
    selector = {"resource": "limits.memory", "divisor": "1Mi"}
    assert fieldpath.resource_value(container, selector, allocatable) == "8192"


def test_resolv_conf():
    host = dns.parse("nameserver 1.1.1.1\nsearch lan\noptions timeout:2\n")
    found = dns.pod_dns(POD, host, ["10.96.0.10"], "cluster.local")
    assert found["servers"] == ["10.96.0.10"]
    assert found["searches"] == ["n.svc.cluster.local", "svc.cluster.local", "cluster.local", "lan"]
    assert found["options"] == ["ndots:5"]
    spec = {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["9.9.9.9"], "options": [{"name": "ndots", "value": "2"}]}}  # fmt: skip
    none = dns.pod_dns({**POD, "spec": spec}, host, ["10.96.0.10"], "cluster.local")
    assert (none["servers"], none["searches"], none["options"]) == (["9.9.9.9"], [], ["ndots:2"])


def test_cgroup_values():
    container = {
        "resources": {"requests": {"cpu": "250m"}, "limits": {"cpu": "1", "memory": "1Gi"}}
    }
    pod = {**POD, "spec": {"containers": [container]}}
    found = resources.linux(pod, container, 8 << 30)
    assert (found["cpu_shares"], found["cpu_quota"]) == (256, 100_000)
    assert found["memory_limit_in_bytes"] == 1 << 30
    assert resources.linux(POD, POD["spec"]["containers"][0], 8 << 30)["oom_score_adj"] == 1000


def test_run_as_non_root_is_enforced():
    spec = {"name": "c", "securityContext": {"runAsNonRoot": True}}
    with pytest.raises(ConfigError, match="image will run as root"):
        security.container(POD, spec, Image("id"))
    found = security.container(POD, spec, Image("id", user=7))
    assert found["run_as_user"] == {"value": 7}


def test_node_admission():
    node = {"metadata": {"labels": {"disk": "ssd"}}, "status": {"allocatable": {"cpu": "1", "pods": "10"}}}  # fmt: skip
    ports = [{"containerPort": 1, "hostPort": 80}]
    small = {"spec": {"containers": [{"resources": {"requests": {"cpu": "600m"}}, "ports": ports}]}}
    assert admission.admit(small, node, []) is None
    reason, message = admission.admit(small, node, [small])
    assert reason == "OutOfcpu"
    assert message.endswith("resource: cpu, requested: 600, used: 600, capacity: 1000")
    tiny = {"spec": {"containers": [{"ports": ports}]}}
    assert admission.admit(tiny, node, [small])[0] == "NodePorts"
    picky = {"spec": {"nodeSelector": {"disk": "hdd"}, "containers": []}}
    assert admission.admit(picky, node, [])[0] == "NodeAffinity"


def test_a_resolver_is_given_no_more_than_it_takes():
    searches = ["a" * 300, *(f"{'b' * 100}{n}" for n in range(40))]
    wish = {"servers": ["1", "2", "3", "4"], "searches": searches, "options": ["ndots:5"]}
    found, told = dns.fitting(wish)
    assert (found["servers"], found["searches"]) == (["1", "2", "3"], searches[1:20])
    assert told[0].endswith("have been omitted, the applied nameserver line is: 1 2 3")
    assert told[1].startswith("Search Line limits were exceeded, some search paths")
    assert dns.fitting(found) == (found, [])


def test_files_are_replaced_all_at_once(tmp_path):
    folder = tmp_path / "v"
    atomicwriter.write(folder, {"a": File(b"1"), "d/b": File(b"2", 0o400)}, "t1")
    assert (folder / "d/b").read_bytes() == b"2"
    first = (folder / "..data").readlink()
    atomicwriter.write(folder, {"a": File(b"1"), "d/b": File(b"2", 0o400)}, "t2")
    assert (folder / "..data").readlink() == first
    atomicwriter.write(folder, {"a": File(b"9")}, "t2")
    assert (folder / "a").read_bytes() == b"9"
    assert not (folder / "d").is_symlink()
    assert not (folder / first).exists()


def test_sub_path_makes_nothing_outside_its_volume(tmp_path):
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    volume.mkdir(mode=0o750)
    outside.mkdir()
    (volume / "link").symlink_to(outside)
    with pytest.raises(OSError, match="cross-device link"):
        paths.make_inside(volume, "link/new", 0o750)
    assert list(outside.iterdir()) == []
    os.close(paths.make_inside(volume, "a/b", 0o770))
    assert (volume / "a/b").stat().st_mode & 0o777 == 0o770
    (volume / "a/c").symlink_to("b")
    found = paths.open_inside(volume, "a/c")
    assert paths.path_of(found).resolve() == volume / "a/b"
    os.close(found)

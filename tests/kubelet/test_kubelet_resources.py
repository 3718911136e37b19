# SPDX-License-Identifier: Apache-2.0
"""Requests, limits and reservations as cgroup values, on v1 and v2; what a node registers."""

import pytest

from pybernetes.apis.core.pod.requests import pod_requests
from pybernetes.kubelet import admission, naming
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.containers import resources as container_resources
from pybernetes.kubelet.node import plan
from pybernetes.kubelet.node.machine import Machine
from pybernetes.kubelet.pods import podcgroup, resize
from pybernetes.linux import cgroups
from pybernetes.linux.cgroups import Limits

CONFIG = Config(node_name="n", cgroup_root="/lab")


def pod(*resources, **spec):
    containers = [{"name": f"c{i}", "resources": item} for i, item in enumerate(resources)]
    return {"metadata": {"uid": "u"}, "spec": {"containers": containers, **spec}}


def both(cpu, memory):
    return {name: {"cpu": cpu, "memory": memory} for name in ("requests", "limits")}


@pytest.mark.parametrize(
    ("given", "parent", "limits"),
    [
        (pod({}), "/lab/kubepods/besteffort/podu", Limits(2, -1, -1, -1)),
        (pod(both("1", "1Gi")), "/lab/kubepods/podu", Limits(1024, 100_000, 1 << 30, -1)),
        (
            pod({"requests": {"cpu": "250m"}}, {"limits": {"memory": "1Gi"}}),
            "/lab/kubepods/burstable/podu",
            Limits(256, -1, -1, -1),  # one container without limits: the pod has none
        ),
        (
            pod(both("1", "1Gi"), overhead={"cpu": "500m", "memory": "1Gi"}),
            "/lab/kubepods/podu",
            Limits(1536, 150_000, 2 << 30, -1),
        ),
        (
            pod({"requests": {"hugepages-2Mi": "4Mi"}, "limits": {"hugepages-2Mi": "4Mi"}}),
            "/lab/kubepods/besteffort/podu",
            Limits(2, -1, -1, -1, {"2MB": 4 << 20}),
        ),
    ],
)
def test_a_pods_cgroup(given, parent, limits):
    assert (naming.cgroup(CONFIG, given), podcgroup.limits(given)) == (parent, limits)


def test_knobs_of_both_versions():
    limits = Limits(1024, 50_000, 1 << 20, -1, {"2MB": 0})
    assert cgroups.knobs(limits, v2=False) == {
        "cpu": {"cpu.shares": "1024", "cpu.cfs_period_us": "100000", "cpu.cfs_quota_us": "50000"},
        "memory": {"memory.limit_in_bytes": "1048576"},
        "pids": {"pids.max": "max"},
        "hugetlb": {"hugetlb.2MB.limit_in_bytes": "0"},
    }
    assert cgroups.knobs(limits, v2=True) == {
        "cpu": {"cpu.weight": "39", "cpu.max": "50000 100000"},
        "memory": {"memory.max": "1048576"},
        "pids": {"pids.max": "max"},
        "hugetlb": {"hugetlb.2MB.max": "0"},
    }
    assert cgroups.knobs(Limits(quota=-1, memory=-1), v2=True) == {
        "cpu": {"cpu.max": "max 100000"},
        "memory": {"memory.max": "max"},
    }


def test_on_v2_every_cgroup_above_hands_its_controllers_down(tmp_path):
    (tmp_path / "cgroup.controllers").write_text("cpu memory")
    (tmp_path / "cgroup.procs").touch()
    assert cgroups.configure("/lab/kubepods", Limits(2, memory=5), tmp_path) == []
    folder = tmp_path / "lab" / "kubepods"
    assert (folder / "cpu.weight").read_text() == "1"
    assert (folder / "memory.max").read_text() == "5"
    for above in (tmp_path, tmp_path / "lab"):
        assert (above / "cgroup.subtree_control").exists()
    assert not (folder / "cgroup.subtree_control").exists()


def test_usage_leaves_out_memory_that_can_be_reclaimed(tmp_path):
    (tmp_path / "cgroup.controllers").touch()
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "memory.current").write_text("100")
    (tmp_path / "a" / "memory.stat").write_text("inactive_file 30\nanon 50\npgfault 7\n")
    (tmp_path / "a" / "cpu.stat").write_text("usage_usec 3\n")
    found = cgroups.usage("/a", tmp_path)
    assert (found.working_set, found.rss, found.cpu, found.page_faults) == (70, 50, 3000, 7)
    assert cgroups.usage("/b", tmp_path) == cgroups.Usage()


def test_what_eviction_keeps_free_lowers_allocatable_alone():
    config = Config(
        node_name="n",
        capacity={"cpu": "2", "memory": "2Gi", "ephemeral-storage": "10Gi"},
        eviction_hard={"memory.available": "5%", "nodefs.available": "1Gi"},
    )
    machine = Machine(pids=1000)
    usable = plan.allocatable(config, plan.capacity(config, machine))
    assert usable["cpu"] == "2"
    assert usable["memory"] == str((2 << 30) - ((2 << 30) * 5 // 100))
    assert (usable["ephemeral-storage"], usable["pods"]) == ("9Gi", "110")
    top = podcgroup.node_limits(config, machine)
    assert (top.shares, top.memory, top.pids) == (2048, 2 << 30, 1000)


def test_registration_says_what_the_lab_file_says():
    config = Config(
        node_name="w1",
        node_labels={"disk": "ssd"},
        register_with_taints=[{"key": "a", "effect": "NoSchedule"}],
    )
    node = plan.registration(config, Machine())
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "w1"
    assert node["metadata"]["labels"]["disk"] == "ssd"
    taints = [{"key": "a", "effect": "NoSchedule"}]
    assert node["spec"] == {"taints": taints}


def test_overhead_counts():
    assert pod_requests(pod({}, overhead={"cpu": "250m"}))["cpu"] == 250


def admitted(pod, **policy):
    pod = {**pod, "metadata": {**pod["metadata"], "namespace": "n", "name": "p"}}
    found = admission.admit(pod, {}, [], admission.Policy(**policy))
    return found and (found[0], found[1].removeprefix("Pod was rejected: "))


SYSCTLS = {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}
UNSAFE = {"sysctls": [{"name": "kernel/msgmax", "value": "1"}]}
TOLERANT = [{"key": "node.kubernetes.io/memory-pressure", "operator": "Exists"}]


@pytest.mark.parametrize(
    ("spec", "policy", "reason", "message"),
    [
        ({"securityContext": SYSCTLS}, {}, None, None),
        (
            {"securityContext": UNSAFE},
            {},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.msgmax" not allowlisted',
        ),
        (
            {"securityContext": SYSCTLS, "hostIPC": True},
            {},
            "SysctlForbidden",
            'forbidden sysctl: "kernel.shm_rmid_forced" not allowed with host IPC enabled',
        ),
        (
            {},
            {"pressure": ["MemoryPressure"]},
            "Evicted",
            "The node had condition: [MemoryPressure]. ",
        ),
        ({"tolerations": TOLERANT}, {"pressure": ["MemoryPressure"]}, None, None),
        ({"priority": 2_000_000_000}, {"pressure": ["DiskPressure"]}, None, None),
        (
            {},
            {"stopping": True},
            "NodeShutdown",
            "Pod was rejected as the node is shutting down.",
        ),
    ],
)
def test_what_a_node_in_trouble_takes(spec, policy, reason, message):
    assert admitted(pod({}, **spec), **policy) == (reason and (reason, message))


def test_critical_pods_make_room_for_themselves_and_no_more():
    def asks(name, cpu, resources=None):
        found = pod(resources or {"requests": {"cpu": cpu}})
        return {**found, "metadata": {"uid": name, "name": name, "namespace": "n"}}

    best, small, big = asks("best", "0"), asks("small", "500m"), asks("big", "1")
    sure = asks("sure", "1", both("1", "1Mi"))
    node = {"status": {"allocatable": {"cpu": "2500m", "memory": "1Gi", "pods": "10"}}}
    names = [
        item["metadata"]["name"]
        for item in admission.victims(asks("new", "1"), node, [sure, small, big, best])
    ]
    assert names == ["big"]  # the small one alone is not enough, and both are too much
    assert admission.victims(asks("new", "3"), node, [sure, small]) == []
    critical = {**big, "spec": {**big["spec"], "priority": 2_000_000_000}}
    assert admission.victims(asks("new", "2"), node, [critical]) == []


def test_containers_without_limits_have_the_pods():
    given = pod(both("100m", "1Mi"), {}, resources={"limits": {"cpu": "1", "memory": "1Gi"}})
    first, second = (
        container_resources.linux(given, item, 1 << 30) for item in given["spec"]["containers"]
    )
    assert (first["cpu_quota"], first["memory_limit_in_bytes"]) == (10_000, 1 << 20)
    assert (second["cpu_quota"], second["memory_limit_in_bytes"]) == (100_000, 1 << 30)
    assert second["cpu_shares"] == 1024


def test_what_the_kernel_ends_first():
    def score(given, container=0, field="containers"):
        return container_resources.oom_score(given, given["spec"][field][container], 1000)

    assert score(pod({})) == 1000
    assert score(pod(both("1", "1Gi"))) == -997
    assert score(pod({"requests": {"memory": "100"}})) == 900
    assert score(pod({}, priorityClassName="system-node-critical")) == -997
    assert score(pod({}, priorityClassName="system-cluster-critical")) == 1000
    shared = {"requests": {"memory": "300"}}
    assert score(pod({"requests": {"memory": "100"}}, {}, resources=shared)) == 800
    sidecar = {"name": "s", "restartPolicy": "Always", "resources": {}}
    served = pod({"requests": {"memory": "100"}}, initContainers=[sidecar])
    assert score(served, field="initContainers") == score(served) == 900


def test_a_pod_is_given_what_it_was_allocated_and_ephemeral_containers_are_no_resize():
    old, new = pod(both("1", "1Gi")), pod(both("2", "1Gi"))
    allocated = resize.of(old)
    assert resize.given(new, allocated)["spec"]["containers"] == old["spec"]["containers"]
    assert resize.given(new, {}) is new
    debugged = pod(both("1", "1Gi"), ephemeralContainers=[{"name": "d"}])
    assert resize.of(debugged) == allocated
    assert resize.given(debugged, allocated) is debugged

# SPDX-License-Identifier: Apache-2.0
"""A lab as its file describes it, and what a user types first: nodes, drain, top, names."""

import json
import socket
from pathlib import Path

import pytest
from commandline import Cli, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(120)]
ADDRESSES = {f"w{n}": f"192.168.217.10{n}" for n in (1, 2, 3)} | {"cp": "192.168.217.10"}


def test_nodes_are_as_the_file_says(lab: Cli) -> None:
    nodes = {node["metadata"]["name"]: node for node in lab.get("nodes")["items"]}
    found = {
        name: address["address"]
        for name, node in nodes.items()
        for address in node["status"]["addresses"]
        if address["type"] == "InternalIP"
    }
    assert found == ADDRESSES
    assert nodes["w1"]["metadata"]["labels"]["disk"] == "ssd"
    assert nodes["w3"]["spec"]["taints"] == [
        {"key": "dedicated", "value": "db", "effect": "PreferNoSchedule"}
    ]
    taint = {"key": "node-role.kubernetes.io/control-plane", "effect": "NoSchedule"}
    assert nodes["cp"]["spec"]["taints"] == [taint]
    assert lab.kubectl("get", "node", "cp").splitlines()[1].split()[:3] == [
        "cp",
        "Ready",
        "control-plane",
    ]
    assert all(node["spec"]["podCIDR"].startswith("10.64.") for node in nodes.values())
    capacity = nodes["w3"]["status"]["capacity"]
    assert capacity["cpu"] == "1"
    assert capacity["memory"] == "1Gi" or int(capacity["memory"].removesuffix("Ki")) == 1024 * 1024
    described = lab.kubectl("describe", "node", "w3")
    assert "dedicated=db:PreferNoSchedule" in described
    assert "on-w3" in described


def test_the_limits_of_a_node_are_the_kernels(lab: Cli) -> None:
    """w3 has 1 GiB and one CPU: what is on the node cannot have more."""
    pid = next(node["pid"] for node in lab.status()["nodes"] if node["node"] == "w3")
    groups = dict(
        line.split(":")[1:] for line in Path(f"/proc/{pid}/cgroup").read_text().splitlines()
    )
    if "memory" in groups:
        limit = Path(f"/sys/fs/cgroup/memory{groups['memory']}/memory.limit_in_bytes")
    else:
        limit = Path(f"/sys/fs/cgroup{groups['']}/memory.max")
    while limit.read_text().strip() != str(1 << 30):
        limit = limit.parent.parent / limit.name
        assert "pybernetes" in str(limit), "no group around the process is limited to 1 GiB"


def test_list_and_status(lab: Cli) -> None:
    status = lab.status()
    assert status["status"] == "running"
    rows = {node["node"]: node for node in status["nodes"]}
    assert {name: row["address"] for name, row in rows.items()} == ADDRESSES
    assert rows["cp"]["role"] == "control-plane"
    for row in rows.values():
        assert row["status"] == "running"
        assert "lab_node" in Path(f"/proc/{row['pid']}/cmdline").read_text()
        assert row["memory"].endswith("MB (PSS)")
    text = lab.pybernetes("node", "list").stdout.splitlines()
    assert text[0].split() == ["NODE", "ROLE", "ADDRESS", "STATUS", "PID", "MEMORY"]
    assert len(text) == 5


def test_the_context_is_the_labs(lab: Cli) -> None:
    assert "current-context: pybernetes-e2e" in lab.user_config.read_text()


def test_nodes_have_names_on_the_host_and_on_every_node(lab: Cli) -> None:
    for name, address in ADDRESSES.items():
        assert socket.gethostbyname(name) == address
        assert lab.on_node(name, "hostname").strip() == name
        assert lab.on_node("w1", "getent", "hosts", name).split()[0] == address


def test_pods_are_on_all_workers_and_none_on_the_control_plane(lab: Cli) -> None:
    where = {pod["metadata"]["name"]: pod["spec"]["nodeName"] for pod in lab.get("pods")["items"]}
    assert [where[f"on-w{n}"] for n in (1, 2, 3)] == ["w1", "w2", "w3"]
    web = {node for name, node in where.items() if name.startswith("web")}
    assert web >= {"w1", "w2"}
    assert "cp" not in where.values()


def test_drain_and_uncordon(lab: Cli) -> None:
    done = lab.kubectl("drain", "w2", "--force", "--ignore-daemonsets", "--timeout=60s")
    assert "node/w2 drained" in done
    on_w2 = ("get", "pods", "-A", "--field-selector=spec.nodeName=w2", "-o", "name")
    assert lab.kubectl(*on_w2) == ""
    lab.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    assert "SchedulingDisabled" in lab.kubectl("get", "node", "w2")
    lab.kubectl("uncordon", "w2")
    lab.kubectl("apply", "-f", str(Path(__file__).parent / "lab-pods.yaml"))
    lab.wait_right()
    assert lab.kubectl(*on_w2) == "pod/on-w2\n"


def test_top_says_what_is_missing(lab: Cli) -> None:
    for what in ("nodes", "pods"):
        done = lab.kubectl_process("top", what)
        assert done.returncode == 1
        assert "Metrics API not available" in done.stderr


def test_the_control_plane_can_be_tolerated(lab: Cli) -> None:
    spec = {
        "nodeName": None,
        "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
        "tolerations": [{"operator": "Exists"}],
        "terminationGracePeriodSeconds": 0,
    }
    overrides = json.dumps({"spec": spec})
    lab.kubectl("run", "above", "--image=pybernetes/web:1", f"--overrides={overrides}")
    lab.kubectl("wait", "pod/above", "--for=condition=Ready", "--timeout=20s")
    assert lab.get("pod", "above")["spec"]["nodeName"] == "cp"
    lab.kubectl("delete", "pod", "above")


def test_an_image_is_loaded_into_every_node(lab: Cli, tmp_path: Path) -> None:
    lab.pybernetes("image", "load", "/bin/busybox", "--tag", "example.org/box:1")
    listed = lab.pybernetes("image", "list").stdout.splitlines()
    assert {line.split()[0] for line in listed if "example.org/box:1" in line} == set(ADDRESSES)
    for node in ("w1", "w2"):
        spec = json.dumps({"spec": {"nodeName": node}})
        lab.kubectl("run", f"box-{node}", "--image=example.org/box:1", "--restart=Never",
                    f"--overrides={spec}", "--", "echo", "here")  # fmt: skip
    for node in ("w1", "w2"):
        done = "--for=jsonpath={.status.phase}=Succeeded"
        lab.kubectl("wait", f"pod/box-{node}", done, "--timeout=20s")
        assert lab.kubectl("logs", f"box-{node}") == "here\n"
        lab.kubectl("delete", "pod", f"box-{node}")


def test_the_machine_and_the_lab_are_told_apart(lab: Cli) -> None:
    """A node's disk, host name and processes' network are its own."""
    lab.on_node("w1", "touch", "/tmp/only-on-w1", "/etc/only-on-w1")
    assert not Path("/tmp/only-on-w1").exists()
    assert not Path("/etc/only-on-w1").exists()
    assert lab.pybernetes(
        "node", "shell", "w2", "--", "ls", "/tmp/only-on-w1", check=False
    ).returncode
    assert lab.on_node("w1", "ls", "/tmp/only-on-w1").strip() == "/tmp/only-on-w1"
    assert wait_until(lambda: "cni0" in lab.on_node("w1", "ip", "-br", "link"), 10)
    assert "192.168.217.102" not in lab.on_node("w1", "ip", "-br", "address")

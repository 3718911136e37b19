# SPDX-License-Identifier: Apache-2.0
"""Nodes added, removed, stopped, killed, cut off and healed while the lab runs.

Every test leaves the lab as it found it.
"""

import time
from pathlib import Path
from typing import Any

import pytest
from commandline import Cli, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(180)]
PODS = str(Path(__file__).with_name("lab-pods.yaml"))
HERE = Path(__file__).parent
READY = "--for=condition=Ready"


def condition(lab: Cli, node: str) -> str:
    conditions = lab.get("node", node)["status"]["conditions"]
    return str(next(one["status"] for one in conditions if one["type"] == "Ready"))


def restarts(lab: Cli, pod: str) -> int:
    found: int = lab.get("pod", pod)["status"]["containerStatuses"][0]["restartCount"]
    return found


def rows(lab: Cli) -> dict[str, dict[str, Any]]:
    return {row["node"]: row for row in lab.status()["nodes"]}


def put_back(lab: Cli, pod: str) -> None:
    """A pod without an owner is not replaced: make it again."""
    lab.kubectl("delete", "pod", pod, "--now", "--ignore-not-found", "--timeout=30s")
    lab.kubectl("apply", "-f", PODS)
    lab.wait_right()


def test_a_node_is_added_and_removed(lab: Cli) -> None:
    said = lab.pybernetes("node", "add", "w4", "--memory", "512Mi", "--label", "disk=none",
                          "--taint", "new=yes:NoSchedule").stdout  # fmt: skip
    assert said == "Node w4 is added.\n"
    lab.kubectl("wait", "node/w4", READY, "--timeout=30s")
    node = lab.get("node", "w4")
    assert node["metadata"]["labels"]["disk"] == "none"
    assert {"key": "new", "value": "yes", "effect": "NoSchedule"} in node["spec"]["taints"]
    assert rows(lab)["w4"]["status"] == "running"
    overrides = '{"spec": {"nodeName": "w4", "terminationGracePeriodSeconds": 0}}'
    lab.kubectl("run", "on-w4", "--image=pybernetes/web:1", f"--overrides={overrides}")
    lab.kubectl("wait", "pod/on-w4", READY, "--timeout=30s")
    url = f"http://{lab.get('pod', 'on-w4')['status']['podIP']}/"
    for pod in ("on-w1", "on-w3"):  # the others have learned the way
        lab.kubectl("exec", pod, "--", "timeout", "10", "wget", "-qO-", url)
    assert lab.on_node("w2", "getent", "hosts", "w4").split()[0] == rows(lab)["w4"]["address"]

    again = lab.pybernetes("node", "add", "w4", check=False)
    assert (again.returncode, "is taken by another node" in again.stderr) == (2, True)
    assert lab.pybernetes("node", "remove", "w4").stdout == "Node w4 is removed.\n"
    assert "NotFound" in lab.kubectl("get", "node", "w4", check=False)
    assert "w4" not in rows(lab)
    lab.kubectl("delete", "pod", "on-w4", "--force")


def test_the_labs_file_brings_new_nodes(lab: Cli, tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    text = (HERE / "lab.yaml").read_text()
    file.write_text(text + "    - {name: w5, address: 192.168.217.105}\n")
    said = lab.pybernetes("up", "-f", str(file)).stdout
    assert said == "Node w5 is added.\n"
    lab.kubectl("wait", "node/w5", READY, "--timeout=30s")
    file.write_text(text.replace("10.64.0.0/16", "10.66.0.0/16"))
    done = lab.pybernetes("up", "-f", str(file), check=False)
    assert done.returncode == 1
    assert "podCIDR (--cluster-cidr) is 10.64.0.0/16 and cannot become 10.66.0.0/16" in done.stderr
    lab.pybernetes("node", "remove", "w5")


def test_a_stopped_node_says_so_and_starts_again(lab: Cli) -> None:
    said = lab.pybernetes("node", "stop", "w2").stdout
    assert said == "Node w2 is stopped.\n"
    assert rows(lab)["w2"]["status"] == "stopped"
    wait_until(lambda: condition(lab, "w2") != "True", 10, "a stopped node is not Ready")
    assert lab.get("pod", "on-w2")["status"]["phase"] in ("Failed", "Succeeded")
    assert lab.pybernetes("node", "start", "w2").stdout == "Node w2 is started.\n"
    lab.kubectl("wait", "node/w2", READY, "--timeout=30s")
    put_back(lab, "on-w2")


def test_power_and_cable(lab: Cli) -> None:
    """w3 loses its power and w1 its network; the control plane finds out; both come back."""
    lab.kubectl("rollout", "restart", "deploy/web")  # on w1 and w2 again
    lab.wait_right()
    before = {pod: restarts(lab, pod) for pod in ("on-w1", "on-w3")}
    lab.pybernetes("node", "kill", "w3")
    lab.pybernetes("node", "cut", "w1")
    assert [rows(lab)[name]["status"] for name in ("w1", "w2", "w3")] == [
        "cut",
        "running",
        "stopped",
    ]
    try:
        _is_noticed(lab)
    finally:
        lab.pybernetes("node", "heal", "w1", "w3")
    lab.kubectl("wait", "node", "--all", READY, "--timeout=60s")
    lab.wait_right()
    assert restarts(lab, "on-w1") == before["on-w1"]  # its containers never noticed
    assert restarts(lab, "on-w3") == before["on-w3"] + 1
    assert lab.kubectl("exec", "on-w3", "--", "hostname").strip() == "on-w3"


def _is_noticed(lab: Cli) -> None:
    begun = time.monotonic()
    assert rows(lab)["w3"]["status"] == "stopped"
    for node in ("w1", "w3"):
        wait_until(lambda name=node: condition(lab, name) == "Unknown", 75, f"{node} is missed")
    assert time.monotonic() - begun > 30  # not before the grace period
    for node in ("w1", "w3"):
        wait_until(lambda name=node: "node.kubernetes.io/unreachable" in {
            taint["key"] for taint in lab.get("node", name)["spec"].get("taints", ())}, 10)  # fmt: skip
    gone = {"w1", "w3"}
    pods = lab.get("pods", "-l", "app=web")["items"]
    lost = {pod["status"]["podIP"] for pod in pods if pod["spec"]["nodeName"] in gone}

    def ready() -> set[str]:
        slices = lab.get("endpointslices", "-l", "kubernetes.io/service-name=web")["items"]
        endpoints = [one for part in slices for one in part.get("endpoints") or ()]
        return {one["addresses"][0] for one in endpoints if one["conditions"]["ready"]}

    wait_until(lambda: ready() and not ready() & lost, 10, "no lost pod gets traffic")
    for _ in range(6):
        lab.on_node(
            "cp", "timeout", "5", "busybox", "wget", "-qO-", "http://192.168.217.102:31080/"
        )


def test_a_shell_on_a_node(lab: Cli) -> None:
    assert lab.on_node("w1", "sh", "-c", "hostname; ls -d /proc/self").split() == [
        "w1",
        "/proc/self",
    ]
    assert "192.168.217.101" in lab.on_node("w1", "ip", "-br", "address", "show", "eth0")
    containers = lab.on_node("w1", "ctr", "containers", "list")
    assert "pybernetes/web:1" in containers
    assert (
        lab.pybernetes("node", "shell", "w1", "--", "sh", "-c", "exit 7", check=False).returncode
        == 7
    )
    missing = lab.pybernetes("node", "shell", "w1", "--", "no-such-program", check=False)
    assert missing.returncode == 127
    unknown = lab.pybernetes("node", "shell", "w9", check=False)
    assert unknown.stderr == 'pybernetes: no node "w9" in "e2e": there are cp, w1, w2, w3\n'


def test_the_control_planes_node_can_be_stopped_but_not_removed(lab: Cli) -> None:
    done = lab.pybernetes("node", "remove", "cp", check=False)
    assert done.stderr == (
        "pybernetes: cp is the control-plane node: it can be stopped, but not removed\n"
    )
    lab.pybernetes("node", "stop", "cp")
    lab.kubectl("get", "nodes")  # the control plane itself goes on
    lab.pybernetes("node", "heal", "cp")
    lab.kubectl("wait", "node/cp", READY, "--timeout=30s")


@pytest.mark.parametrize("verb", ["stop", "kill", "cut", "heal", "start"])
def test_doing_it_twice_is_fine(lab: Cli, verb: str) -> None:
    if verb in ("heal", "start"):
        for _ in range(2):
            lab.pybernetes("node", verb, "w2")
        return
    for _ in range(2):
        lab.pybernetes("node", verb, "w2")
    lab.pybernetes("node", "heal", "w2")
    lab.kubectl("wait", "node/w2", READY, "--timeout=60s")
    put_back(lab, "on-w2")

# SPDX-License-Identifier: Apache-2.0
"""The classic lab of examples/labs, as it is written, in a network of its own; and labs without root."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import KUBECTLS, ROOT, WEB, Cli, can_run_containers, require, without_root

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(180)]
EXAMPLE = str(ROOT / "examples" / "labs" / "m-k8s.yaml")
NETWORK = "pybernetes-e2e"


@pytest.fixture
def classic(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    """A cluster to be, whose commands run in a new network namespace."""
    require(can_run_containers(), "root, containerd, runc, CNI plugins and nftables")
    require(KUBECTLS["1.37"] is not None, "kubectl 1.37: run scripts/ci-tools.sh")
    subprocess.run(["ip", "netns", "add", NETWORK], check=True)
    subprocess.run(["ip", "-n", NETWORK, "link", "set", "lo", "up"], check=True)
    prefix = ("nsenter", f"--net=/run/netns/{NETWORK}")
    cli = Cli(tmp_path_factory.mktemp("c") / "data", prefix, str(KUBECTLS["1.37"]))
    try:
        yield cli
    finally:
        cli.pybernetes("delete", check=False)
        subprocess.run(["ip", "netns", "delete", NETWORK], check=True)


@pytest.mark.node
def test_the_classic_lab(classic: Cli) -> None:
    said = classic.pybernetes("up", "-f", EXAMPLE).stdout
    assert 'Cluster "m-k8s" is ready: https://127.0.0.1:6443' in said
    assert "pybernetes node list" in said
    nodes = [
        line.split() for line in classic.kubectl("get", "nodes", "-o", "wide").splitlines()[1:]
    ]
    assert [(node[0], node[1], node[5]) for node in nodes] == [
        ("m-k8s", "Ready", "192.168.1.10"),
        ("w1", "Ready", "192.168.1.101"),
        ("w2", "Ready", "192.168.1.102"),
        ("w3", "Ready", "192.168.1.103"),
    ]
    classic.kubectl("apply", "-f", WEB)
    classic.kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=90s")
    pods = classic.get("pods", "-n", "demo", "-l", "app=web")["items"]
    assert all(pod["status"]["podIP"].startswith("172.16.") for pod in pods)
    classic.kubectl("patch", "svc", "web", "-n", "demo", "-p", '{"spec": {"type": "NodePort"}}')
    port = classic.get("svc", "web", "-n", "demo")["spec"]["ports"][0]["nodePort"]
    assert classic.on_node("w3", "timeout", "5", "busybox", "wget", "-qO-", f"http://w1:{port}/")


def test_without_containers_the_lab_is_hollow_and_says_so(tmp_path: Path) -> None:
    require(KUBECTLS["1.37"] is not None, "kubectl 1.37: run scripts/ci-tools.sh")
    cli = Cli(tmp_path / "data", without_root(), str(KUBECTLS["1.37"]))
    said = cli.pybernetes("up", "-f", EXAMPLE, "--port", "0")
    try:
        assert "hollow" in said.stdout
        names = [node["metadata"]["name"] for node in cli.get("nodes")["items"]]
        assert names == ["m-k8s", "w1", "w2", "w3"]
        status = json.loads(cli.pybernetes("status", "-o", "json").stdout)
        assert {node["status"] for node in status["nodes"]} == {"hollow"}
        done = cli.pybernetes("node", "kill", "w1", check=False)
        assert done.returncode == 1
        assert len(done.stderr.splitlines()) == 1
    finally:
        cli.pybernetes("delete")

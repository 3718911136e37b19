# SPDX-License-Identifier: Apache-2.0
"""Hollow clusters through the command line and kubectl: stages, and labs without containers."""

from pathlib import Path

import pytest
from commandline import ROOT, Cli, wait_until, without_root

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(180)]

STAGES = """\
stages:
- {match: {labels: job-name}, run: {for: 2s}}
- logs: [listening on :8080]
"""
LAB = """\
apiVersion: pybernetes.dev/v1alpha1
kind: Lab
metadata: {name: small}
spec:
  controlPlane: {name: boss}
  nodes:
  - {name: w1, cpu: "2", memory: 3Gi, labels: {disk: ssd}}
  - name: w2
    taints: [{key: special, effect: NoSchedule}]
"""


def test_jobs_end_and_logs_are_there(tmp_path: Path) -> None:
    stages = tmp_path / "stages.yaml"
    stages.write_text(STAGES.replace("2s", "two seconds"))
    cli = Cli(tmp_path / "data", without_root())
    flags = ("--node", "hollow", "--port", "0", "--stages", str(stages))
    refused = cli.pybernetes("up", *flags, check=False)
    assert refused.returncode == 1
    assert f"{stages}:2: stages[0].run.for: " in refused.stderr
    stages.write_text(STAGES)
    cli.pybernetes("up", *flags)
    try:
        cli.kubectl("create", "job", "x", "--image=example.org/x:1")
        cli.kubectl("wait", "--for=condition=Complete", "job/x", "--timeout=60s")
        assert cli.kubectl("logs", "job/x") == "listening on :8080\n"
    finally:
        cli.pybernetes("delete")


def test_a_lab_where_containers_cannot_run_is_hollow_and_says_so(tmp_path: Path) -> None:
    file = tmp_path / "lab.yaml"
    file.write_text(LAB)
    cli = Cli(tmp_path / "data", without_root())
    done = cli.pybernetes("up", "-f", str(file), "--port", "0")
    try:
        assert "3 hollow node(s)" in done.stdout
        assert "hollow: root is missing" in done.stdout
        wait_until(lambda: len(cli.get("nodes")["items"]) == 3)
        nodes = {node["metadata"]["name"]: node for node in cli.get("nodes")["items"]}
        assert sorted(nodes) == ["boss", "w1", "w2"]
        label = "node-role.kubernetes.io/control-plane"
        assert label in nodes["boss"]["metadata"]["labels"]
        assert (label, "NoSchedule") in taints(nodes["boss"])
        assert nodes["w1"]["metadata"]["labels"]["disk"] == "ssd"
        capacity = nodes["w1"]["status"]["capacity"]
        assert (capacity["cpu"], capacity["memory"]) == ("2", "3Gi")
        assert taints(nodes["w2"]) == [("special", "NoSchedule")]
        cli.kubectl("create", "deployment", "web", "--image=example.org/web:1", "--replicas=3")
        cli.kubectl("rollout", "status", "deployment/web", "--timeout=60s")
        pods = cli.get("pods", "-l", "app=web")["items"]
        assert {pod["spec"]["nodeName"] for pod in pods} == {"w1"}
    finally:
        cli.pybernetes("delete")


def taints(node: dict) -> list[tuple[str, str]]:
    return [(one["key"], one["effect"]) for one in node["spec"].get("taints", ())]


def test_the_example_lab_is_a_lab_of_hollow_nodes_when_asked(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data", without_root())
    example = ROOT / "examples" / "labs" / "m-k8s.yaml"
    cli.pybernetes("up", "-f", str(example), "--node", "hollow", "--port", "0")
    try:
        nodes = {node["metadata"]["name"]: node for node in cli.get("nodes")["items"]}
        assert sorted(nodes) == ["m-k8s", "w1", "w2", "w3"]
        addresses = {one["type"]: one["address"] for one in nodes["w2"]["status"]["addresses"]}
        assert addresses["InternalIP"] == "192.168.1.102"
    finally:
        cli.pybernetes("delete")

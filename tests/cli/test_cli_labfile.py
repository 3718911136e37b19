# SPDX-License-Identifier: Apache-2.0
"""Lab files: what a good one becomes, and what is said about a bad one, line by line."""

import json
import random
from pathlib import Path
from typing import Any

import pytest
import yaml

from pybernetes.base.errors import Told
from pybernetes.cli.lab import file
from pybernetes.cli.main import main

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "labs" / "m-k8s.yaml"
HEAD = "apiVersion: pybernetes.dev/v1alpha1\nkind: Lab\nmetadata: {name: lab}\n"


def errors(tmp_path: Path, text: str) -> list[str]:
    """What is said about a file, without the file's name: ["LINE: PATH: MESSAGE"]."""
    path = tmp_path / "lab.yaml"
    path.write_text(text)
    with pytest.raises(Told) as raised:
        file.load(path)
    first, *lines = str(raised.value).splitlines()
    if lines:
        assert first == f"{path} has {len(lines)} error(s)"
    return [line.removeprefix(f"{path}:") for line in lines or [first]]


def test_the_example_becomes_settings() -> None:
    lab = file.load(EXAMPLE)
    assert lab["name"] == "m-k8s"
    assert lab["cluster_cidr"] == "172.16.0.0/16"
    assert lab["lab"]["network"] == "192.168.1.0/24"
    nodes = {node["name"]: (node["role"], node["address"]) for node in lab["lab"]["nodes"]}
    assert nodes == {
        "m-k8s": ("control-plane", "192.168.1.10"),
        "w1": ("worker", "192.168.1.101"),
        "w2": ("worker", "192.168.1.102"),
        "w3": ("worker", "192.168.1.103"),
    }


def test_a_file_says_little_and_gets_a_control_plane(tmp_path: Path) -> None:
    path = tmp_path / "lab.yaml"
    path.write_text(HEAD + "spec: {nodes: [{name: w1, cpu: 2, memory: 1Gi, labels: {}}]}\n")
    lab = file.load(path)
    assert lab == {
        "name": "lab",
        "lab": {
            "nodes": [
                {"name": "lab-control-plane", "role": "control-plane"},
                {"name": "w1", "role": "worker", "cpu": "2", "memory": "1Gi", "labels": {}},
            ]
        },
    }


def test_all_that_the_schema_refuses_each_with_its_line(tmp_path: Path) -> None:
    text = """\
apiVersion: pybernetes.dev/v1
kind: Lab
metadata: {name: Lab, label: a}
spec:
  kubernetesVersion: "1.36"
  controlPlane: {adress: 1.2.3.4}
  nodes:
  - w3
  - {labels: {d: true}, taints: [{key: a, effect: Never}]}
  apiServer: {port: 70000}
  nodes: []
"""
    assert errors(tmp_path, text.replace("  nodes: []\n", "")) == [
        '1: apiVersion: "pybernetes.dev/v1" must be one of "pybernetes.dev/v1alpha1"',
        "3: metadata.label: unknown; known here: name",
        '3: metadata.name: "Lab" is not a name: lower-case letters, digits and "-", at most 49 characters',
        '5: spec.kubernetesVersion: "1.36" is not 1.37, the version of Kubernetes that this release serves',
        '6: spec.controlPlane.adress: unknown (did you mean "address"?); known here: '
        "name, address, labels, taints, cpu, memory",
        "8: spec.nodes[0]: must be an object, not string",
        '9: spec.nodes[1]: "name" is missing',
        "9: spec.nodes[1].labels.d: must be a string, not boolean",
        '9: spec.nodes[1].taints[0].effect: "Never" must be one of "NoSchedule", "PreferNoSchedule", "NoExecute"',
        "10: spec.apiServer.port: 70000 must be at most 65535",
    ]  # fmt: skip
    repeated = errors(tmp_path, text)
    assert '11: key "nodes" already set in map' in repeated
    assert "11: spec.nodes: has 0 items: 1 to 64" in repeated


def test_all_that_cannot_be_together_each_with_its_line(tmp_path: Path) -> None:
    text = """\
spec:
  networking:
    nodeCIDR: 192.168.1.0/24
    podCIDR: 192.168.0.0/16
    serviceCIDR: 10.0.0.0/33
  nodes:
  - {name: w1, address: 192.168.1.1}
  - name: w1
    address: 192.168.2.1
    cpu: 1m
    memory: 12Z
    labels:
      a b: c
  - {name: w4, address: 192.168.1.9, taints: [{key: a, effect: NoSchedule}, {key: a, effect: NoSchedule}]}
  - {name: lab-control-plane, address: 192.168.1.9}
  - {name: w5, address: 192.168.1}
"""
    found = errors(tmp_path, HEAD + text)
    for line, words in (
        (8, 'spec.networking.serviceCIDR: "10.0.0.0/33" is not an IPv4 range'),
        (7, "spec.networking.podCIDR: 192.168.0.0/16 overlaps with nodeCIDR 192.168.1.0/24"),
        (10, 'spec.nodes[0].address: "192.168.1.1" is not free'),
        (11, 'spec.nodes[1].name: "w1" is taken by another node'),
        (12, 'spec.nodes[1].address: "192.168.2.1" is outside of the nodes\' range 192.168.1.0/24'),
        (13, 'spec.nodes[1].cpu: "1m" must be at least 100m'),
        (14, 'spec.nodes[1].memory: "12Z" is not a quantity'),
        (16, "spec.nodes[1].labels.a b: name part must consist of"),
        (17, "spec.nodes[2].taints: two taints have the same key and effect"),
        (18, 'spec.nodes[3].name: "lab-control-plane" is taken by another node'),
        (18, 'spec.nodes[3].address: "192.168.1.9" is taken by another node'),
        (19, 'spec.nodes[4].address: "192.168.1" is not an IPv4 address'),
    ):
        hits = [one for one in found if one.startswith(f"{line}: {words}")]
        assert len(hits) == 1, f"{line}: {words} in {found}"
    assert len(found) == 12
    assert found == sorted(found, key=lambda one: int(one.partition(":")[0]))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: &x [1]\nb: *x\n", "2: aliases are not supported"),
        ("a: 1\n---\nb: 1\n", "more than one document"),
        ("a: !!python/name:os.system x\n", "1: tag "),
        ("a: 1\n  b: 2\n", "2: mapping values are not allowed"),
        ("a: [1\n", "2: did not find expected ',' or ']'"),
        ("[" * 1000 + "]" * 1000, "1: exceeded max depth"),
        ("? [a]\n: 1\n", "1: a key must be a scalar"),
        ("", "1: must be an object, not null"),
        ("- a\n", "1: must be an object, not array"),
        ("a: \x01\n", "1: "),
        (HEAD, '1: "spec" is missing'),
        (HEAD + "spec: {kubernetesVersion: 1.36, nodes: [{name: a}]}", "4: spec.kubernetesVersion: 1.36 must be one of 1.37"),
        (HEAD + "spec: {nodes: [{name: a, address: 10.0.0.5}]}", '4: spec.nodes[0].address: "10.0.0.5" needs'),
        (HEAD + "spec: {networking: {nodeCIDR: 10.0.0.0/30}, nodes: [{name: a}]}", "4: spec.networking.nodeCIDR: 10.0.0.0/30 is too small"),
        (HEAD + "spec: {networking: {nodeCIDR: 10.0.0.1/24}, nodes: [{name: a}]}", '4: spec.networking.nodeCIDR: "10.0.0.1/24" is not'),
        (HEAD + "spec: {networking: {podCIDR: 10.0.0.0}, nodes: [{name: a}]}", '4: spec.networking.podCIDR: "10.0.0.0" is not'),
        (HEAD + "spec: {networking: {podCIDR: 10.0.0.0/22}, nodes: [{name: a}, {name: b}, {name: c}, {name: d}]}", "4: spec.networking.podCIDR: 10.0.0.0/22 has room for 4 nodes, not 5"),
    ],
)  # fmt: skip
def test_what_is_no_lab_file(tmp_path: Path, text: str, said: str) -> None:
    found = errors(tmp_path, text)
    assert any(said in line for line in found), found


def test_size_and_absence(tmp_path: Path) -> None:
    assert "at most 65536 bytes" in errors(tmp_path, "#" * 70_000)[0]
    with pytest.raises(Told, match="No such file"):
        file.load(tmp_path / "none.yaml")
    with pytest.raises(Told, match="directory"):
        file.load(tmp_path)


def test_a_damaged_file_is_a_clear_error_never_a_crash(tmp_path: Path) -> None:
    """Values replaced and removed at random places."""
    rng = random.Random(4)
    path = tmp_path / "lab.yaml"
    for _ in range(300):
        tree = yaml.safe_load(EXAMPLE.read_text())
        _damage(tree, rng)
        path.write_text(yaml.safe_dump(tree))
        said = str(path)
        try:
            file.load(path)
        except Told as error:
            said = str(error)
        assert str(path) in said


def _damage(tree: Any, rng: random.Random) -> None:
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    if not keys:
        return
    key = rng.choice(keys)
    if isinstance(tree[key], (dict, list)) and rng.random() < 0.7:
        return _damage(tree[key], rng)
    if rng.random() < 0.2:
        del tree[key]
    else:
        tree[key] = rng.choice([None, True, -1, 0.5, "x", "", [], {}, [[1]], {"name": {}}, 10**40])
    return None


def test_lab_schema_and_lab_check(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["lab", "schema"]) == 0
    assert json.loads(capsys.readouterr().out)["$defs"]["node"]["properties"]["address"]
    assert main(["lab", "check", str(EXAMPLE)]) == 0
    assert "m-k8s, w1, w2, w3" in capsys.readouterr().out
    bad = tmp_path / "bad.yaml"
    bad.write_text(HEAD + "spec: {nodes: []}\n")
    assert main(["lab", "check", str(bad)]) == 1
    assert f"{bad}:4: spec.nodes: has 0 items: 1 to 64" in capsys.readouterr().err
    assert main(["lab", "check"]) == 2

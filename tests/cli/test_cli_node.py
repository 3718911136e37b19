# SPDX-License-Identifier: Apache-2.0
"""`pybernetes node` and `up -f` against a process that only writes down what it is asked."""

import fcntl
import json
import re
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pybernetes.cli.main import main

Asked = list[dict[str, Any]]
EXAMPLE = Path(__file__).parents[2] / "examples" / "labs" / "m-k8s.yaml"
LAB = {
    "network": "192.168.7.0/24",
    "nodes": [
        {"name": "lab-control-plane", "role": "control-plane", "address": "192.168.7.10"},
        {"name": "w1", "address": "192.168.7.11"},
        {"name": "w2", "role": "worker", "address": "192.168.7.12"},
    ],
}


def make(home: Path, name: str, **config: Any) -> Path:
    """A cluster that has run before."""
    folder = home / "pybernetes" / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"format": 1, "name": name, **config}))
    (folder / "state.json").write_text(
        json.dumps({"server": "https://127.0.0.1:1", "node": "nodes"})
    )
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr("os.geteuid", lambda: 0)
    return tmp_path


@pytest.fixture
def lab(home: Path) -> Path:
    return make(home, "lab", lab=LAB)


@pytest.fixture
def answers() -> list[str]:
    return ["doing it", "ready"]


@pytest.fixture
def asked(lab: Path, answers: list[str]) -> Iterator[Asked]:
    """The lab runs: what its process is asked; it gives `answers`."""
    with Running(lab, answers) as found:
        yield found


class Running:
    def __init__(self, lab: Path, answers: list[str]) -> None:
        self._lab, self._answers, self._asked = lab, answers, Asked()

    def __enter__(self) -> Asked:
        self._pid = (self._lab / "pybernetes.pid").open("w+")
        fcntl.flock(self._pid, fcntl.LOCK_EX)
        self._pid.write("1\n")
        self._pid.flush()
        self._server = socket.socket(socket.AF_UNIX)
        self._server.bind(str(self._lab / "control.sock"))
        self._server.listen()
        threading.Thread(target=self._serve, daemon=True).start()
        return self._asked

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._server.accept()
            except OSError:
                return
            with connection, connection.makefile("rw") as stream:
                self._asked.append(json.loads(stream.readline()))
                stream.write("".join(f"{line}\n" for line in self._answers))

    def __exit__(self, *_: object) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._pid.close()


Said = Callable[[], str]


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Said:
    """All that was printed since."""
    return lambda: "".join(capsys.readouterr())


def nodes(lab: Path) -> list[str]:
    return [node["name"] for node in json.loads((lab / "config.json").read_text())["lab"]["nodes"]]


@pytest.mark.parametrize(
    "words",
    [("--name", "lab", "cut", "w1", "w2"), ("cut", "--name", "lab", "w1", "w2"),
     ("cut", "w1", "--name", "lab", "w2"), ("cut", "w1", "w2", "--name", "lab")],
)  # fmt: skip
def test_flags_stand_anywhere(asked: Asked, words: tuple[str, ...]) -> None:
    assert main(["node", *words]) == 0
    assert [request["node"]["name"] for request in asked] == ["w1", "w2"]
    assert main(["image", "load", "--name", "lab", "FILE"]) == 1


@pytest.mark.parametrize(
    ("action", "done"),
    [("stop", "stopped"), ("start", "started"), ("kill", "killed"), ("cut", "cut off"),
     ("heal", "healed"), ("remove", "removed")],
)  # fmt: skip
def test_the_running_process_is_asked(asked: Asked, said: Said, action: str, done: str) -> None:
    assert main(["node", action, "w1", "w2"]) == 0
    assert asked == [{"do": f"node {action}", "node": {"name": name}} for name in ("w1", "w2")]
    text = said()
    assert f"Node w1 is {done}.\n" in text
    assert f"Node w2 is {done}.\n" in text
    assert "  doing it\n" in text


@pytest.mark.parametrize(
    ("answers", "text"),
    [
        (["error: w1 does not stop"], "pybernetes: w1 does not stop\n"),
        (["halfway"], "pybernetes: the cluster's process ended: see "),
    ],
)
def test_a_failure_is_one_line(asked: Asked, said: Said, text: str) -> None:
    assert main(["node", "stop", "w1"]) == 1
    assert text in said()
    assert len(asked) == 1


def test_add_says_all_about_the_node(asked: Asked) -> None:
    flags = ["--memory", "2Gi", "--cpu", "2", "--address", "192.168.7.40", "--label", "disk=ssd",
             "--label", "zone=", "--taint", "a=b:NoSchedule", "--taint", "c:NoExecute"]  # fmt: skip
    assert main(["node", "add", "w4", *flags]) == 0
    assert asked == [
        {
            "do": "node add",
            "node": {
                "name": "w4",
                "role": "worker",
                "address": "192.168.7.40",
                "cpu": "2",
                "memory": "2Gi",
                "labels": {"disk": "ssd", "zone": ""},
                "taints": [
                    {"key": "a", "effect": "NoSchedule", "value": "b"},
                    {"key": "c", "effect": "NoExecute"},
                ],
            },
        }
    ]


@pytest.mark.parametrize(
    ("words", "text", "code"),
    [
        (["stop", "w9"], 'no node "w9" in "lab": there are lab-control-plane, w1, w2', 1),
        (["shell", "w9", "--", "ls"], 'no node "w9"', 1),
        (["stop"], "node stop: name a node", 2),
        (["remove", "lab-control-plane"], "it can be stopped, but not removed", 1),
        (["add", "w1"], 'node w1: name: "w1" is taken by another node', 2),
        (["add", "W"], 'node W: name: "W" is not a name: lower-case letters', 2),
        (["add", "w4", "--address", "10.0.0.1"], "is outside of the nodes' range 192.168.7.0/24", 2),
        (["add", "w4", "--address", "192.168.7.12"], "is taken by another node", 2),
        (["add", "w4", "--memory", "2"], 'memory: "2" must be at least 128Mi', 2),
        (["add", "w4", "--label", "a"], "--label a: must be KEY=VALUE", 2),
        (["add", "w4", "--label", "a=b c"], "node w4: a: a valid label must be", 2),
        (["add", "w4", "--taint", "a"], "--taint a: must be KEY[=VALUE]:EFFECT", 2),
        (["add", "w4", "--taint", "a:Never"], '"Never" must be one of', 2),
    ],
)  # fmt: skip
def test_wrong_words_are_one_line(
    asked: Asked, said: Said, words: list[str], text: str, code: int
) -> None:
    assert main(["node", *words]) == code
    line = said()
    assert text in line
    assert line.startswith("pybernetes: ")
    assert line.count("\n") == 1
    assert asked == []


def test_a_stopped_lab_can_be_changed_but_not_acted_on(lab: Path, said: Said) -> None:
    assert main(["node", "add", "w4", "w5", "--memory", "1Gi"]) == 0
    assert main(["node", "remove", "w2"]) == 0
    assert nodes(lab) == ["lab-control-plane", "w1", "w4", "w5"]
    assert main(["node", "list"]) == 0
    rows = [line.split() for line in said().splitlines()[3:]]
    assert rows[0] == ["NODE", "ROLE", "ADDRESS", "STATUS", "PID", "MEMORY"]
    assert rows[1] == ["lab-control-plane", "control-plane", "192.168.7.10", "stopped"]
    for action in ("stop", "start", "kill", "cut", "heal"):
        assert main(["node", action, "w1"]) == 1
        assert said() == 'pybernetes: cluster "lab" is not running; `pybernetes up lab` starts it\n'
    assert main(["node", "shell", "w1"]) == 1
    assert "`pybernetes up lab` starts the lab" in said()


def test_which_lab_is_meant(home: Path, said: Said) -> None:
    assert main(["node", "list"]) == 1
    assert "`pybernetes up` makes one" in said()
    make(home, "pybernetes")
    assert main(["node", "stop", "w1"]) == 1
    assert 'cluster "pybernetes" is no lab' in said()
    make(home, "one", lab=LAB)
    assert main(["node", "list"]) == 0  # the only lab
    said()
    assert main(["status"]) == 3  # not the lab
    assert not re.search(r"\bw1\b", said())
    (home / "pybernetes" / "pybernetes" / "config.json").unlink()
    assert main(["status"]) == 3
    assert "w1" in said()
    make(home, "two", lab=LAB)
    assert main(["node", "list"]) == 1
    assert 'there is no cluster "pybernetes"' in (text := said())
    assert text.endswith("; there are: one, two\n")
    assert main(["node", "list", "two"]) == 0
    assert main(["node", "remove", "w1", "--name", "two"]) == 0
    assert nodes(home / "pybernetes" / "two") == ["lab-control-plane", "w2"]
    assert nodes(home / "pybernetes" / "one") == ["lab-control-plane", "w1", "w2"]


def test_without_root(lab: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    assert main(["node", "kill", "w1"]) == 1
    assert said() == "pybernetes: node kill needs root: the nodes of a lab are namespaces\n"
    assert main(["node", "list"]) == 0


def lab_file(folder: Path, nodes: str, networking: str = "{}") -> str:
    path = folder / "lab.yaml"
    path.write_text(
        "apiVersion: pybernetes.dev/v1alpha1\nkind: Lab\nmetadata: {name: lab}\n"
        f"spec: {{networking: {networking}, nodes: [{nodes}]}}\n"
    )
    return str(path)


def test_a_file_adds_nodes_to_what_runs(asked: Asked, said: Said, tmp_path: Path) -> None:
    file = lab_file(tmp_path, "{name: w1}, {name: w4, cpu: 1}", "{nodeCIDR: 192.168.7.0/24}")
    assert main(["up", "-f", file]) == 0
    assert asked == [{"do": "node add", "node": {"name": "w4", "cpu": "1", "role": "worker"}}]
    assert "Node w2 was not asked for and stays: `pybernetes node remove w2`\n" in said()
    assert main(["up", "-f", lab_file(tmp_path, "{name: w1}, {name: w2}")]) == 0
    assert 'Lab "lab" runs and has these nodes; nothing to change.\n' in said()
    assert len(asked) == 1
    assert main(["up", "lab", "--nodes", "3"]) == 0
    assert asked[1:] == [{"do": "node add", "node": {"name": "w3", "role": "worker"}}]
    assert main(["up", "lab"]) == 1
    assert 'cluster "lab" is running already' in said()


def test_a_file_cannot_change_what_is_there(asked: Asked, said: Said, tmp_path: Path) -> None:
    file = lab_file(
        tmp_path, "{name: w1, cpu: 1, address: 10.0.0.9}, {name: w5}", "{nodeCIDR: 10.0.0.0/24}"
    )
    assert main(["up", "-f", file]) == 1
    assert said().splitlines() == [
        'pybernetes: 3 change(s) refused: "lab" exists; these need `pybernetes delete lab` first',
        "spec.networking.nodeCIDR is 192.168.7.0/24 and cannot become 10.0.0.0/24",
        "address of node w1 is 192.168.7.11 and cannot become 10.0.0.9",
        "cpu of node w1 is None and cannot become 1",
    ]
    assert asked == []


def test_a_file_names_its_lab(home: Path, said: Said) -> None:
    assert main(["up", "other", "-f", str(EXAMPLE)]) == 2
    assert 'is about the lab "m-k8s", not "other"' in said()
    assert main(["up", "-f", str(EXAMPLE), "--nodes", "2"]) == 2
    assert "--nodes: the file says which nodes there are" in said()
    make(home, "m-k8s")
    assert main(["up", "-f", str(EXAMPLE)]) == 1
    assert 'there is a cluster "m-k8s" already, which is no lab' in said()


def test_list_shows_clusters_with_their_nodes(lab: Path, home: Path, said: Said) -> None:
    make(home, "many", nodes=40, node="hollow")
    assert main(["list"]) == 0
    rows = {line.split()[0]: line for line in said().splitlines()}
    assert "stopped  lab-control-plane w1 w2  https://" in rows["lab"]
    assert rows["many"].split()[1:3] == ["stopped", "40"]

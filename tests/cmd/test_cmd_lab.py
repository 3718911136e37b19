# SPDX-License-Identifier: Apache-2.0
"""A real lab through every death: of a node's process, its containerd, the main process, everything."""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labmachine import LabMachine
from pybernetes.linux import cgroups, mounts

WORKER = "w1"
LIMITS = {"cpu": "1500m", "memory": "1Gi"}
pytestmark = [pytest.mark.node, pytest.mark.kubectl, pytest.mark.timeout(240)]
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {"containers": [{"name": "web", "image": "pybernetes/web:1"}]},
}


def _command(process: Path) -> str:
    """What a process was started as; "" if it has ended."""
    try:
        return (process / "cmdline").read_text(errors="replace")
    except OSError:
        return ""


def out(*words: str, data: str = "") -> str:
    done = subprocess.run(words, input=data, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{words}: {done.stdout}{done.stderr}"
    return done.stdout


def eventually(check: Callable[[], object], what: str, seconds: float = 40.0) -> None:
    deadline = time.monotonic() + seconds
    while not check():
        assert time.monotonic() < deadline, f"not within {seconds:.0f} s: {what}"
        time.sleep(0.1)


class Lab:
    """A control plane and worker w1, by the main process's own command line."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        nodes = [
            {"name": "cp", "role": "control-plane"},
            {"name": WORKER, "labels": {"disk": "ssd"}, **LIMITS},
        ]
        asked = {"name": "deaths", "port": 0, "lab": {"nodes": nodes}}
        (data_dir / "config.json").write_text(json.dumps(asked))

    def up(self) -> None:
        reading, writing = os.pipe()
        command = ["-m", "pybernetes.cmd.all_in_one", str(self.data_dir), "--report", str(writing)]
        with (self.data_dir / "log").open("ab") as log:
            self.main = subprocess.Popen(
                [sys.executable, *command], pass_fds=(writing,), stderr=log, start_new_session=True
            )
        os.close(writing)
        with os.fdopen(reading) as lines:
            said = lines.read().splitlines()
        assert said[-1:] == ["ready"], said
        self.config = ClusterConfig.read(self.data_dir)

    def kill_main(self) -> None:
        self.main.kill()
        self.main.wait()

    def clean_up(self) -> None:
        out(sys.executable, "-m", "pybernetes.cmd.clean_up", str(self.data_dir))

    def machine(self, name: str) -> LabMachine:
        return LabMachine(self.config, name)

    def ask(self, do: str, name: str) -> str:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(self.data_dir / "control.sock"))
            connection.sendall(json.dumps({"do": do, "node": {"name": name}}).encode() + b"\n")
            with connection.makefile() as lines:
                return lines.read().splitlines()[-1]

    def kubectl(self, *words: str, data: str = "") -> str:
        path = str(self.data_dir / "admin.kubeconfig")
        return out("kubectl", "--kubeconfig", path, *words, data=data)

    def hostname(self) -> str:
        command = ["kubectl", "--kubeconfig", str(self.data_dir / "admin.kubeconfig")]
        command += ["exec", "web", "--", "hostname"]
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        return done.stdout

    def web(self) -> tuple[str, int, str]:
        """Container, restarts and address of the pod, once it is running."""
        found: list[tuple[str, int, str]] = []

        def look() -> bool:
            status = json.loads(self.kubectl("get", "pod", "web", "-o", "json"))["status"]
            (one,) = status.get("containerStatuses") or [{"ready": False}]
            if one["ready"] and "running" in one["state"]:
                found.append((one["containerID"], one["restartCount"], status["podIP"]))
            return bool(found)

        eventually(look, "the pod runs")
        return found[-1]

    def answers(self, address: str) -> bool:
        get = ["timeout", "2", "busybox", "wget", "-qO-", address]
        done = subprocess.run(get, capture_output=True, check=False)
        return done.stdout.startswith(b"Hello from web")


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        lab = Lab(Path(name))
        try:
            lab.up()
            eventually(lambda: "default" in lab.kubectl("get", "sa"), "the service account")
            lab.kubectl("apply", "-f", "-", data=json.dumps(POD))
            yield lab
        finally:
            lab.main.terminate()
            lab.main.wait()
            lab.clean_up()


def test_nodes_have_their_roles_labels_and_certificates(lab: Lab) -> None:
    nodes = {
        one["metadata"]["name"]: one
        for one in json.loads(lab.kubectl("get", "nodes", "-o", "json"))["items"]
    }
    assert "node-role.kubernetes.io/control-plane" in nodes["cp"]["metadata"]["labels"]
    assert nodes["cp"]["spec"]["taints"][0]["effect"] == "NoSchedule"
    assert nodes[WORKER]["metadata"]["labels"]["disk"] == "ssd"
    users = lab.kubectl("get", "csr", "-o", "jsonpath={.items[*].spec.username}").split()
    assert {"system:node:cp", "system:node:w1"} <= set(users)
    assert (
        out("getent", "hosts", f"{WORKER}.deaths").split()[0] == lab.config.lab.node(WORKER).address
    )


def test_a_nodes_limits_are_its_capacity_and_the_kernels_limits(lab: Lab) -> None:
    capacity = json.loads(lab.kubectl("get", "node", WORKER, "-o", "json"))["status"]["capacity"]
    assert LIMITS.items() <= capacity.items()
    texts = [
        (tree / file).read_text().strip()
        for tree in cgroups.trees(lab.machine(WORKER).cgroup)
        for file in ("memory.limit_in_bytes", "memory.max", "cpu.cfs_quota_us", "cpu.max")
        if (tree / file).exists()
    ]
    assert str(1 << 30) in texts
    assert any(text.split()[0] == "150000" for text in texts)


def test_containers_do_not_notice_the_death_of_kubelet_containerd_and_main_process(
    lab: Lab,
) -> None:
    before = lab.web()
    machine = lab.machine(WORKER)
    victim = machine.pid()
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: machine.pid() not in (0, victim), "the node's process is back")
    file = machine.folder / "containerd" / "containerd.pid"
    daemon = file.read_text()
    os.kill(int(daemon), signal.SIGKILL)
    eventually(lambda: file.read_text() != daemon, "containerd is back")
    assert lab.answers(before[2])
    nodes = [lab.machine(name).pid() for name in ("cp", WORKER)]
    lab.kill_main()
    assert lab.answers(before[2])
    lab.up()
    assert [lab.machine(name).pid() for name in ("cp", WORKER)] == nodes, "they were adopted"
    eventually(lambda: lab.hostname() == "web\n", "the kubelet knows its pods again")
    assert lab.web() == before


def test_a_power_cut_restarts_containers_and_deletes_nothing(lab: Lab) -> None:
    before = lab.web()
    assert lab.ask("node kill", WORKER) == "ready"
    assert not lab.answers(before[2])
    assert cgroups.trees(lab.machine(WORKER).cgroup) == []
    assert lab.ask("node heal", WORKER) == "ready"
    eventually(lambda: lab.web()[1] == before[1] + 1, "the container was restarted")
    eventually(lambda: lab.answers(lab.web()[2]), "the pod answers")
    assert lab.ask("node kill", "nobody") == "error: there is no node nobody"


def test_nothing_is_left_when_everything_was_killed_and_all_comes_back(lab: Lab) -> None:
    restarts = lab.web()[1]
    lab.kill_main()
    cgroups.kill(lab.config.cgroup_root)
    lab.clean_up()
    assert cgroups.trees(lab.config.cgroup_root) == []
    assert mounts.below(lab.data_dir) == []
    assert lab.config.bridge not in out("ip", "link") + out("ip", "route")
    assert lab.config.slug not in out("nft", "list", "tables") + Path("/etc/hosts").read_text()
    assert not [one for one in Path("/proc").glob("[0-9]*") if str(lab.data_dir) in _command(one)]
    lab.up()
    eventually(lambda: lab.web()[1] == restarts + 1, "the container was restarted")
    eventually(lambda: lab.answers(lab.web()[2]), "the pod answers")

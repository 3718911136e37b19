# SPDX-License-Identifier: Apache-2.0
"""Labs come back: after `down`, after kill -9 of any process at any moment, after a reboot; and go."""

import contextlib
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import KUBECTLS, Cli, can_run_containers, require, wait_until

from pybernetes.machine.cleanup import shims
from pybernetes.machine.config import Config

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(180)]
NODES = ("cp", "w1", "w2", "w3")


def out(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def pid_in(path: Path) -> int:
    return int(path.read_text().split()[0])


def victims(lab: Cli) -> dict[str, int]:
    """Every process of ours (not of pods) by a name."""
    found = {"cluster": pid_in(lab.data_dir / "pybernetes.pid")}
    for node in NODES:
        folder = lab.data_dir / "nodes" / node
        found[node] = pid_in(folder / "node.pid")
        found[f"{node}'s containerd"] = pid_in(folder / "containerd" / "containerd.pid")
    return found


def restarts(lab: Cli) -> dict[str, int]:
    pods = lab.get("pods")["items"]
    return {
        pod["metadata"]["name"]: sum(
            one["restartCount"] for one in pod["status"]["containerStatuses"]
        )
        for pod in pods
    }


def is_right(lab: Cli) -> None:
    lab.wait_right()
    assert {row["status"] for row in lab.status()["nodes"]} == {"running"}
    get = ("timeout", "5", "busybox", "wget", "-qO-", "http://192.168.217.103:31080/")
    for node in NODES:
        said = wait_until(lambda at=node: lab.on_node(at, *get, check=False), 20)
        assert said.startswith("web-")


def belongings(data_dir: Path) -> list[str]:
    """Everything on this machine that belongs to a lab, a line each."""
    slug = out("sh", "-c", f"printf %s {data_dir} | sha256sum")[:8]
    found = [
        line
        for line in Path("/proc/self/mountinfo").read_text().splitlines()
        if str(data_dir) in line
    ]
    found += [line for line in out("nft", "list", "tables").splitlines() if slug in line]
    found += [line for line in out("ip", "-br", "link").splitlines() if slug in line]
    found += [str(path) for path in Path("/sys/fs/cgroup").glob(f"*/pybernetes-{slug}*")]
    found += [line for line in Path("/etc/hosts").read_text().splitlines() if slug in line]
    found += [line for line in out("ip", "route").splitlines() if slug in line]
    for process in Path("/proc").glob("[0-9]*"):
        try:
            command = (process / "cmdline").read_bytes()
        except OSError:
            continue
        if str(data_dir).encode() in command and b"pytest" not in command:
            found.append(command.decode(errors="replace"))
    return found


def kill_everything(lab: Cli) -> None:
    """As a power cut does: nothing has time to say goodbye."""
    doomed = list(victims(lab).values())
    for node in NODES:
        doomed += shims(Config(data=lab.data_dir / "nodes" / node))
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    slug = out("sh", "-c", f"printf %s {lab.data_dir} | sha256sum")[:8]
    for procs in Path("/sys/fs/cgroup").glob(f"*/pybernetes-{slug}/**/cgroup.procs"):
        for pid in procs.read_text().split():
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), signal.SIGKILL)


@pytest.fixture(autouse=True)
def new_pods(request: pytest.FixtureRequest) -> None:
    """Pods that have not restarted before: back-off grows with every restart."""
    if "lab" in request.fixturenames:
        lab: Cli = request.getfixturevalue("lab")
        lab.kubectl("delete", "pods", "on-w1", "on-w2", "on-w3", "--now", "--ignore-not-found")
        lab.kubectl("apply", "-f", str(Path(__file__).with_name("lab-pods.yaml")))
        lab.wait_right()


def test_down_leaves_nothing_and_up_brings_everything_back(lab: Cli) -> None:
    lab.wait_right()
    pods = {pod["metadata"]["uid"] for pod in lab.get("pods")["items"]}
    nodes = {
        node["metadata"]["name"]: node["metadata"]["uid"] for node in lab.get("nodes")["items"]
    }
    assert belongings(lab.data_dir)
    lab.pybernetes("down")
    assert belongings(lab.data_dir) == []
    assert {row["status"] for row in lab.status()["nodes"]} == {"stopped"}
    lab.pybernetes("up")
    is_right(lab)
    assert {pod["metadata"]["uid"] for pod in lab.get("pods")["items"]} == pods
    assert nodes == {
        node["metadata"]["name"]: node["metadata"]["uid"] for node in lab.get("nodes")["items"]
    }


@pytest.mark.parametrize("seed", [1, 2])
def test_any_process_may_be_killed_at_any_moment(lab: Cli, seed: int) -> None:
    """All of ours, one after another, in any order; pods do not notice."""
    rng = random.Random(seed)
    before = restarts(lab)
    names = sorted(victims(lab))
    rng.shuffle(names)
    for name in names:
        pid = victims(lab)[name]
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            print(name, "is being started again")
        print("killed", name, pid)
        time.sleep(rng.uniform(0.0, 1.5))
        if name == "cluster":
            wait_until(lambda: lab.status()["status"] == "stopped", 10)
            if rng.random() < 0.5:
                lab.pybernetes("up")
    if lab.status()["status"] == "stopped":
        lab.pybernetes("up")
    is_right(lab)
    assert restarts(lab) == before


def test_a_killed_shim_costs_its_pod_a_restart(lab: Cli) -> None:
    before = restarts(lab)
    doomed = shims(Config(data=lab.data_dir / "nodes" / "w3"))
    assert doomed
    for pid in doomed:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: restarts(lab)["on-w3"] > before["on-w3"], 60, "the pod's restart")
    is_right(lab)
    after = restarts(lab)
    for pod in ("on-w1", "on-w2"):
        assert after[pod] == before[pod]


def test_the_machine_is_rebooted(lab: Cli) -> None:
    """All processes die, and what is only in memory is gone: namespaces, links, rules, cgroups."""
    kill_everything(lab)
    for line in Path("/proc/self/mountinfo").read_text().splitlines()[::-1]:
        if str(lab.data_dir) in (point := line.split()[4]):
            subprocess.run(["umount", "-l", point], check=False, capture_output=True)
    slug = out("sh", "-c", f"printf %s {lab.data_dir} | sha256sum")[:8]
    subprocess.run(["ip", "link", "delete", f"pybr-{slug}"], check=True)
    for table in out("nft", "list", "tables").splitlines():
        if slug in table:
            subprocess.run(["nft", "delete", *table.split()], check=True)
    lab.pybernetes("up")
    is_right(lab)


@pytest.fixture
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cli]:
    require(can_run_containers(), "root, containerd, runc, CNI plugins and nftables")
    cli = Cli(tmp_path_factory.mktemp("s") / "data", program=str(KUBECTLS["1.37"]))
    cli.pybernetes("up", "--nodes", "2", "--name", "small", "--port", "0")
    yield cli
    cli.pybernetes("delete", check=False)


def test_delete_leaves_nothing_even_after_kill_9_of_everything(small: Cli) -> None:
    small.kubectl("create", "deployment", "web", "--image=pybernetes/web:1", "--replicas=3")
    small.kubectl("rollout", "status", "deploy/web", "--timeout=60s")
    listed = small.pybernetes("node", "list").stdout
    assert [line.split()[0] for line in listed.splitlines()[1:]] == [
        "small-control-plane",
        "w1",
        "w2",
    ]
    os.kill(pid_in(small.data_dir / "pybernetes.pid"), signal.SIGKILL)
    for node in ("small-control-plane", "w1"):
        os.kill(pid_in(small.data_dir / "nodes" / node / "node.pid"), signal.SIGKILL)
    os.kill(
        pid_in(small.data_dir / "nodes" / "w2" / "containerd" / "containerd.pid"), signal.SIGKILL
    )
    assert len(belongings(small.data_dir)) > 5
    small.pybernetes("delete")
    assert belongings(small.data_dir) == []
    assert not small.data_dir.exists()


def test_a_path_that_is_too_long_for_sockets_is_one_line(tmp_path: Path) -> None:
    cli = Cli(tmp_path / ("long" * 15))
    done = cli.pybernetes("up", "--nodes", "2", "--port", "0", check=False)
    assert done.returncode == 1
    assert "its path is too long for a unix socket" in done.stderr.splitlines()[-1]

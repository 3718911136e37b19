# SPDX-License-Identifier: Apache-2.0
"""What only a node with containers can do: traffic, streams, restarts, volumes, coming back.

The tests of this file run in order and share a cluster.
"""

import hashlib
import os
import signal
import subprocess
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest
from commandline import KUBECTL, WEB, Cli, wait_until, web_pods

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def cli(real: Cli) -> Iterator[Cli]:
    """The cluster, with the example running in it."""
    real.kubectl("apply", "-f", WEB)
    real.kubectl("rollout", "status", "deploy/web", "-n", "demo", "--timeout=90s")
    yield real
    real.kubectl("delete", "-f", WEB, "--timeout=90s")


def read(path: Path) -> str:
    """A file of /proc; "" if its process has ended."""
    try:
        return path.read_text(errors="replace")
    except OSError:
        return ""


def fetch(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        text: str = answer.read().decode()
    return text


def answer(url: str) -> str:
    """What is there; "" while nobody answers."""
    try:
        return fetch(url)
    except OSError:
        return ""


def test_the_service_answers_from_the_host_and_by_name_from_a_pod(cli: Cli) -> None:
    cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=60s")
    address = cli.get("svc", "web", "-n", "demo")["spec"]["clusterIP"]
    assert wait_until(lambda: answer(f"http://{address}/"), 20)
    for name in ("web", "web.demo.svc.cluster.local"):
        text = cli.kubectl(
            "exec", "-n", "demo", web_pods(cli)[0], "--", "wget", "-O", "-", f"http://{name}/"
        )
        assert text.strip()


def test_logs_and_exec(cli: Cli) -> None:
    assert (
        cli.kubectl("exec", "-n", "demo", web_pods(cli)[0], "--", "hostname").strip()
        == web_pods(cli)[0]
    )
    echoed = cli.kubectl(
        "exec", "-i", "-n", "demo", web_pods(cli)[0], "--", "cat", data="over the wire\n"
    )
    assert echoed == "over the wire\n"
    failed = cli.kubectl_process("exec", "-n", "demo", web_pods(cli)[0], "--", "sh", "-c", "exit 7")
    assert failed.returncode == 7
    cli.kubectl("run", "talker", "--image=pybernetes/web:1", "--restart=Never", "--command", "--",
                "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.3; done")  # fmt: skip
    cli.kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert cli.kubectl("logs", "-f", "talker").splitlines() == ["line 1", "line 2", "line 3"]
    cli.kubectl("delete", "pod", "talker")


def test_an_image_made_of_a_program_reaches_the_api_server(cli: Cli) -> None:
    """kubectl itself, as an image, with nothing but its pod's service account."""
    cli.pybernetes("image", "load", str(KUBECTL), "--tag", "example.org/kubectl:1")
    assert "example.org/kubectl:1" in cli.pybernetes("image", "list").stdout
    cli.kubectl("run", "inside", "--image=example.org/kubectl:1", "--restart=Never",
                "--image-pull-policy=Never", "--", "get", "--raw", "/version")  # fmt: skip
    cli.kubectl("wait", "pod/inside", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert '"major":"1"' in cli.kubectl("logs", "inside").replace(" ", "")
    cli.kubectl("delete", "pod", "inside")


def test_a_killed_container_is_restarted_and_counted(cli: Cli) -> None:
    name = web_pods(cli)[0]
    before = cli.get("pod", name, "-n", "demo")["status"]
    container = before["containerStatuses"][0]["containerID"].removeprefix("containerd://")
    victims = [
        int(process.name)
        for process in Path("/proc").glob("[0-9]*")
        if container in read(process / "cgroup") and "httpd" in read(process / "cmdline")
    ]
    assert victims
    os.kill(victims[0], signal.SIGKILL)

    def restarted() -> bool:
        status = cli.get("pod", name, "-n", "demo")["status"]["containerStatuses"][0]
        return bool(status["restartCount"] == 1 and status["ready"])

    wait_until(restarted, 60, "the restart")
    assert "1 (" in cli.kubectl("get", "pod", name, "-n", "demo")


def test_configuration_reaches_running_containers(cli: Cli) -> None:
    name = web_pods(cli)[0]
    read = ("exec", "-n", "demo", name, "--", "cat", "/etc/web/token")
    assert cli.kubectl(*read) == "not-a-real-secret"
    cli.kubectl("patch", "secret", "web", "-n", "demo", "-p", '{"stringData":{"token":"changed"}}')
    wait_until(lambda: cli.kubectl(*read) == "changed", 90, "the volume's update")


def test_down_and_up_bring_everything_back(cli: Cli) -> None:
    pods = len(cli.get("pods", "-n", "demo", "-l", "app=web")["items"])
    assert "running" in cli.pybernetes("status").stdout
    cli.pybernetes("down")
    assert cli.pybernetes("status", check=False).returncode == 3
    ours = hashlib.sha256(str(cli.data_dir).encode()).hexdigest()[:8]  # another cluster may run
    for look in (["nft", "list", "tables"], ["ip", "-br", "link"]):
        found = subprocess.run(look, capture_output=True, text=True, check=True)
        assert ours not in found.stdout
    cli.pybernetes("up")
    cli.kubectl("rollout", "status", "-n", "demo", "deploy/web", "--timeout=90s")
    address = cli.get("svc", "web", "-n", "demo")["spec"]["clusterIP"]
    assert wait_until(lambda: answer(f"http://{address}/"), 30)
    assert len(cli.get("pods", "-n", "demo", "-l", "app=web")["items"]) == pods

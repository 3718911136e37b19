# SPDX-License-Identifier: Apache-2.0
"""Streams to pods on other nodes, through the kubectl of this machine and through 1.37's."""

import dataclasses
import hashlib
import os
import socket
import subprocess
import urllib.request
from pathlib import Path

import pytest
from commandline import KUBECTLS, Cli, require, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.node, pytest.mark.timeout(120)]


@pytest.fixture(params=sorted(KUBECTLS))
def cli(lab: Cli, request: pytest.FixtureRequest) -> Cli:
    program = KUBECTLS[request.param]
    require(program is not None, f"kubectl ({request.param})")
    return dataclasses.replace(lab, program=str(program))


@pytest.mark.parametrize("pod", ["on-w1", "on-w3"])
def test_exec(cli: Cli, pod: str) -> None:
    assert cli.kubectl("exec", pod, "--", "hostname").strip() == pod
    data = "x" * 1_000_000
    assert cli.kubectl("exec", "-i", pod, "--", "sh", "-c", "sleep 0.2; cat", data=data) == data
    done = cli.kubectl_process("exec", pod, "--", "sh", "-c", "echo out; echo err >&2; exit 7")
    assert (done.stdout, done.returncode) == ("out\n", 7)
    assert done.stderr.startswith("err\n")
    output, code = cli.terminal("exec", "-it", pod, "--", "sh", "-c", "tty; exit 3")
    assert ("/dev/pts/" in output, code) == (True, 3)


def test_run_attached_to_a_terminal(cli: Cli) -> None:
    output, code = cli.terminal("run", "typed", "-it", "--rm", "--restart=Never",
                                "--image=pybernetes/web:1", "--command", "--", "sh",
                                typed="expr 40 + 2\nexit 5\n")  # fmt: skip
    assert "42" in output.split()
    assert code == 5
    assert "NotFound" in cli.kubectl("get", "pod", "typed", check=False)


def test_attach(cli: Cli) -> None:
    """Two attached to one terminal: both see what it shows; one goes, the shell goes on."""
    pipe, command = subprocess.PIPE, cli.kubectl_command("attach", "-i", "-q", "on-w2")
    with (
        subprocess.Popen(command, stdin=pipe, stdout=pipe) as first,
        subprocess.Popen(command, stdin=pipe, stdout=pipe) as second,
    ):
        try:
            for number, one in enumerate((first, second, first)):
                assert one.stdin
                for seen in (first, second) if number else (first,):
                    one.stdin.write(f"expr 4{number} + 0\n".encode())
                    one.stdin.flush()
                    assert seen.stdout
                    assert any(line.strip() == b"4%d" % number for line in seen.stdout)
        finally:
            second.kill()
            first.kill()
    assert cli.get("pod", "on-w2")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_copies(cli: Cli, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    (tree / "deep" / "data").write_bytes(os.urandom(3_000_000))
    (tree / "text").write_text("text\n")
    cli.kubectl("cp", str(tree), "on-w1:/tmp/")
    cli.kubectl("exec", "on-w1", "--", "sh", "-c", "mv /tmp/tree /tmp/moved")
    cli.kubectl("cp", "on-w1:/tmp/moved", str(tmp_path / "back"))
    cli.kubectl("exec", "on-w1", "--", "rm", "-r", "/tmp/moved")

    def digests(top: Path) -> dict[str, str]:
        files = (path for path in top.rglob("*") if path.is_file())
        return {
            str(path.relative_to(top)): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in files
        }

    assert digests(tmp_path / "back") == digests(tree)


@pytest.mark.parametrize("target", ["svc/web", "deploy/web"])
def test_port_forward(cli: Cli, target: str) -> None:
    names = {pod["metadata"]["name"] for pod in cli.get("pods", "-l", "app=web")["items"]}
    port = ":80" if target.startswith("svc") else ":8080"
    with cli.kubectl_running("port-forward", target, port, line="Forwarding") as line:
        local = int(line.split()[2].rpartition(":")[2])
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", local), timeout=5) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = b"".join(iter(lambda: connection.recv(4096), b""))
            assert answer.decode().split()[-1] in names


def test_debug_with_an_ephemeral_container(cli: Cli) -> None:
    before = len(cli.get("pod", "on-w2")["spec"].get("ephemeralContainers", ()))
    output, _ = cli.terminal("debug", "-it", "on-w2", "--image=pybernetes/web:1", "--target=c",
                             "--", "sh", typed="hostname\nls /proc/1/root/bin/sh\nexit\n")  # fmt: skip
    assert "on-w2" in output.split()
    assert "/proc/1/root/bin/sh" in output.splitlines()
    status = cli.get("pod", "on-w2")["status"]["ephemeralContainerStatuses"]
    assert len(status) == before + 1
    assert cli.get("pod", "on-w2")["status"]["containerStatuses"][0]["restartCount"] == 0


def test_debug_of_a_copy_and_of_a_node(cli: Cli) -> None:
    cli.kubectl("debug", "on-w2", "--image=pybernetes/web:1", "--copy-to=copied", "--attach=false",
                "--", "sleep", "60")  # fmt: skip
    cli.kubectl("wait", "pod/copied", "--for=condition=Ready", "--timeout=20s")
    assert len(cli.get("pod", "copied")["spec"]["containers"]) == 2
    cli.kubectl("delete", "pod", "copied", "--grace-period=1")
    said = cli.kubectl("debug", "node/w1", "--image=pybernetes/web:1", "--attach=false", "--",
                       "sh", "-c", "hostname; ls -d /host/usr/bin; sleep 60")  # fmt: skip
    pod = next(word for word in said.split() if word.startswith("node-debugger-w1-"))
    cli.kubectl("wait", f"pod/{pod}", "--for=condition=Ready", "--timeout=20s")
    wait_until(
        lambda: cli.kubectl("logs", pod) == "w1\n/host/usr/bin\n", 10, "the node's own host name"
    )
    cli.kubectl("delete", "pod", pod, "--grace-period=1")


def test_proxy(cli: Cli) -> None:
    with cli.kubectl_running("proxy", "--port=0", line="Starting to serve") as line:
        base = f"http://{line.split()[-1]}"
        paths = {
            "/api/v1/namespaces/default/pods/on-w1": b'"on-w1"',
            "/api/v1/namespaces/default/services/web:80/proxy/": b"web-",
            "/api/v1/nodes/w2/proxy/healthz": b"ok",
            "/version": b'"minor"',
        }
        for path, word in paths.items():
            with urllib.request.urlopen(base + path, timeout=10) as answer:
                assert word in answer.read(), path


def test_logs_follow(cli: Cli) -> None:
    cli.kubectl("run", "talker", "--image=pybernetes/web:1", "--restart=Never", "--command", "--",
                "sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.3; done")  # fmt: skip
    cli.kubectl("wait", "pod/talker", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=30s")
    assert cli.kubectl("logs", "-f", "talker").splitlines() == ["line 1", "line 2", "line 3"]
    cli.kubectl("delete", "pod", "talker")

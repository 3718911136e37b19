# SPDX-License-Identifier: Apache-2.0
"""Bad input gets one clear line (or a Status with reason, field and message), and nothing is lost."""

import contextlib
import json
import os
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from commandline import Cli, require, wait_until

pytestmark = [pytest.mark.kubectl, pytest.mark.timeout(120)]


def test_a_second_up_says_what_runs(hollow: Cli) -> None:
    done = hollow.pybernetes("up", check=False)
    assert done.returncode == 1
    assert "is running already (pid " in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_taken_port_is_named(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        done = Cli(tmp_path / "data").pybernetes(
            "up", "--node", "hollow", "--port", str(port), check=False
        )
    assert done.returncode == 1
    assert f"port {port} is taken" in done.stderr
    assert "--port" in done.stderr


@pytest.mark.parametrize(
    ("flags", "text"),
    [
        (("--port", "70000"), "must be between 0 and 65535"),
        (("--cluster-cidr", "10.0.0.0/33"), "--cluster-cidr 10.0.0.0/33"),
        (("--service-cidr", "10.244.0.0/20"), "overlap"),
        (("--node", "hollow", "--nodes", "0"), "must be between 1 and 10000"),
    ],
)
def test_bad_flags(tmp_path: Path, flags: tuple[str, ...], text: str) -> None:
    done = Cli(tmp_path / "data").pybernetes("up", *flags, check=False)
    assert done.returncode == 1
    assert text in done.stderr
    assert "Traceback" not in done.stderr


def test_a_newer_data_directory_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "config.json").write_text(json.dumps({"format": 99}))
    done = Cli(data).pybernetes("up", check=False)
    assert done.returncode == 1
    assert "newer than this version" in done.stderr


def test_a_cluster_that_is_not_there(tmp_path: Path) -> None:
    for verb in ("down", "delete", "status"):
        done = Cli(tmp_path / "data").pybernetes(verb, check=False)
        assert done.returncode == 1
        assert "there is no cluster" in done.stderr


def test_a_killed_process_is_noticed_and_its_state_survives(tmp_path: Path) -> None:
    cli = Cli(tmp_path / "data")
    cli.pybernetes("up", "--node", "hollow", "--port", "0")
    cli.kubectl("create", "configmap", "kept", "--from-literal=a=b")
    server = json.loads((cli.data_dir / "state.json").read_text())["server"]
    os.kill(int((cli.data_dir / "pybernetes.pid").read_text()), signal.SIGKILL)
    wait_until(lambda: "stopped" in cli.pybernetes("status", check=False).stdout, 10)
    cli.pybernetes("up")
    assert cli.get("configmap", "kept")["data"] == {"a": "b"}
    assert json.loads((cli.data_dir / "state.json").read_text())["server"] == server
    cli.pybernetes("delete")
    assert not cli.data_dir.exists()


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        ("{", ["error parsing STDIN"]),
        (
            '{"apiVersion":"v1","kind":"Nope","metadata":{"name":"a"}}',
            ['no matches for kind "Nope"'],
        ),
        (
            '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"containers":[{"name":"A","image":"i"}]}}',
            ["spec.containers[0].name: Invalid value", "RFC 1123 label"],
        ),
        (
            '{"apiVersion":"v1","kind":"Pod","metadata":{"name":"a"},"spec":{"bogus":1,"containers":[{"name":"a","image":"i"}]}}',
            ['unknown field "spec.bogus"'],
        ),
        (
            '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":"x",'
            '"selector":{"matchLabels":{"a":"b"}},"template":{"metadata":{"labels":{"a":"b"}},'
            '"spec":{"containers":[{"name":"c","image":"i"}]}}}}',
            ["cannot unmarshal", "replicas"],
        ),
        (
            '{"apiVersion":"v1","kind":"Service","metadata":{"name":"s"},"spec":{"ports":[{"port":0}]}}',
            ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535"],
        ),
    ],
)
def test_broken_manifests(hollow: Cli, manifest: str, words: list[str]) -> None:
    done = hollow.kubectl_process("apply", "-f", "-", data=manifest)
    assert done.returncode == 1
    for word in words:
        assert word in done.stderr


@pytest.mark.node
def test_a_full_disk_is_said_and_nothing_is_lost(tmp_path: Path) -> None:
    require(os.geteuid() == 0, "root, to mount a small file system")
    data = tmp_path / "data"
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m", "none", str(data)], check=True)
    cli = Cli(data)
    try:
        cli.pybernetes("up", "--node", "hollow", "--port", "0")
        cli.kubectl("create", "configmap", "before", "--from-literal=a=b")
        filler = data / "filler"
        with filler.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(b"x" * 65536)
        big = f"--from-literal=a={'x' * 100_000}"
        refused = [cli.kubectl_process("create", "configmap", f"big-{n}", big) for n in range(8)]
        failed = [one.stderr for one in refused if one.returncode]
        assert failed
        assert "space" in failed[-1] or "full" in failed[-1]
        assert cli.get("configmap", "before")["data"] == {"a": "b"}  # reads go on
        filler.unlink()
        wait_until(lambda: cli.kubectl_process("create", "configmap", "after").returncode == 0, 20)
        cli.pybernetes("down")
        cli.pybernetes("up")
        assert cli.get("configmap", "before")["data"] == {"a": "b"}
        cli.kubectl("get", "configmap", "after")
        cli.pybernetes("down")
    finally:
        subprocess.run(["umount", "-l", str(data)], check=False)


def test_another_users_data_directory_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    (data / "config.json").write_text("{}")
    os.chmod(data / "config.json", 0)
    prefix = (
        ("setpriv", "--bounding-set=-dac_override,-dac_read_search") if os.geteuid() == 0 else ()
    )
    done = Cli(data, prefix).pybernetes("status", check=False)
    assert done.returncode == 1
    assert "no permission to read" in done.stderr

# SPDX-License-Identifier: Apache-2.0
"""Real etcd members for tests: 3.6, built from the Go module proxy, and the distribution's 3.4."""

import os
import shutil
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from conformance.versions import binaries
from tests.ports import free_port

VERSIONS = ("3.6", "3.4")


def program(version: str) -> str:
    """The etcd of this version; the test is skipped without it."""
    found = (
        binaries() / "etcd" if version == "3.6" else Path(shutil.which("etcd") or "/usr/bin/etcd")
    )
    if not found.exists():
        pytest.skip(f"needs etcd {version}: run scripts/setup.sh and scripts/ci-tools.sh")
    return str(found)


@dataclass
class Member:
    """One etcd process on loopback; `start` again after `kill` keeps its data."""

    folder: Path
    version: str = "3.6"
    name: str = "a"
    words: tuple[str, ...] = ()
    client: int = field(default_factory=free_port)
    peer: int = field(default_factory=free_port)
    cluster: str = ""
    scheme: str = "http"
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.client}"

    @property
    def peer_url(self) -> str:
        return f"http://127.0.0.1:{self.peer}"

    def start(self, *, wait: bool = True) -> "Member":
        self.folder.mkdir(parents=True, exist_ok=True)
        command = [
            program(self.version),
            "--name",
            self.name,
            "--data-dir",
            str(self.folder / "data"),
        ]
        command += ["--listen-client-urls", self.url, "--advertise-client-urls", self.url]
        command += [
            "--listen-peer-urls",
            self.peer_url,
            "--initial-advertise-peer-urls",
            self.peer_url,
        ]
        command += ["--initial-cluster", self.cluster or f"{self.name}={self.peer_url}"]
        environment = {**os.environ, "ETCD_UNSUPPORTED_ARCH": "arm64"}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*command, *self.words], stdout=log, stderr=log, env=environment
            )
        if wait:
            self.wait()
        return self

    def wait(self, seconds: float = 20) -> None:
        """Until the client port is open."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            assert self.process is not None
            if self.process.poll() is not None:
                break
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.client)) == 0:
                    return
            time.sleep(0.02)
        raise RuntimeError((self.folder / "log").read_text()[-2000:])

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process = None

    def pause(self) -> None:
        """As if its machine hung."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)


def three(folder: Path, version: str = "3.6") -> list[Member]:
    """A cluster of three members, started."""
    members = [Member(folder / name, version, name) for name in ("a", "b", "c")]
    cluster = ",".join(f"{member.name}={member.peer_url}" for member in members)
    for member in members:
        member.cluster = cluster
        member.start(wait=False)
    for member in members:
        member.wait()
    return members

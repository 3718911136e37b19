# SPDX-License-Identifier: Apache-2.0
"""Pinned namespaces, names in hosts files, waiting for processes."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
from pathlib import Path

import pytest

from pybernetes.linux import hosts, mounts, namespaces
from pybernetes.linux.processes import wait_end


def out(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def sleeper() -> subprocess.Popen[bytes]:
    return subprocess.Popen(["sleep", "60"])


@pytest.mark.node
async def test_namespaces_outlive_processes_and_end_with_their_pins(tmp_path):
    place = tmp_path / "ns"
    namespaces.prepare(place)
    namespaces.prepare(place)
    try:
        for name in [f"n{number}" for number in range(6)]:  # on whatever processor
            assert await namespaces.pin(place / name)
        assert not await namespaces.pin(place / "n0")
        inside = namespaces.joining(place / "n0")
        out(*inside, "hostname", "elsewhere")
        out(*inside, "mount", "-t", "tmpfs", "none", "/mnt")
        assert out(*inside, "hostname") == "elsewhere\n"
        assert os.uname().nodename != "elsewhere"
        assert "/mnt" not in mounts.points()
        out("umount", str(place / "n1" / "uts"))
        assert await namespaces.pin(place / "n1"), "a broken set is made anew"
    finally:
        namespaces.unpin(place)
    assert mounts.below(tmp_path) == []


def test_a_block_of_names_comes_changes_and_goes():
    text = "127.0.0.1\tlocalhost"
    first = hosts.with_block(text, "lab a", {"w1": "192.168.1.101", "w2": "192.168.1.102"})
    both = hosts.with_block(first, "lab b", {"w1": "192.168.2.101"})
    assert both.splitlines()[:3] == [text, "# lab a begin", "192.168.1.101\tw1"]
    changed = hosts.with_block(both, "lab a", {"w3": "192.168.1.103"})
    assert "192.168.1.103\tw3" in changed
    assert "192.168.1.102" not in changed
    without = hosts.with_block(changed, "lab a", {})
    assert hosts.with_block(without, "lab b", {}) == text + "\n"


def test_a_hosts_file_is_never_seen_half_written(tmp_path):
    path = tmp_path / "hosts"
    names = {f"w{number}": f"192.168.1.{number}" for number in range(1, 60)}
    hosts.write("a", names, path)
    first = path.read_text()
    writer = multiprocessing.get_context("fork").Process(target=_rewrite, args=(path, names))
    writer.start()
    seen = {path.read_text() for _ in range(2000)}
    writer.join()
    assert seen <= {first, first + hosts.with_block("", "b", names)}
    assert path.read_text() == first


def _rewrite(path: Path, names: dict[str, str]) -> None:
    for number in range(200):
        hosts.write("b", {} if number % 2 else names, path)


async def test_the_end_of_any_process_is_seen():
    child = sleeper()
    waiting = asyncio.ensure_future(wait_end(child.pid))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    os.kill(child.pid, signal.SIGKILL)
    async with asyncio.timeout(5):
        await waiting
        await wait_end(child.pid)
        await wait_end(0)
    child.returncode = -9  # it was reaped

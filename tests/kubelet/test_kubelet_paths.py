# SPDX-License-Identifier: Apache-2.0
"""Folders of containers that swap links while the kubelet works in them: nothing outside is touched."""

import contextlib
import ctypes
import os
import threading
from contextlib import contextmanager

import pytest

from pybernetes.kubelet import volumemanager
from pybernetes.linux import mounts, paths


@contextmanager
def swapping(one, other):
    """The two names change places, as fast as can be."""
    stop, libc = threading.Event(), ctypes.CDLL(None)
    names = os.fsencode(one), os.fsencode(other)

    def swap():
        while not stop.is_set():
            assert libc.renameat2(-100, names[0], -100, names[1], 2) == 0  # RENAME_EXCHANGE

    thread = threading.Thread(target=swap)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_no_race_leads_out_of_a_volume(tmp_path):
    volume, outside = tmp_path / "volume", tmp_path / "outside"
    inner = volume / "a"
    inner.mkdir(parents=True)
    outside.mkdir()
    (inner / "b").mkdir()
    secret = outside / "b"
    secret.mkdir(mode=0o700)
    before = (secret.stat().st_mode, secret.stat().st_gid)
    opened = 0
    (volume / "link").symlink_to(outside)
    with swapping(inner, volume / "link"):
        for number in range(200):
            with contextlib.suppress(OSError):
                found = paths.make_inside(volume, f"a/b/{number}", 0o770)
                opened += 1
                assert os.readlink(paths.path_of(found)).startswith(f"{volume}/")
                os.close(found)
            with contextlib.suppress(OSError):
                paths.give(volume, os.getgid() + 1)
    assert opened
    assert list(secret.iterdir()) == []
    assert (secret.stat().st_mode, secret.stat().st_gid) == before


def test_a_pipe_or_a_deep_tree_stops_nobody(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    folder = tmp_path
    for _ in range(60):
        folder /= "d" * 30
        folder.mkdir()
    (tmp_path / "link").symlink_to("/etc/hostname")
    before = os.stat("/etc/hostname")
    if os.getuid():
        pytest.skip("needs root: only root gives files away")
    paths.give(tmp_path, 4711)
    assert folder.stat().st_gid == (tmp_path / "pipe").stat().st_gid == 4711
    assert folder.stat().st_mode & 0o7777 == 0o2775
    assert os.stat("/etc/hostname") == before


@pytest.mark.node
def test_what_is_mounted_survives_its_pod_also_where_the_data_lie_behind_a_link(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "link").symlink_to("data")
    pod, host = tmp_path / "link" / "pod", tmp_path / "host"
    bound = pod / "volume-subpaths" / "v" / "c" / "0"
    for folder in (bound, host):
        folder.mkdir(parents=True)
    (host / "precious").write_text("kept")
    mounts.bind(host, bound)
    assert mounts.is_point(bound)
    volumemanager._remove(pod)
    assert not pod.exists()
    assert (host / "precious").read_text() == "kept"

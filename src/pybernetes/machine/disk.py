# SPDX-License-Identifier: Apache-2.0
"""A lab node's file systems, set up by the node itself in its own mount namespace.

The host's files are seen; what is written below DIRECTORIES stays with the node (an overlay each,
kept in its folder). Its /run is empty at every start, as after a boot. Of the cluster's data
directory only the node's own folder is seen.
"""

import os
import shutil
from pathlib import Path

from pybernetes.base import logs
from pybernetes.linux import mounts, resolvconf

DIRECTORIES = ("etc", "home", "mnt", "opt", "srv", "tmp", "var")
_SEEN = {  # of the node's folder, and where log collectors and drivers expect it
    "kubelet": "/var/lib/kubelet",
    "kubelet/log/pods": "/var/log/pods",
    "kubelet/log/containers": "/var/log/containers",
}
MANIFESTS = Path("/etc/kubernetes/manifests")  # of the node's static pods
_MARK = "pybernetes.pid"  # a cluster's data directory has it
_log = logs.get("machine.disk")


def set_up(data_dir: Path, node_dir: Path, hosts: str, name: str) -> bool:
    """Turn our mount namespace into the node's; False if it is that already. Raises OSError.

    `node_dir` is the node's folder below the cluster's `data_dir`; `hosts` is its /etc/hosts.
    """
    if not (data_dir / _MARK).exists():
        return False  # an earlier process of this node did
    mounts.make_private(Path("/"))
    _forget_other_clusters()
    own = os.open(node_dir, os.O_PATH)
    resolv_conf = resolvconf.read()
    for directory in DIRECTORIES:
        _own(Path("/", directory), node_dir / "disk" / directory)
    for path in (Path("/run"), data_dir):
        mounts.tmpfs(path)
    node_dir.mkdir(parents=True)
    mounts.bind(Path(f"/proc/self/fd/{own}"), node_dir)
    os.close(own)
    mounts.make_shared(Path("/"))
    _show(node_dir)
    if is_own("/etc") and not (node_dir / "disk/etc/kubernetes").exists():
        shutil.rmtree(MANIFESTS.parent, ignore_errors=True)  # the host's, where it is a node itself
        MANIFESTS.mkdir(parents=True)
    for file, text in (("hosts", hosts), ("hostname", f"{name}\n"), ("resolv.conf", resolv_conf)):
        _write(Path("/etc", file), text)
    return True


def _show(node_dir: Path) -> None:
    """Let the kubelet's files be seen where others look for them."""
    for folder, target in _SEEN.items():
        if is_own("/var"):
            (node_dir / folder).mkdir(parents=True, exist_ok=True)
            Path(target).mkdir(parents=True, exist_ok=True)
            mounts.bind(node_dir / folder, Path(target))


def is_own(directory: str) -> bool:
    """Whether what we write there stays with the node."""
    return directory in mounts.points()


def _forget_other_clusters() -> None:
    """Let go of mounts copied with the namespace: else a file system ends only when we do too."""
    for target in mounts.points():
        if any((parent / _MARK).exists() for parent in Path(target).parents):
            mounts.detach(target)


def _own(directory: Path, upper: Path) -> None:
    """Keep what is written below `directory` in `upper`; where overlayfs cannot, it is the host's."""
    work = upper.with_name(f"{upper.name}.work")
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    if not directory.is_dir():
        return
    seen = directory.stat()
    upper.chmod(seen.st_mode & 0o7777)
    try:
        mounts.overlay(directory, upper, work)
    except OSError as error:
        _log.warning("The node shares a folder with the host", path=directory, err=error)


def _write(path: Path, text: str) -> None:
    """Replace a file of the node's own /etc (a link is not followed out of it)."""
    if is_own(str(path.parent)):
        path.unlink(missing_ok=True)
        path.write_text(text)

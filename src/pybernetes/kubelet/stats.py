# SPDX-License-Identifier: Apache-2.0
"""What node and pods use: CPU, memory, network and disk, for summaries, metrics and evictions.

CPU and memory of pods are their cgroups', of containers the runtime's; disk is counted as `du` does,
at most once a minute unless somebody needs it now.
"""

import contextlib
import os
import stat
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from pybernetes.apimachinery.types import Object
from pybernetes.cri import types as cri
from pybernetes.kubelet import naming
from pybernetes.kubelet.node import machine
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.tools import Tools
from pybernetes.linux import cgroups

DISK_SECONDS = 60.0
FORGET = 600.0
_ON_DISK = ("emptyDir", "configMap", "secret", "downwardAPI", "projected")


class Disk(NamedTuple):
    """Bytes and inodes in use."""

    bytes: int = 0
    inodes: int = 0


class Filesystem(NamedTuple):
    capacity: int = 0
    available: int = 0
    inodes: int = 0
    inodes_free: int = 0


class ContainerStats(NamedTuple):
    """A running container; `logs` with what was rotated away."""

    container: cri.Container
    stats: cri.Stats
    logs: Disk


@dataclass(frozen=True, slots=True)
class PodStats:
    """A pod that runs. `volumes` by name, those on this disk; `other`: logs, /etc/hosts."""

    pod: Object
    state: PodState
    cgroup: cgroups.Usage
    containers: tuple[ContainerStats, ...] = ()
    interfaces: tuple[Object, ...] = ()
    volumes: Mapping[str, Disk] = field(default_factory=dict)
    other: Disk = field(default_factory=Disk)

    @property
    def ephemeral(self) -> Disk:
        """Local ephemeral storage: writable layers, logs, volumes on disk."""
        parts = [*self.volumes.values(), self.other]
        parts += [Disk(c.stats.disk_bytes, c.stats.disk_inodes) for c in self.containers]
        return Disk(sum(p.bytes for p in parts), sum(p.inodes for p in parts))


@dataclass(frozen=True, slots=True)
class NodeStats:
    """`memory`: bytes the node has; `tasks`: processes and threads."""

    usage: cgroups.Usage
    memory: int
    pods: cgroups.Usage
    fs: Filesystem
    image_fs: Filesystem
    images: Disk
    tasks: int
    max_pids: int
    interfaces: tuple[Object, ...]


class Gatherer:
    """Asks kernel and runtime. Raises CriError, OSError."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools
        self.config = tools.config
        self.machine = tools.machine
        self._disks: dict[str, tuple[float, dict[str, Disk]]] = {}
        self._cpu: dict[str, tuple[float, int, int]] = {}  # when, nanoseconds then, per second

    async def node(self) -> NodeStats:
        """Of a real node."""
        image_fs = await self._tools.runtime.image_fs()
        return await self._tools.env.offload.run(self._node, image_fs)

    async def both(self, pods: Iterable[Object]) -> tuple[NodeStats, list[PodStats]]:
        """Node and pods; a hollow node uses what its pods use."""
        found = await self.pods(pods)
        if not self._tools.runtime.hollow:
            return await self.node(), found
        total, none = _sum(item.cgroup for item in found), Filesystem()
        return NodeStats(
            total, self._tools.memory, total, none, none, Disk(), 0, self.machine.pids, ()
        ), found

    def _node(self, images: cri.ImageFs | None) -> NodeStats:
        config = self.config
        usage = cgroups.usage(config.node_cgroup) if config.node_cgroup else _whole_machine()
        tasks = usage.pids or int(Path("/proc/loadavg").read_text().split()[3].partition("/")[2])
        fs = filesystem(config.data)
        return NodeStats(
            usage=usage,
            memory=self._tools.memory,
            pods=cgroups.usage(naming.kubepods(config)),
            fs=fs,
            image_fs=filesystem(Path(images.path)) if images else fs,
            images=Disk(images.used_bytes, images.inodes) if images else Disk(),
            tasks=tasks,
            max_pids=self.machine.pids,
            interfaces=interfaces("self"),
        )

    async def pods(self, pods: Iterable[Object], oldest: float = DISK_SECONDS) -> list[PodStats]:
        """Of pods that run; disk figures at most `oldest` seconds old."""
        stats = {item.container_id: item for item in await self._tools.runtime.stats()}
        rows = [(pod, self._tools.pleg.state(naming.uid(pod))) for pod in pods]
        running = [(pod, state) for pod, state in rows if state.running]
        if self._tools.runtime.hollow:
            return [_hollow(pod, state, stats) for pod, state in running]
        old = self._tools.env.clock.monotonic() - FORGET
        self._cpu = {what: seen for what, seen in self._cpu.items() if seen[0] > old}
        self._disks = {uid: seen for uid, seen in self._disks.items() if seen[0] > old}
        return await self._tools.env.offload.run(
            lambda: [self._pod(pod, state, stats, oldest) for pod, state in running]
        )

    def _pod(
        self, pod: Object, state: PodState, stats: Mapping[str, cri.Stats], oldest: float
    ) -> PodStats:
        now, parent = self._tools.env.clock.monotonic(), naming.cgroup(self.config, pod)
        at, disks = self._disks.get(state.uid, (0.0, {}))
        if not disks or now - at > oldest:
            disks = self._measure(pod, state)
            self._disks[state.uid] = (now, disks)
        sandbox = state.sandbox
        host = pod["spec"].get("hostNetwork") or sandbox is None
        return PodStats(
            pod=pod,
            state=state,
            cgroup=cgroups.usage(parent),
            containers=_containers(state, stats, disks),
            interfaces=() if host or not sandbox else interfaces(_pid(f"{parent}/{sandbox.id}")),
            volumes={k[7:]: disk for k, disk in disks.items() if k.startswith("volume:")},
            other=disks["other"],
        )

    def _measure(self, pod: Object, state: PodState) -> dict[str, Disk]:
        """Volumes ("volume:NAME"), logs ("log:CONTAINER") and all that is neither ("other")."""
        config, found = self.config, {}
        logs, folder = naming.log_dir(config, pod), naming.pod_dir(config, state.uid)
        for container in {item.name for item in state.containers}:
            found[f"log:{container}"] = used(logs / container)
        device = config.data.stat().st_dev
        for volume in pod["spec"].get("volumes", ()):
            kind = next((key for key in _ON_DISK if key in volume), None)
            if kind:
                path = folder / "volumes" / f"kubernetes.io~{kind.lower()}" / volume["name"]
                found[f"volume:{volume['name']}"] = used(path, device)
        files = [used(logs), used(folder / "etc-hosts"), used(folder / "containers")]
        found["other"] = Disk(sum(f.bytes for f in files), sum(f.inodes for f in files))
        return found

    def cpu_rate(self, what: str, nanoseconds: int) -> int:
        """Nanoseconds of CPU a second since the last time somebody asked, a second ago or more."""
        now = self._tools.env.clock.monotonic()
        at, before, rate = self._cpu.get(what, (now, nanoseconds, 0))
        if now - at >= 1:
            rate = max(0, int((nanoseconds - before) / (now - at)))
        if now - at >= 1 or what not in self._cpu:
            self._cpu[what] = (now, nanoseconds, rate)
        return rate


def _containers(
    state: PodState, stats: Mapping[str, cri.Stats], disks: Mapping[str, Disk]
) -> tuple[ContainerStats, ...]:
    return tuple(
        ContainerStats(c, stats[c.id], disks.get(f"log:{c.name}", Disk()))
        for c in state.containers
        if c.state == "running" and c.id in stats
    )


def _hollow(pod: Object, state: PodState, stats: Mapping[str, cri.Stats]) -> PodStats:
    rows = _containers(state, stats, {})
    return PodStats(pod, state, _sum(as_usage(row.stats) for row in rows), rows)


def as_usage(stats: cri.Stats) -> cgroups.Usage:
    """A container's numbers as those of a cgroup."""
    return cgroups.Usage(*stats[1:7])


def _sum(usages: Iterable[cgroups.Usage]) -> cgroups.Usage:
    return cgroups.Usage(*(sum(column) for column in zip(*usages, strict=True)))


def _whole_machine() -> cgroups.Usage:
    ticks = [int(word) for word in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:]]
    busy = (sum(ticks[:8]) - ticks[3] - ticks[4]) * 10_000_000  # USER_HZ is 100 on Linux
    found = machine.meminfo()
    used_now = found.get("MemTotal", 0) - found.get("MemAvailable", 0)
    usage = found.get("MemTotal", 0) - found.get("MemFree", 0)
    return cgroups.Usage(busy, usage, used_now, found.get("AnonPages", 0))


def filesystem(path: Path) -> Filesystem:
    found = machine.statvfs(path)
    block = found.f_frsize
    return Filesystem(block * found.f_blocks, block * found.f_bavail, found.f_files, found.f_favail)


def used(path: Path, device: int | None = None) -> Disk:
    """What a file or tree takes on its disk (or `device`); nothing of what is mounted below."""
    seen: set[int] = set()
    total, stack = 0, [str(path)]
    while stack:
        name = stack.pop()
        with contextlib.suppress(OSError):  # it may go while we look
            info = os.lstat(name)
            device = info.st_dev if device is None else device
            if info.st_dev != device or info.st_ino in seen:
                continue
            seen.add(info.st_ino)
            total += info.st_blocks * 512
            if stat.S_ISDIR(info.st_mode):
                stack += (entry.path for entry in os.scandir(name))
    return Disk(total, len(seen))


def _pid(cgroup: str) -> str:
    """Any process of a cgroup; "" for none."""
    found = (pid for tree in cgroups.trees(cgroup) for pid in cgroups.processes(tree))
    return str(next(found, ""))


_COUNTERS = {"rxBytes": 0, "rxErrors": 2, "txBytes": 8, "txErrors": 10}  # columns of /proc/net/dev


def interfaces(process: str) -> tuple[Object, ...]:
    """The network as a process sees it, without lo: names and counters, as the summary has them."""
    found: list[Object] = []
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{process}/net/dev").read_text().splitlines()[2:]:
            name, _, rest = line.partition(":")
            words = rest.split()
            counts = {key: int(words[column]) for key, column in _COUNTERS.items()}
            found.append({"name": name.strip(), **counts})
    return tuple(item for item in found if item["name"] != "lo")

# SPDX-License-Identifier: Apache-2.0
"""Limiting, reading, ending and removing a cgroup subtree, on cgroup v1, v2 and both at once."""

import contextlib
import os
import signal
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

ROOT = Path("/sys/fs/cgroup")
PERIOD = 100_000  # microseconds
CONTROLLERS = ("cpu", "memory", "pids", "hugetlb")


@dataclass(frozen=True, slots=True)
class Limits:
    """What a cgroup may use; None leaves a knob as it is, -1 means no limit.

    shares: 2 to 262144, as cgroup v1 counts. quota: microseconds per PERIOD. memory: bytes.
    hugepages: bytes by page size as the kernel names it ("2MB").
    """

    shares: int | None = None
    quota: int | None = None
    memory: int | None = None
    pids: int | None = None
    hugepages: Mapping[str, int] = field(default_factory=dict)


def unified(root: Path = ROOT) -> bool:
    """Whether cgroup v2 alone is mounted."""
    return (root / "cgroup.controllers").exists()


def knobs(limits: Limits, v2: bool) -> dict[str, dict[str, str]]:
    """Controller -> file -> text."""
    rows: list[tuple[str, str, int | str | None]]
    if v2:
        shares, quota = limits.shares, limits.quota
        weight = None if shares is None else 1 + (min(shares, 262_144) - 2) * 9999 // 262_142
        top = None if quota is None else f"{'max' if quota < 0 else quota} {PERIOD}"
        rows = [("cpu", "cpu.weight", weight), ("cpu", "cpu.max", top)]
        rows += [("memory", "memory.max", limits.memory)]
        sizes = "hugetlb.{}.max"
    else:
        period = None if limits.quota is None else PERIOD
        rows = [("cpu", "cpu.shares", limits.shares), ("cpu", "cpu.cfs_period_us", period)]
        rows += [("cpu", "cpu.cfs_quota_us", limits.quota)]
        rows += [("memory", "memory.limit_in_bytes", limits.memory)]
        sizes = "hugetlb.{}.limit_in_bytes"
    rows.append(("pids", "pids.max", limits.pids))
    rows += [("hugetlb", sizes.format(size), number) for size, number in limits.hugepages.items()]
    found: dict[str, dict[str, str]] = {}
    for controller, file, value in rows:
        if value is not None:
            unlimited = value == -1 and (v2 or controller == "pids")
            found.setdefault(controller, {})[file] = "max" if unlimited else str(value)
    return found


def configure(name: str, limits: Limits, root: Path = ROOT) -> list[str]:
    """Make the cgroup if it is missing and set its limits; what could not be set, in words."""
    v2, failed = unified(root), []
    wanted = knobs(limits, v2)
    for controller in CONTROLLERS:
        top = root if v2 else root / controller
        if not (top / "cgroup.procs").exists():
            continue
        folder = top / name.strip("/")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            failed.append(f"{folder}: {error.strerror}")
            continue
        if v2:
            _delegate(top, folder, controller)
        for file, text in wanted.get(controller, {}).items():
            try:
                (folder / file).write_text(text)
            except OSError as error:
                failed.append(f"{file}: {error.strerror}")
    return failed


def _delegate(top: Path, folder: Path, controller: str) -> None:
    """Let the children of every cgroup above `folder` use `controller` (cgroup v2)."""
    for above in [path for path in reversed(folder.parents) if path.is_relative_to(top)]:
        with contextlib.suppress(OSError):  # a kernel without it
            (above / "cgroup.subtree_control").write_text(f"+{controller}")


class Usage(NamedTuple):
    """What a cgroup uses: nanoseconds of CPU ever, bytes of memory, processes."""

    cpu: int = 0
    memory: int = 0
    working_set: int = 0
    rss: int = 0
    page_faults: int = 0
    major_page_faults: int = 0
    pids: int = 0


def usage(name: str, root: Path = ROOT) -> Usage:
    """Of a cgroup and all below it; zero where it does not exist. "" is the root's own."""
    v2, name = unified(root), name.strip("/")
    folder = {item: root / name if v2 else root / item / name for item in (*CONTROLLERS, "cpuacct")}
    stat = _table(folder["memory"] / "memory.stat")
    if v2:
        cpu = _table(folder["cpu"] / "cpu.stat").get("usage_usec", 0) * 1000
        memory, files = _number(folder["memory"] / "memory.current"), stat.get("inactive_file", 0)
        faults, rss = (stat.get("pgfault", 0), stat.get("pgmajfault", 0)), stat.get("anon", 0)
    else:
        cpu = _number(folder["cpuacct"] / "cpuacct.usage")
        memory = _number(folder["memory"] / "memory.usage_in_bytes")
        files, rss = stat.get("total_inactive_file", 0), stat.get("total_rss", 0)
        faults = (stat.get("total_pgfault", 0), stat.get("total_pgmajfault", 0))
    pids = _number(folder["pids"] / "pids.current")
    return Usage(cpu, memory, max(0, memory - files), rss, *faults, pids)


def _table(path: Path) -> dict[str, int]:
    with contextlib.suppress(OSError):
        rows = (line.split() for line in path.read_text().splitlines())
        return {row[0]: int(row[1]) for row in rows if len(row) == 2}
    return {}


def _number(path: Path) -> int:
    with contextlib.suppress(OSError, ValueError):
        return int(path.read_text())
    return 0


def trees(name: str, root: Path = ROOT) -> list[Path]:
    """Where the cgroup `name` ("pybernetes/node") exists: one folder a hierarchy."""
    name = name.strip("/")
    if not name:
        return []
    candidates = [root / name, *(folder / name for folder in sorted(root.iterdir()))]
    return [path for path in candidates if path.is_dir() and not path.is_symlink()]


def enter(name: str) -> None:
    """Move this process into the cgroup `name`, which is made if it is missing."""
    configure(name, Limits())
    if (ROOT / "cpuacct").exists():  # cgroup v1: what `usage` reads
        (ROOT / "cpuacct" / name.strip("/")).mkdir(parents=True, exist_ok=True)
    for tree in trees(name):
        (tree / "cgroup.procs").write_text(str(os.getpid()))


def processes(tree: Path) -> list[int]:
    """Every process in the cgroup and below."""
    found: set[int] = set()
    for folder in _below(tree):
        with contextlib.suppress(OSError):
            found.update(int(line) for line in (folder / "cgroup.procs").read_text().split())
    return sorted(found)


def _below(tree: Path) -> list[Path]:
    """The folder and all below it, parents first; some may end meanwhile (rglob fails then)."""
    return [Path(folder) for folder, _, _ in os.walk(tree)]


def kill(name: str) -> int:
    """SIGKILL to every process of the cgroup; how many there were."""
    victims = sorted({pid for tree in trees(name) for pid in processes(tree)})
    for pid in victims:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return len(victims)


def remove(name: str) -> bool:
    """Remove the empty cgroup, children first; False if something still lives in it."""
    for tree in trees(name):
        for folder in reversed(_below(tree)):
            with contextlib.suppress(OSError):
                folder.rmdir()
    return not trees(name)

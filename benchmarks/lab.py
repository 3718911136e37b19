# SPDX-License-Identifier: Apache-2.0
"""A lab of four: up, memory of each node, and what many lives leave behind.

`python -m benchmarks.lab [--nodes N] [--cycles N]`. Needs root and containerd. A cycle is: up, pods
on every node, delete; before every second delete everything is killed (SIGKILL).
"""

import argparse
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from benchmarks.figures import cpu_seconds, pss, say
from pybernetes.cmd.config import ClusterConfig
from pybernetes.cmd.labmachine import LabMachine
from pybernetes.linux import cgroups
from pybernetes.machine.detect import detect

IDLE = 10.0  # seconds


def out(*words: str, check: bool = True) -> str:
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if check and done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr or done.stdout}")
    return done.stdout


def command(verb: str, folder: Path, *words: str) -> None:
    base = (sys.executable, "-m", "pybernetes.cli.main", verb)
    out(*base, "--data-dir", str(folder), *words)


def up(folder: Path, workers: int) -> float:
    """Seconds from the command until every node is Ready."""
    begun = time.perf_counter()
    command("up", folder, "--nodes", str(workers), "--port", "0", "--no-kubeconfig")
    return time.perf_counter() - begun


def run_pods(folder: Path, count: int) -> None:
    kubectl = ("kubectl", "--kubeconfig", str(folder / "admin.kubeconfig"))
    if shutil.which("kubectl"):
        image = "--image=pybernetes/web:1"
        out(*kubectl, "create", "deployment", "web", image, f"--replicas={count}")
        out(*kubectl, "rollout", "status", "deployment", "web", "--timeout=120s")


def kill_everything(folder: Path) -> None:
    config = ClusterConfig.read(folder)
    os.kill(int((folder / "pybernetes.pid").read_text()), signal.SIGKILL)
    cgroups.kill(config.cgroup_root)


def traces(folder: Path) -> dict[str, set[str]]:
    """What there is on this machine of the kinds of things that a lab makes."""
    config = ClusterConfig(folder)
    return {
        "processes": set(_processes(folder)),
        "links": set(out("ip", "-o", "link").splitlines()),
        "routes": set(out("ip", "route").splitlines()),
        "rules": set(out("nft", "list", "ruleset").splitlines()),
        "mounts": {" ".join(line.split()[4:6]) for line in _lines("/proc/self/mountinfo")},
        "cgroups": {str(path) for path in cgroups.trees(config.cgroup_root)},
        "names": {line for line in _lines("/etc/hosts") if config.slug in line},
        "files": {str(folder)} if folder.exists() else set(),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def _processes(folder: Path) -> list[str]:
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            words = (process / "cmdline").read_bytes().decode(errors="replace")
            if str(folder) in words and int(process.name) != os.getpid():
                found.append(f"{process.name} {words}")
    return found


def cycles(folder: Path, count: int, workers: int) -> int:
    """Live `count` times; how many things are left."""
    before, times = traces(folder), []
    for number in range(count):
        times.append(up(folder, workers))
        run_pods(folder, workers)
        if number % 2:
            kill_everything(folder)
        command("delete", folder)
    after = traces(folder)
    left = {kind: sorted(after[kind] - before[kind]) for kind in after}
    say(f"{count} cycles: slowest up", f"{max(times):8.2f} s")
    for kind, items in left.items():
        say(f"{count} cycles: {kind} left", f"{len(items):8d}   {' | '.join(items)[:300]}")
    return sum(map(len, left.values()))


def measure(folder: Path, workers: int) -> None:
    say(f"lab of {workers + 1}: first up", f"{up(folder, workers):8.2f} s")
    machines = [LabMachine(ClusterConfig.read(folder), f"w{n}") for n in range(1, workers + 1)]
    run_pods(folder, workers)
    time.sleep(3.0)  # what follows the start is not idleness
    pids = [machine.pid() for machine in machines]
    daemons = [int((one.folder / "containerd/containerd.pid").read_text()) for one in machines]
    used = sum(map(cpu_seconds, pids))
    time.sleep(IDLE)
    share = (sum(map(cpu_seconds, pids)) - used) / IDLE / len(pids)
    sizes = [pss(pid) for pid in pids]
    say(
        "a node's process (PSS): mean, largest",
        f"{sum(sizes) / len(sizes):8.1f} MB {max(sizes):8.1f} MB",
    )
    say("its containerd (PSS): largest", f"{max(map(pss, daemons)):8.1f} MB")
    say("a node's idle processor time", f"{share * 100:8.1f} % of one core")
    begun = time.perf_counter()
    command("down", folder)
    say("down", f"{time.perf_counter() - begun:8.2f} s")
    say("up again, with its pods", f"{up(folder, workers):8.2f} s")
    command("delete", folder)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.lab")
    parser.add_argument("--nodes", type=int, default=3, help="workers beside the control plane")
    parser.add_argument("--cycles", type=int, default=0, help="lives of a lab, then what is left")
    options = parser.parse_args()
    if missing := detect():
        say("lab: not measured", "; ".join(str(item) for item in missing))
        return 0
    with tempfile.TemporaryDirectory(dir=Path.home()) as name:
        if options.cycles:
            return 1 if cycles(Path(name) / "lab", options.cycles, options.nodes) else 0
        measure(Path(name) / "lab", options.nodes)
    return 0


if __name__ == "__main__":
    sys.exit(main())

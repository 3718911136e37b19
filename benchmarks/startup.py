# SPDX-License-Identifier: Apache-2.0
"""`pybernetes up` from the command to the node Ready, and the idle cluster: python -m benchmarks.startup.

Hollow, and with real containers where this machine can (root, containerd, runc, CNI plugins).
Memory and processor time are those of our one process; containerd's are not counted.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import cpu_seconds, pss, say
from pybernetes.machine.detect import detect

ROUNDS = 5
IDLE = 10.0  # seconds


def command(*words: str) -> None:
    base = [sys.executable, "-m", "pybernetes.cli.main"]
    done = subprocess.run([*base, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"{' '.join(words)}: {done.stderr}")


def measure(node: str, folder: Path) -> None:
    """The first round also makes keys and certificates; the others find them."""
    where = ("--data-dir", str(folder))
    times: list[float] = []
    for number in range(ROUNDS):
        begun = time.perf_counter()
        command("up", "--node", node, "--port", "0", "--no-kubeconfig", *where)
        times.append(time.perf_counter() - begun)
        if number == ROUNDS - 1:
            _idle(node, int((folder / "pybernetes.pid").read_text()))
        command("down", *where)
    say(f"{node}: first up to node Ready", f"{times[0]:8.2f} s")
    say(f"{node}: up again, median (slowest)", f"{_median(times[1:])} ({max(times[1:]):.2f} s)")
    command("delete", *where)


def _median(times: list[float]) -> str:
    return f"{statistics.median(times):8.2f} s"


def _idle(node: str, pid: int) -> None:
    time.sleep(3.0)  # what follows the start is not idleness
    before = cpu_seconds(pid)
    time.sleep(IDLE)
    share = (cpu_seconds(pid) - before) / IDLE
    say(f"{node}: idle memory (PSS)", f"{pss(pid):8.0f} MB")
    say(f"{node}: idle processor time", f"{share * 100:8.1f} % of one core over {IDLE:.0f} s")


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        measure("hollow", Path(name) / "hollow")
        missing = detect()
        if missing:
            say("containerd: not measured", "; ".join(str(item) for item in missing))
        else:
            measure("containerd", Path(name) / "containerd")


if __name__ == "__main__":
    main()

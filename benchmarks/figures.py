# SPDX-License-Identifier: Apache-2.0
"""What several benchmarks share: how a figure is printed, what a process uses."""

import os
from pathlib import Path


def say(what: str, text: str) -> None:
    print(f"{what:<44}{text}", flush=True)


def pss(pid: int | str = "self") -> float:
    """Proportional set size of a process in MB: shared pages are counted in parts."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"no Pss of process {pid}")


def cpu_seconds(pid: int) -> float:
    """Processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

# SPDX-License-Identifier: Apache-2.0
"""What the kernel tells of our processes, and tables to show it in."""

from collections.abc import Sequence
from pathlib import Path


def memory(pid: int) -> str:
    """Proportional set size where the kernel lets us see it, else resident set size."""
    for name, word, label in (("smaps_rollup", "Pss:", "PSS"), ("status", "VmRSS:", "RSS")):
        try:
            lines = Path(f"/proc/{pid}/{name}").read_text().splitlines()
        except OSError:
            continue
        found = [int(line.split()[1]) for line in lines if line.startswith(word)]
        if found:
            return f"{found[0] // 1024} MB ({label})"
    return "unknown"


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts as lines, in columns."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
    return "\n".join(lines)


def described(rows: Sequence[dict[str, str]]) -> str:
    """Rows of the same keys as a table with these as its head."""
    return table([[key.upper() for key in rows[0]], *([*row.values()] for row in rows)])

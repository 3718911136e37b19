# SPDX-License-Identifier: Apache-2.0
"""All benchmarks, one process each: python -m benchmarks [NAME ...]."""

import importlib.util
import subprocess
import sys

# In this order; a benchmark that is not there is left out.
NAMES = (
    "fixture",
    "startup",
    "lab",
    "store",
    "wire",
    "streams",
    "api",
    "scheduler",
    "pods",
    "proxy",
    "dns",
    "memory",
    "hollow",
    "simulation",
)


def main(chosen: list[str]) -> int:
    """Run them; the number of those that failed."""
    failed = 0
    for name in chosen or NAMES:
        if importlib.util.find_spec(f"benchmarks.{name}") is None:
            continue
        print(f"== {name}", flush=True)
        failed += bool(subprocess.run([sys.executable, "-m", f"benchmarks.{name}"]).returncode)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

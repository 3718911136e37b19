# SPDX-License-Identifier: Apache-2.0
"""What is built, and where it is kept: outside the tree, a folder a version."""

import os
from pathlib import Path

KUBERNETES = "1.37.1"
HERE = Path(__file__).parent
ROOT = HERE.parent
SPECS = HERE / "specs-1.37.csv"
LEDGER = HERE / "passing.txt"
EXTRA_LEDGER = HERE / "passing-extra.txt"  # specs that are no part of conformance


def cache() -> Path:
    """PYBERNETES_CONFORMANCE_CACHE, else a folder in the user's cache."""
    base = os.environ.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    chosen = os.environ.get("PYBERNETES_CONFORMANCE_CACHE")
    return Path(chosen or f"{base}/pybernetes/conformance")


def binaries() -> Path:
    return cache() / KUBERNETES / "bin"


def runs() -> Path:
    """One folder a run: reports, logs, what the failed specs left."""
    return cache() / "runs"

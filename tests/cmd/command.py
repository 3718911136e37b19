# SPDX-License-Identifier: Apache-2.0
"""The `pybernetes` command, and others, as processes."""

import os
import subprocess
import sys
from collections.abc import Sequence

PYBERNETES = (sys.executable, "-m", "pybernetes.cli.main")


def said(command: Sequence[str], code: int = 0, **environment: str) -> str:
    """All that it says; it must end with `code`."""
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=100, env={**os.environ, **environment}
    )
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr

# SPDX-License-Identifier: Apache-2.0
"""Progress of a cluster's process: lines of text, the last one "ready" or "error: what and why"."""

import json
import os
import select
import socket
import sys
from pathlib import Path
from typing import Any

from pybernetes.base.errors import Told

SILENCE = 60  # seconds without any progress


def relay(reading: int) -> str | None:
    """Print progress lines until "ready": None. Else the error's text, "" where it broke off."""
    buffered = b""
    while select.select([reading], [], [], SILENCE)[0]:
        data = os.read(reading, 4096)
        if not data:
            return ""
        *lines, buffered = (buffered + data).split(b"\n")
        for line in lines:
            word, _, text = line.decode(errors="replace").partition(": ")
            if word == "error":
                return text
            if word == "ready":
                return None
            print(f"  {line.decode(errors='replace')}", file=sys.stderr)
    return f"no progress for {SILENCE} s: see the log"


def ask(data_dir: Path, request: dict[str, Any]) -> None:
    """Have the running process do something, and wait for the end of it. Raises Told."""
    path = data_dir / "control.sock"
    with socket.socket(socket.AF_UNIX) as connection:
        try:
            connection.connect(str(path))
            connection.sendall(json.dumps(request).encode() + b"\n")
        except OSError as error:
            raise Told(f"the cluster's process cannot be asked: {path}: {error}") from error
        failure = relay(connection.fileno())
    if failure is not None:
        raise Told(failure or f"the cluster's process ended: see {data_dir}/pybernetes.log")

# SPDX-License-Identifier: Apache-2.0
"""What a dead container left as its termination message (upstream's rules and limits)."""

from pathlib import Path

from pybernetes.cri.types import Container
from pybernetes.kubelet import naming
from pybernetes.kubelet.logs.reader import parse

MAX_BYTES, POD_BYTES = 4096, 12288
LOG_BYTES, LOG_LINES = 2048, 80


def read(container: Container) -> str:
    """The message; "" if there is none. Blocking."""
    notes = container.annotations
    file = Path(notes.get(naming.MESSAGE_FILE, ""))
    text = ""
    if file.name and file.is_file():
        with file.open("rb") as data:
            text = data.read(MAX_BYTES).decode(errors="replace")
    policy = notes.get(naming.TERMINATION_POLICY)
    if not text and policy == "FallbackToLogsOnError" and container.exit_code != 0:
        text = _log_tail(Path(container.log_path))
    return text


def _log_tail(path: Path) -> str:
    if not path.is_file():
        return ""
    with path.open("rb") as data:
        size = data.seek(0, 2)
        data.seek(max(0, size - 4 * LOG_BYTES - LOG_LINES * 64))
        lines = data.read().splitlines()[-LOG_LINES:]
    found = [entry.content for line in lines if (entry := parse(line)) is not None]
    return b"".join(found)[-LOG_BYTES:].decode(errors="replace")

# SPDX-License-Identifier: Apache-2.0
"""One line of CRI's log format: `TIME stdout|stderr F|P CONTENT`. Pure."""

from typing import NamedTuple


class Entry(NamedTuple):
    """`content` ends with a newline unless the line is partial."""

    time: bytes
    stream: bytes
    content: bytes


def parse(line: bytes) -> Entry | None:
    """The entry of a line (with or without its newline); None: not in the format."""
    parts = line.rstrip(b"\n").split(b" ", 3)
    if len(parts) < 3 or parts[1] not in (b"stdout", b"stderr"):
        return None
    content = parts[3] if len(parts) == 4 else b""
    full = parts[2].split(b":")[0] == b"F"
    return Entry(parts[0], parts[1], content + b"\n" if full else content)

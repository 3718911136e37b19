# SPDX-License-Identifier: Apache-2.0
"""Read-only views of images through containerd's snapshots service, which CRI has no word for.

Its messages have four fields at most: they are written and read here by hand.
"""

import time
from typing import Any

from pybernetes.cri.types import Mount

_PATH = "/containerd.services.snapshots.v1.Snapshots/"
_SNAPSHOTTER = "overlayfs"
_NAMESPACE = (("containerd-namespace", "k8s.io"),)
_ROOT = "containerd.io/gc.root"  # the garbage collector keeps what has this label


def _field(number: int, value: bytes) -> bytes:
    """A length-delimited field."""
    size, head = len(value), bytearray([number << 3 | 2])
    while size > 0x7F:
        head.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes([*head, size]) + value


def _strings(*values: str) -> bytes:
    """Fields 1, 2, ..."""
    return b"".join(_field(number, text.encode()) for number, text in enumerate(values, 1))


def _fields(data: bytes) -> list[tuple[int, bytes]]:
    """The length-delimited fields of a message (it has no others)."""
    found, pos = [], 0
    while pos < len(data):
        number, size, shift, pos = data[pos] >> 3, 0, 0, pos + 1
        while True:
            byte, pos = data[pos], pos + 1
            size, shift = size | (byte & 0x7F) << shift, shift + 7
            if byte < 0x80:
                break
        found.append((number, data[pos : pos + size]))
        pos += size
    return found


def _mount(data: bytes) -> Mount:
    texts: dict[int, list[str]] = {1: [""], 2: [""], 4: []}
    for number, value in _fields(data):
        texts.setdefault(number, []).append(value.decode())
    return Mount(texts[1][-1], texts[2][-1], tuple(texts[4]))


async def _call(channel: Any, method: str, request: bytes) -> list[tuple[int, bytes]]:
    """Raises grpc.RpcError."""
    answer: bytes = await channel.unary_unary(_PATH + method)(
        request, metadata=_NAMESPACE, timeout=60
    )
    return _fields(answer)


async def view(channel: Any, chain: str, key: str) -> list[Mount]:
    """The mounts of a view named `key` of the layers `chain`. Raises grpc.RpcError."""
    import grpc

    label = _field(4, _strings(_ROOT, time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())))
    try:
        found = await _call(channel, "View", _strings(_SNAPSHOTTER, key, chain) + label)
    except grpc.RpcError as error:
        if error.code() is not grpc.StatusCode.ALREADY_EXISTS:
            raise
        found = await _call(channel, "Mounts", _strings(_SNAPSHOTTER, key))
    return [_mount(data) for number, data in found if number == 1]


async def release(channel: Any, key: str) -> None:
    """Raises grpc.RpcError."""
    await _call(channel, "Remove", _strings(_SNAPSHOTTER, key))

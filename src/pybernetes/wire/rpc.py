# SPDX-License-Identifier: Apache-2.0
"""gRPC methods and protobuf messages, made at run time from the descriptors in a room's data folder.

`tools/cri` and `tools/etcd` wrote them: compressed (*.bin) or as text (*.txtpb). A name without a dot
is one of `package`. KeyError: there is no such name.
"""

import zlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its path and its message classes."""

    path: str
    request: Any
    response: Any


@cache
def _pool(room: str) -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, text_format

    files = descriptor_pb2.FileDescriptorSet()
    for item in resources.files(room).joinpath("data").iterdir():
        if item.name.endswith(".bin"):
            files.MergeFromString(zlib.decompress(item.read_bytes()))
        elif item.name.endswith(".txtpb"):
            text_format.Parse(item.read_text(), files.file.add())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def method(room: str, package: str, service: str, name: str) -> Method:
    full = service if "." in service else f"{package}.{service}"
    found = _pool(room).FindServiceByName(full).methods_by_name[name]
    kinds = (found.input_type.full_name, found.output_type.full_name)
    return Method(f"/{full}/{name}", *(message(room, package, kind) for kind in kinds))


@cache
def message(room: str, package: str, name: str) -> Any:
    """A message's class."""
    from google.protobuf import message_factory

    full = name if "." in name else f"{package}.{name}"
    return message_factory.GetMessageClass(_pool(room).FindMessageTypeByName(full))

# SPDX-License-Identifier: Apache-2.0
"""CRI's protobuf messages and methods, made at run time from data/runtime.v1.bin (tools/cri)."""

import zlib
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

PACKAGE = "runtime.v1"


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC: its path and its message classes."""

    path: str
    request: Any
    response: Any


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool, text_format

    folder = resources.files("pybernetes.cri").joinpath("data")
    data = folder.joinpath("runtime.v1.bin").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(data))
    text_format.Parse(folder.joinpath("snapshots.v1.txtpb").read_text(), files.file.add())
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def method(service: str, name: str) -> Method:
    """`service` is RuntimeService, ImageService or one's full name. KeyError: no such method."""
    from google.protobuf import message_factory

    service = service if "." in service else f"{PACKAGE}.{service}"
    found = _pool().FindServiceByName(service).methods_by_name[name]
    return Method(
        path=f"/{service}/{name}",
        request=message_factory.GetMessageClass(found.input_type),
        response=message_factory.GetMessageClass(found.output_type),
    )

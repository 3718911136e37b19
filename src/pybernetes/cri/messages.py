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
    from google.protobuf import descriptor_pb2, descriptor_pool

    data = resources.files("pybernetes.cri").joinpath("data", "runtime.v1.bin").read_bytes()
    files = descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(data))
    pool = descriptor_pool.DescriptorPool()
    for file in files.file:
        pool.Add(file)
    return pool


@cache
def method(service: str, name: str) -> Method:
    """`service` is RuntimeService or ImageService. Raises KeyError for an unknown method."""
    from google.protobuf import message_factory

    found = _pool().FindServiceByName(f"{PACKAGE}.{service}").methods_by_name[name]
    return Method(
        path=f"/{PACKAGE}.{service}/{name}",
        request=message_factory.GetMessageClass(found.input_type),
        response=message_factory.GetMessageClass(found.output_type),
    )

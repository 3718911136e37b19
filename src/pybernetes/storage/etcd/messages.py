# SPDX-License-Identifier: Apache-2.0
"""etcd's protobuf messages and methods, made at run time from data/rpc.bin (tools/etcd)."""

import zlib
from functools import cache
from importlib import resources
from typing import Any

PACKAGE = "etcdserverpb"


@cache
def _pool() -> Any:
    from google.protobuf import descriptor_pb2, descriptor_pool

    data = resources.files("pybernetes.storage.etcd").joinpath("data/rpc.bin").read_bytes()
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(zlib.decompress(data)).file:
        pool.Add(file)
    return pool


@cache
def method(service: str, name: str) -> tuple[str, Any, Any]:
    """A method's path, its request's class and its response's. KeyError: no such method."""
    from google.protobuf import message_factory

    found = _pool().FindServiceByName(f"{PACKAGE}.{service}").methods_by_name[name]
    of = message_factory.GetMessageClass
    return f"/{PACKAGE}.{service}/{name}", of(found.input_type), of(found.output_type)


@cache
def message(name: str) -> Any:
    """A message's class."""
    from google.protobuf import message_factory

    return message_factory.GetMessageClass(_pool().FindMessageTypeByName(f"{PACKAGE}.{name}"))

# SPDX-License-Identifier: Apache-2.0
"""A transaction of the store as etcd's: if the checks hold, write; else read what was checked."""

from collections.abc import Mapping, Sequence
from typing import Any

from pybernetes.storage.etcd.names import Names
from pybernetes.storage.types import Conflict, Op, StoreError

MOD = 2  # Compare.target


def transaction(names: Names, ops: Sequence[Op], leases: Mapping[int, int]) -> dict[str, Any]:
    """The fields of a TxnRequest. `leases`: the lease for each time to live."""
    compares: list[Any] = []
    writes: list[Any] = []
    reads: list[Any] = []
    for op in ops:
        key = names.key(op.key)
        if op.expected is not None:
            at = op.expected and (op.expected - names.offset or -1)
            compares.append({"target": MOD, "key": key, "mod_revision": at})
            reads.append({"request_range": {"key": key}})
        if op.value is None:
            writes.append({"request_delete_range": {"key": key}})
        else:
            put = {"key": key, "value": op.value, "lease": leases.get(op.ttl, 0)}
            writes.append({"request_put": put})
    return {"compare": compares, "success": writes, "failure": reads}


def conflict(names: Names, ops: Sequence[Op], answer: Any) -> Conflict:
    """Which check failed, from a TxnResponse that did not succeed."""
    checked = [(index, op) for index, op in enumerate(ops) if op.expected is not None]
    for (index, op), read in zip(checked, answer.responses, strict=True):
        kvs = read.response_range.kvs
        current = names.record(kvs[0]) if kvs else None
        if (current.revision if current else 0) != op.expected:
            return Conflict(index, op.key, current)
    raise StoreError("etcd refused a transaction whose checks hold")

# SPDX-License-Identifier: Apache-2.0
"""Brings a store to the content of a snapshot while it is in use: as writes, so watches learn of each."""

from collections.abc import Iterator, Sequence

from pybernetes.base.clock import Clock
from pybernetes.storage.snapshot import Content
from pybernetes.storage.transaction import PORTABLE_OPS
from pybernetes.storage.types import Op, Store

BYTES = 1 << 20  # of values in one transaction: etcd takes 1.5 MB


async def restore(store: Store, content: Content, clock: Clock) -> int:
    """Delete what `content` has not, write what differs; how many keys that were. Raises StoreError.

    Revisions go on growing. Whoever writes meanwhile may see a part of it done.
    """
    present = {record.key: record.value for record in (await store.list("")).records}
    ends = {key: moment for moment, key, _ in content.deadlines}
    now = clock.time()
    ops = [Op(key, None) for key in present.keys() - {record.key for record in content.records}]
    ops.sort(key=lambda op: op.key)
    for record in content.records:
        if present.get(record.key) != record.value:
            ttl = max(1, round(ends[record.key] - now)) if record.key in ends else 0
            ops.append(Op(record.key, record.value, ttl=ttl))
    for some in _transactions(ops):
        await store.write(some)
    return len(ops)


def _transactions(ops: Sequence[Op]) -> Iterator[list[Op]]:
    some: list[Op] = []
    size = 0
    for op in ops:
        length = len(op.value or b"")
        if some and (len(some) == PORTABLE_OPS or size + length > BYTES):
            yield some
            some, size = [], 0
        some.append(op)
        size += length
    if some:
        yield some

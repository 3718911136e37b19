# SPDX-License-Identifier: Apache-2.0
"""What a transaction does, decided without I/O: the same rules for every driver."""

from collections.abc import Callable, Sequence

from pybernetes.storage.types import Change, Conflict, NoSpace, Op, Record, StoreError

FIRST = 1  # a fresh store's revision: an empty listing is at 1, as resourceVersion "0" means "any"
MAX_OPS = 4096  # changes of one transaction
PORTABLE_OPS = 100  # that every driver takes: etcd's limit is 128 unless it is told otherwise


def decide(
    ops: Sequence[Op], revision: int, lookup: Callable[[str], Record | None]
) -> list[Change]:
    """The changes `ops` make at `revision`. Raises Conflict if a check fails.

    Deleting what is not there is no change; a transaction without a change takes no revision.
    """
    changes: list[Change] = []
    check_keys(ops)
    for index, op in enumerate(ops):
        key = op.key
        current = lookup(key)
        if op.expected is not None and op.expected != (current.revision if current else 0):
            raise Conflict(index, key, current)
        if op.value is not None:
            created = current.created if current else revision
            record = Record(key, op.value, revision, created)
            changes.append(Change(key, revision, record, current))
        elif current is not None:
            changes.append(Change(key, revision, None, current))
    return changes


def check_keys(ops: Sequence[Op]) -> None:
    """Raise StoreError for a transaction that no driver takes."""
    seen: set[str] = set()
    if len(ops) > MAX_OPS:
        raise StoreError(f"too many operations in one transaction: {len(ops)} > {MAX_OPS}")
    for op in ops:
        if op.key in seen or not op.key:
            raise StoreError(f"key {op.key!r} is empty or twice in one transaction")
        seen.add(op.key)


def growth(changes: Sequence[Change]) -> int:
    """By how many bytes of keys and values the newest state grows."""
    total = 0
    for change in changes:
        if change.record is not None:
            total += len(change.record.key) + len(change.record.value)
        if change.previous is not None:
            total -= len(change.previous.key) + len(change.previous.value)
    return total


def check_quota(ops: Sequence[Op], used: int, quota: int) -> None:
    """Refuse to grow beyond `quota` bytes (0: no limit). Deleting is always allowed."""
    if quota and used >= quota and any(op.value is not None for op in ops):
        raise NoSpace(f"quota of {quota} bytes exceeded: {used} in use")


def after(prefix: str) -> str:
    """The first key behind all keys that start with `prefix`."""
    return prefix + "\U0010ffff"

# SPDX-License-Identifier: Apache-2.0
"""What a transaction does, decided without I/O: the same rules for every driver."""

from collections.abc import Callable, Iterator, Sequence

from pybernetes.storage.types import Change, Conflict, NoSpace, Op, Record, StoreError

FIRST = 1  # a fresh store's revision: an empty listing is at 1, as resourceVersion "0" means "any"
MAX_OPS = 4096  # changes of one transaction
LAST = "\U0010ffff"  # behind every character of a key
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


def portions(ops: Sequence[Op]) -> Iterator[Sequence[Op]]:
    """Many operations as transactions that every driver takes."""
    for first in range(0, len(ops), PORTABLE_OPS):
        yield ops[first : first + PORTABLE_OPS]


def check_keys(ops: Sequence[Op]) -> None:
    """Raise StoreError for a transaction that no driver takes."""
    if len(ops) > MAX_OPS:
        raise StoreError(f"too many operations in one transaction: {len(ops)} > {MAX_OPS}")
    seen: set[str] = set()
    for op in ops:
        key = op.key
        if key in seen or not key:
            raise StoreError(f"key {key!r} is empty or twice in one transaction")
        if "\0" in key or not key.isascii():
            check_text(key, LAST + "\0")
        seen.add(key)


def check_text(text: str, without: str = LAST) -> None:
    """Raise StoreError for what cannot begin a key: no Unicode, or with one of the characters in `without`."""
    if any(char in without or "\ud800" <= char <= "\udfff" for char in text):
        raise StoreError(f"{text!r}: no key has NUL, U+10FFFF or a surrogate in it")


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
    return prefix + LAST

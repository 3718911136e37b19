# SPDX-License-Identifier: Apache-2.0
"""Judges what watches have shown: ordered, unique, complete, atomic, resumable, bookmarkable, true.

These are etcd's guarantees for watches (its documentation, "KV API guarantees"), which the
contract in `pybernetes.storage.types` repeats; a complaint begins with the one that is broken.
Lists and reads of the past are held against the same story.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence

from pybernetes.storage.types import Change, Page, Record
from pybernetes.testing.stores.recording import Call, History, WatchLog


def violations(history: History, start: Iterable[Record] = ()) -> list[str]:
    """What is wrong with the watches, lists and old reads of `history`; empty if nothing is.

    `start`: what was stored before the first call. One watch must have run from there to the end,
    or changes that all watches missed go unnoticed when their writers got no answer.
    """
    story, records = history.story(), {record.key: record for record in start}
    found = [text for log in history.logs for text in _judge(log, story)]
    found += _missed(story, history.calls)
    found += _untrue(story, history.settled(), dict(records))
    return found + list(_misread(story, history.calls, records))


def _untrue(
    story: Sequence[Change], calls: Sequence[Call], now: dict[str, Record]
) -> Iterator[str]:
    """Changes that no call made nor the end of a time to live, and wrong `previous` or `created`."""
    made = {(call.result, op.key, op.value) for call in calls for op in call.ops}
    for change in story:
        key, record, before = change.key, change.record, now.get(change.key)
        created = before.created if before else change.revision
        if (change.revision, key, record.value if record else None) not in made:
            yield f"true: nobody made {change}, or its time was not over"
        if change.previous != before:
            yield f"true: the previous record of {change} was {before}"
        if record and (record.revision, record.created) != (change.revision, created):
            yield f"true: {change} was created at {created}"
        _apply(now, change)


def _apply(now: dict[str, Record], change: Change) -> None:
    now.pop(change.key, None)
    if change.record:
        now[change.key] = change.record


def _missed(story: Sequence[Change], calls: Sequence[Call]) -> Iterator[str]:
    """Acknowledged writes that no watch has shown."""
    shown = {(change.revision, change.key) for change in story}
    for call in calls:
        for op in call.ops if isinstance(call.result, int) else ():
            if op.value is not None and (call.result, op.key) not in shown:
                yield f"complete: no watch showed {op.key} at {call.result}, which was acknowledged"


def _misread(
    story: Sequence[Change], calls: Sequence[Call], now: dict[str, Record]
) -> Iterator[str]:
    """Lists, and reads of the past, that differ from what was then, by the story."""
    rest = iter([*story, None])
    change = next(rest)
    reads = [(_revision(call), index) for index, call in enumerate(calls)]
    for revision, index in sorted(read for read in reads if read[0]):
        call = calls[index]
        while change is not None and change.revision <= revision:
            _apply(now, change)
            change = next(rest)
        if isinstance(call.result, Page):
            there = [now[key] for key in sorted(now) if key.startswith(str(call.target))]
            right = there == list(call.result.records)
        else:
            right = now.get(str(call.target)) == call.result
        if not right:
            yield f"true: {call} is not what was at {revision}"


def _revision(call: Call) -> int:
    """Where a read tells what was; 0 if it does not say."""
    return call.result.revision if isinstance(call.result, Page) else call.revision


def _judge(log: WatchLog, story: Sequence[Change]) -> Iterator[str]:
    name = f"watch of {log.prefix!r} since {log.since}"
    where: dict[tuple[int, str], int] = {}
    parts: dict[int, set[int]] = defaultdict(set)  # revision: the batches with its changes
    last = claimed = log.since
    for number, (batch, reached) in enumerate(log.batches):
        for change in batch:
            at = change.revision, change.key
            complaints = {
                "resumable": change.revision <= log.since,
                "ordered": change.revision < last,
                "bookmarkable": change.revision <= claimed,
                "unique": at in where,
                "true": not change.key.startswith(log.prefix),
            }
            yield from (f"{it}: {name} showed {change}" for it in complaints if complaints[it])
            where[at] = number
            parts[change.revision].add(number)
            last = max(last, change.revision)
        if reached < max(last, claimed):
            yield f"bookmarkable: {name} claimed {reached} after {max(last, claimed)}"
        claimed = max(claimed, reached)
    yield from (f"atomic: {name} split {at}" for at in parts if len(parts[at]) > 1)
    for change in story:
        at = change.revision, change.key
        if log.since < at[0] <= claimed and at[1].startswith(log.prefix):
            if at not in where:
                yield f"complete: {name}, at {claimed}, did not show {change}"
            elif change not in log.batches[where[at]][0]:
                yield f"true: {name} did not show {change}, but something else"

# SPDX-License-Identifier: Apache-2.0
"""Judges a history: is there one order of its calls, true to time, in which every answer is right?

The search is Wing and Gong's (Testing and Verifying Concurrent Objects, 1993) in the
"just-in-time" form of Lowe (Testing for Linearizability, 2017): go through the moments in order,
keep every state the store may be in, and only when a call returns insist that it has happened.
Keys fall into groups (folders) that no call crosses, each judged alone (Horn and Kroening, Faster
Linearizability Checking via P-Compositionality, 2015). Revisions are part of the answers: they are
checked within the groups, and across them by `misordered`.
"""

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from operator import itemgetter

from pybernetes.storage.types import Conflict, Op, Page, Record
from pybernetes.testing.stores.recording import Call, folder, refuses

State = tuple[frozenset[Record], int]
"""What is stored in a group, and a revision that the store is known to have reached."""
Config = tuple[State, frozenset[int]]
"""A state the group may be in, and which of the calls not yet returned have taken effect in it."""


def violations(calls: Sequence[Call], start: Iterable[Record] = ()) -> list[str]:
    """Why `calls` (see `History.settled`) cannot be explained; empty if they can.

    `start`: what was stored before. Calls about the past, and lists of anything but a written group, are
    judged by `watches.violations`. Raises ValueError for a write that crosses groups.
    """
    groups: dict[str, list[Call]] = defaultdict(list)
    written = {folder(op.key) for call in calls for op in call.ops}
    for call in calls:
        names = {folder(key) for key in call.keys} if not call.revision else set()
        if isinstance(call.result, Page):
            names &= written
        if len(names) > 1:
            raise ValueError(f"{call} crosses groups: they are not independent")
        for name in names:
            groups[name].append(call)
    records = list(start)
    found = list(misordered(calls))
    for name, some in sorted(groups.items()):
        begin = frozenset(record for record in records if folder(record.key) == name)
        found += _search(some, (begin, 0))
    return found


def _moments(calls: Sequence[Call]) -> list[tuple[float, bool, int]]:
    """(moment, whether it is the return, index of the call), in order."""
    called = [(call.called, False, index) for index, call in enumerate(calls)]
    returned = [(call.returned, True, index) for index, call in enumerate(calls)]
    return sorted(moment for moment in called + returned if moment[0] < math.inf)


def _search(calls: Sequence[Call], start: State) -> list[str]:
    configs: set[Config] = {(start, frozenset())}
    waiting: dict[int, Call] = {}
    for _, returned, index in _moments(calls):
        if not returned:
            waiting[index] = calls[index]
            continue
        before, configs = configs, _happened(configs, index, waiting)
        if not configs:
            states = [state for (state, _), _ in zip(before, range(3), strict=False)]
            return [f"not linearizable: {calls[index]} fits none of {states}"]
        del waiting[index]
    return []


def _happened(configs: set[Config], wanted: int, waiting: dict[int, Call]) -> set[Config]:
    """Every configuration in which `wanted` has taken effect, it and others before it just now."""
    done: set[Config] = set()
    seen = set(configs)
    todo = list(configs)
    while todo:
        state, taken = todo.pop()
        if wanted in taken:
            done.add((state, taken - {wanted}))
            continue
        for index, call in waiting.items():
            after = None if index in taken else step(state, call)
            if after is not None and (config := (after, taken | {index})) not in seen:
                seen.add(config)
                todo.append(config)
    return done


def step(state: State, call: Call) -> State | None:
    """The state after `call` took effect in `state`; None if it cannot have been answered so."""
    records, newest = {record.key: record for record in state[0]}, state[1]
    result = call.result
    if isinstance(result, Page):
        there = [records[key] for key in sorted(records) if key.startswith(str(call.target))]
        right = there == list(result.records) and result.revision >= newest
        return (state[0], result.revision) if right else None
    if isinstance(call.target, str):
        return state if records.get(call.target) == result else None
    if isinstance(result, Conflict):
        op = call.target[result.index]
        current = records.get(op.key)
        return state if refuses(op, current) and result.current == current else None
    assert isinstance(result, int)
    return _written(records, newest, call.target, result)


def _written(
    records: dict[str, Record], newest: int, ops: Sequence[Op], revision: int
) -> State | None:
    for op in ops:
        current = records.pop(op.key, None)
        if refuses(op, current) or revision < newest + (op.value is not None or bool(current)):
            return None
        if op.value is not None:
            created = current.created if current else revision
            records[op.key] = Record(op.key, op.value, revision, created)
    return frozenset(records.values()), revision


def misordered(calls: Sequence[Call]) -> Iterator[str]:
    """Revisions that contradict time: a call answered with an older one than an earlier call's."""
    newest: tuple[int, Call | None] = (0, None)
    before: dict[int, tuple[int, Call | None]] = {}
    for _, returned, index in _moments(calls):
        call = calls[index]
        revision = call.result.revision if isinstance(call.result, Page) else call.result
        if not returned:
            before[index] = newest
        elif isinstance(revision, int) and not call.revision:
            if revision < before[index][0]:
                yield f"revisions go back: {call} was called after {before[index][1]}"
            newest = max(newest, (revision, call), key=itemgetter(0))

# SPDX-License-Identifier: Apache-2.0
"""Snapshots: one file format for all embedded drivers, which is the SQLite store's own.

So a memory store's snapshot can be opened as a SQLite store, and a SQLite store's be loaded into
memory. A snapshot written here has the newest state and no history.
"""

import contextlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pybernetes.base import files
from pybernetes.storage.expiry import Deadline
from pybernetes.storage.sqlite import queries, schema
from pybernetes.storage.transaction import after
from pybernetes.storage.types import Record

ROWS = 1000  # written in one step


@dataclass(frozen=True, slots=True)
class Content:
    """The newest state of a store."""

    revision: int
    records: Sequence[Record]
    deadlines: Sequence[Deadline]


def write(path: Path, content: Content) -> None:
    """Write `content` to a file that replaces `path` when it is complete. Blocks."""
    times = {(key, revision): moment for moment, key, revision in content.deadlines}
    used: Counter[int] = Counter()  # positions within a revision
    rows: list[queries.Row] = []
    for record in content.records:
        identity = schema.first_id(record.revision) + 2 * used[record.revision]
        used[record.revision] += 1
        deadline = times.get((record.key, record.revision))
        rows.append((identity, record.key, record.value, record.created, deadline))
    with (
        files.replacing(path) as new,
        contextlib.closing(schema.open_writer(new)) as connection,
    ):
        for start in range(0, len(rows), ROWS):
            queries.insert(connection, rows[start : start + ROWS])
        queries.set_meta(connection, "floor", content.revision)
        queries.set_meta(connection, "swept", content.revision)
        connection.execute("PRAGMA journal_mode = DELETE")  # one file, nothing beside it
    files.sync_directory(path.parent)


def revision_of(path: Path) -> int:
    """The revision that a snapshot was made at. Raises StoreError. Blocks."""
    with contextlib.closing(schema.open_snapshot(path)) as connection:
        return schema.state(connection)[0]


def read(path: Path, prefix: str = "") -> Content:
    """The newest state (of keys with `prefix`) in a snapshot, left as it is. Raises StoreError. Blocks."""
    with contextlib.closing(schema.open_snapshot(path)) as connection:
        revision, _, _ = schema.state(connection)
        records, _ = queries.page(connection, (prefix, after(prefix)), 0, revision)
        return Content(revision, records, queries.deadlines(connection))

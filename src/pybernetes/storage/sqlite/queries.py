# SPDX-License-Identifier: Apache-2.0
"""The queries (their SQL is queries.sql). Each call makes a handful of steps, however many rows it moves.

SQLite lets go of the interpreter's lock at every row it returns, and on a busy loop getting it
back can take a switch interval each time: 10,000 rows one by one were measured at 12 s, in one
step at 0.4 s. So rows travel as JSON arrays, one a column, and one blob of their values; a step
is no larger than what the allocator and the processor's cache keep at hand.
"""

import contextlib
import json
import sqlite3
from collections.abc import Iterator, Sequence
from importlib import resources
from itertools import accumulate, pairwise
from pathlib import Path
from typing import Any

import orjson

from pybernetes.base import files
from pybernetes.storage.sqlite.schema import SHIFT, first_id
from pybernetes.storage.transaction import after
from pybernetes.storage.types import Change, Record, Unavailable

DELETED = 1  # lowest bit of an id
NEVER = (1 << 62) >> SHIFT  # a revision larger than any
CHUNK_BYTES = 4 << 20  # values fetched in one step
PAGE_KEYS = 1000  # keys looked at in one step,
WHOLE = 8192  # with values of at most this size; longer ones are fetched after it
HISTORY_ROWS = 8192  # more than one transaction can have

Row = tuple[int, str, bytes | None, int | None, float | None]  # as in the log table


def _statements() -> dict[str, str]:
    """queries.sql: name -> statement."""
    text = resources.files(__package__).joinpath("queries.sql").read_text()
    parts = (part.partition("\n") for part in text.split("\n-- ")[1:])
    return {name: statement.strip() for name, _, statement in parts}


_SQL = _statements()


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def _one(connection: sqlite3.Connection, sql: str, *parameters: object) -> Any:
    return connection.execute(sql, parameters).fetchone()


def _rows(text: str) -> list[list[Any]]:
    rows: list[list[Any]] = orjson.loads(text)
    return rows


def _cut(blob: bytes | None, lengths: Sequence[int]) -> list[bytes]:
    """The values in a blob of them all."""
    blob = blob or b""
    if len(blob) != sum(lengths):
        raise Unavailable(f"SQLite {sqlite3.sqlite_version} does not join blobs whole")
    return [blob[first:last] for first, last in pairwise(accumulate(lengths, initial=0))]


def _record(row: Sequence[Any], value: bytes) -> Record:
    return Record(row[1], value, row[0] >> SHIFT, row[2])


def newest(connection: sqlite3.Connection, keys: Sequence[str]) -> dict[str, Record]:
    """The newest records of those of `keys` that exist, in one step."""
    if len(keys) == 1:
        record = get(connection, keys[0], NEVER)
        return {} if record is None else {record.key: record}
    text, blob = _one(connection, _SQL["state"], _text(keys))
    rows = _rows(text)
    values = _cut(blob, [row[3] for row in rows])
    return {row[1]: _record(row, value) for row, value in zip(rows, values, strict=True)}


def insert(connection: sqlite3.Connection, rows: Sequence[Row]) -> None:
    """Append to the log: one statement, so one transaction, durable when it returns."""
    if len(rows) == 1:
        connection.execute(_SQL["insert_one"], rows[0])
        return
    numbers: list[tuple[object, ...]] = []
    values: list[bytes] = []
    position = 1  # SQL counts from one
    for identity, key, value, created, deadline in rows:
        if value is None:
            numbers.append((identity, key, None, None, created, deadline))
            continue
        numbers.append((identity, key, position, len(value), created, deadline))
        values.append(value)
        position += len(value)
    connection.execute(_SQL["insert"], (_text(numbers), b"".join(values)))


def _values(connection: sqlite3.Connection, wanted: Sequence[tuple[int, int]]) -> list[bytes]:
    """The values of (id, length) in that order, in steps of bounded size."""
    found: list[bytes] = []
    ids: list[int] = []
    lengths: list[int] = []
    total = 0
    for identity, length in wanted:
        ids.append(identity)
        lengths.append(length)
        total += length
        if total >= CHUNK_BYTES:
            found += _cut(_one(connection, _SQL["values"], _text(ids))[0], lengths)
            ids, lengths, total = [], [], 0
    if ids:
        found += _cut(_one(connection, _SQL["values"], _text(ids))[0], lengths)
    return found


def get(connection: sqlite3.Connection, key: str, revision: int) -> Record | None:
    """The record of `key` at `revision`."""
    row = _one(connection, _SQL["get"], key, first_id(revision + 1))
    return None if row is None or row[0] & DELETED else _record(row, row[3])


def page(
    connection: sqlite3.Connection, bounds: tuple[str, str], limit: int, revision: int
) -> tuple[list[Record], int]:
    """Records of [start, end) at `revision`, at most `limit` (0: all), and how many more there are."""
    start, end = bounds
    bound = first_id(revision + 1)
    records: list[Record] = []
    remaining = 0
    new, kind, shift = tuple.__new__, Record, SHIFT
    while True:
        size = min(PAGE_KEYS, limit - len(records)) if limit else PAGE_KEYS
        *texts, blob = _one(connection, _SQL["page"], start, end, bound, size, WHOLE)
        ids, keys, created, lengths = map(orjson.loads, texts)
        values = _mixed(connection, ids, lengths, blob)
        records += [
            new(kind, (key, value, identity >> shift, since))
            for identity, key, since, value in zip(ids, keys, created, values, strict=True)
            if value is not None
        ]
        if len(ids) < size:
            break
        start = keys[-1] + "\0"
        if limit and len(records) >= limit:
            (remaining,) = _one(connection, _SQL["count"], start, end, bound)
            break
    return records, remaining


def _mixed(
    connection: sqlite3.Connection,
    ids: Sequence[int],
    lengths: Sequence[int | None],
    blob: bytes | None,
) -> Sequence[bytes | None]:
    """The values of rows: those up to WHOLE from `blob`, longer ones fetched, None for deletions."""
    short = [length for length in lengths if length is not None and length <= WHOLE]
    values = _cut(blob, short)
    if len(short) == len(ids):
        return values
    sizes = list(zip(ids, lengths, strict=True))
    cut = iter(values)
    long = iter(
        _values(connection, [(i, length) for i, length in sizes if length and length > WHOLE])
    )
    return [None if size is None else next(cut if size <= WHOLE else long) for _, size in sizes]


def history(
    connection: sqlite3.Connection, prefix: str, first: int, last: int
) -> tuple[list[Change], bool]:
    """Changes of `prefix` in revisions first..last, whole revisions; whether there are more."""
    bounds = first_id(first), first_id(last + 1)
    sql_rows = _one(connection, _SQL["history"], *bounds, prefix, after(prefix), HISTORY_ROWS)[0]
    rows = _rows(sql_rows)
    more = len(rows) == HISTORY_ROWS
    if more:
        cut = rows[-1][0] >> SHIFT
        rows = [row for row in rows if row[0] >> SHIFT != cut]
    wanted = [(row[0], row[3]) for row in rows if row[3] is not None]
    wanted += [(row[4], row[6]) for row in rows if row[6] is not None]
    values = dict(zip([w[0] for w in wanted], _values(connection, wanted), strict=True))
    return [_change(row, values) for row in rows], more


def _change(row: Sequence[Any], values: dict[int, bytes]) -> Change:
    identity, key, created, _, before, before_created, _ = row
    revision = identity >> SHIFT
    record = previous = None
    if not identity & DELETED:
        record = Record(key, values[identity], revision, created)
    if before is not None and not before & DELETED:
        previous = Record(key, values[before], before >> SHIFT, before_created)
    return Change(key, revision, record, previous)


def deadlines(connection: sqlite3.Connection) -> list[tuple[float, str, int]]:
    """Every deadline kept (of older versions too: they come to nothing)."""
    (text,) = _one(connection, _SQL["deadlines"])
    return [(moment, key, identity >> SHIFT) for moment, key, identity in json.loads(text)]


def set_meta(connection: sqlite3.Connection, name: str, value: int) -> None:
    connection.execute("UPDATE meta SET value = ? WHERE name = ?", (value, name))


def sweep(connection: sqlite3.Connection, first: int, last: int) -> None:
    """Delete what revisions first..last have replaced, and their deletions; note the progress."""
    bounds = first_id(first), first_id(last + 1)
    with atomically(connection):
        connection.execute(_SQL["sweep_replaced"], bounds)
        connection.execute(_SQL["sweep_deletions"], bounds)
        set_meta(connection, "swept", last)


@contextlib.contextmanager
def atomically(connection: sqlite3.Connection) -> Iterator[None]:
    """The block is one transaction."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def free_pages(connection: sqlite3.Connection) -> int:
    (free,) = _one(connection, "PRAGMA freelist_count")
    return int(free)


def used_bytes(connection: sqlite3.Connection) -> int:
    """Bytes of the file's pages in use."""
    (pages,) = _one(connection, "PRAGMA page_count")
    (size,) = _one(connection, "PRAGMA page_size")
    return (int(pages) - free_pages(connection)) * int(size)


def vacuum(connection: sqlite3.Connection, pages: int) -> None:
    """Give up to `pages` unused pages back to the system."""
    # A row without columns for each page: execute() would stop at the first.
    connection.executescript(f"PRAGMA incremental_vacuum({pages})")


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """Replace `path` by a consistent, compact copy of the whole file."""
    with files.replacing(path) as new:
        connection.execute("VACUUM INTO ?", (str(new),))
    files.sync_directory(path.parent)

# SPDX-License-Identifier: Apache-2.0
"""The file: its tables, its format number, its lock, and how connections to it are opened.

One table holds every version of every key; `id` is revision, position in the transaction and
whether the version is a deletion, packed so that ids sort by time. The newest version of a key is
its largest id, which the index finds without touching values.
"""

import sqlite3
from importlib import resources
from pathlib import Path
from typing import IO
from urllib.parse import quote

from pybernetes.base import files
from pybernetes.storage.transaction import FIRST, MAX_OPS
from pybernetes.storage.types import NoSpace, StoreError, Unavailable

FORMAT = 1
APPLICATION = 0x50796265  # "Pybe", in the file's header
SHIFT = MAX_OPS.bit_length()  # of the revision in an id; below it: position * 2 + deleted
PAGE_SIZE = 4096
CHECKED_AT_OPEN = 128 << 20  # bytes: a larger file is checked while it is used already
CHECKPOINT_PAGES = 1000  # of the write-ahead log, 4 MB: more at a time makes writers wait longer


def first_id(revision: int) -> int:
    """The smallest id of `revision`."""
    return revision << SHIFT


def translated(error: sqlite3.Error, path: Path) -> StoreError:
    """Our error for SQLite's; the caller keeps the cause."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code == sqlite3.SQLITE_FULL:
        return NoSpace(f"{path}: {error}")
    return Unavailable(f"{path}: {error}")


def lock(path: Path) -> IO[str]:
    """Become the file's one owner until the returned file is closed."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    held = path.with_name(path.name + ".lock")
    held.touch(mode=0o600)
    try:
        return files.hold(held)
    except BlockingIOError as error:
        owner = held.read_text().strip() or "unknown"
        raise Unavailable(f"{path} is in use by process {owner}") from error


def connect(path: Path) -> sqlite3.Connection:
    """A connection in autocommit mode that any one thread at a time may use."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, timeout=5)
    connection.execute("PRAGMA wal_autocheckpoint = 0")  # only the writer's connection does
    return connection


def open_writer(path: Path) -> sqlite3.Connection:
    """The writer's connection to an existing or new store. Raises StoreError.

    Refuses what is not a store, what a newer Pybernetes wrote, and what is damaged.
    """
    try:
        connection = connect(path)
        try:
            # asked of SQLite: a process killed while it made the file leaves more than nothing
            (pages,) = connection.execute("PRAGMA page_count").fetchone()
            _verify(connection, path) if pages else _create(connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA cache_size = -16384")
            connection.execute("PRAGMA secure_delete = FAST")  # zeroes nothing that costs a write
            connection.execute("PRAGMA journal_size_limit = 67108864")
            connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, path) from error
    path.chmod(0o600)
    files.sync_directory(path.parent)
    return connection


def open_snapshot(path: Path) -> sqlite3.Connection:
    """A connection that changes nothing, to a store's file that nobody writes. Raises StoreError."""
    try:
        uri = f"file:{quote(str(path.absolute()))}?immutable=1"
        connection = sqlite3.connect(uri, uri=True, isolation_level=None, check_same_thread=False)
        try:
            _verify(connection, path)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise translated(error, path) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    connection = connect(path)
    connection.execute("PRAGMA cache_size = -16384")
    return connection


def _create(connection: sqlite3.Connection) -> None:
    connection.execute(f"PRAGMA page_size = {PAGE_SIZE}")
    connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
    tables = resources.files(__package__).joinpath("tables.sql").read_text()
    connection.executescript(
        f"BEGIN; {tables}"
        f"INSERT INTO meta VALUES ('floor', {FIRST}), ('swept', {FIRST});"
        f"PRAGMA application_id = {APPLICATION}; PRAGMA user_version = {FORMAT}; COMMIT;"
    )


def _verify(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION:
        raise StoreError(f"{path} is not a Pybernetes store")
    if version > FORMAT:
        raise StoreError(
            f"{path} has format {version}, and this Pybernetes knows formats up to {FORMAT}: "
            "use the newer Pybernetes that wrote it"
        )
    if path.stat().st_size <= CHECKED_AT_OPEN:
        check(connection, path)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Read the whole file. Raises StoreError if it is damaged."""
    (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if found != "ok":
        raise StoreError(f"{path} is damaged: {found}")


def state(connection: sqlite3.Connection) -> tuple[int, int, int]:
    """Newest revision, floor, and up to which revision the past has been swept."""
    meta = dict(connection.execute("SELECT name, value FROM meta"))
    (newest,) = connection.execute("SELECT max(id) FROM log").fetchone()
    floor = int(meta["floor"])
    return max((newest or 0) >> SHIFT, floor), floor, int(meta["swept"])

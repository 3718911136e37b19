# SPDX-License-Identifier: Apache-2.0
"""The store in one SQLite file: durable, embedded, with one owning process."""

from pybernetes.storage.sqlite.driver import SqliteConfig, SqliteStore

__all__ = ["SqliteConfig", "SqliteStore"]

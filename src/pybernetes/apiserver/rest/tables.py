# SPDX-License-Identifier: Apache-2.0
"""The Table shape of answers: what kubectl asks for."""

import datetime
from collections.abc import Callable, Sequence

from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.table import INCLUDES, Column, Include, table
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.serving import Serving

_DEFAULT: tuple[Column, ...] = (NAME, AGE)


class TableFormat:
    """Rows are made from the storage version, the objects beside them from the served one."""

    def __init__(
        self, api_version: str, include: str, now: Callable[[], datetime.datetime]
    ) -> None:
        self._include: Include = _include(include)
        self._now = now
        self.key = f"table/{self._include}/{api_version}"

    def one(self, serving: Serving, entry: Entry) -> bytes:
        return self.many(serving, [entry], {"resourceVersion": str(entry.revision)})

    def many(self, serving: Serving, entries: Sequence[Entry], meta: Object) -> bytes:
        columns = serving.row.rules.columns or _DEFAULT
        now = self._now()
        objects = [serving.decode(entry) for entry in entries]
        made = table(columns, objects, now, include=self._include, metadata=meta)
        if self._include == "Object" and not serving.stored_here:
            for row in made["rows"]:
                row["object"] = serving.serve(row["object"])
        return codec.dumps(made)


def _include(text: str) -> Include:
    for known in INCLUDES:
        if known == (text or "Metadata"):
            return known
    raise bad_request(f"unrecognized includeObject value: {text}")

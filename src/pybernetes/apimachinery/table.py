# SPDX-License-Identifier: Apache-2.0
"""meta.k8s.io/v1 Table: what `kubectl get` prints, one row an object."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from pybernetes.apimachinery.types import Object

INCLUDES = ("None", "Metadata", "Object")  # what a row may hold of its object


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the Table output. `priority` 1 shows only with -o wide.

    `cell(obj, now)` returns a string, a number or a boolean; ages are text ("5m12s").
    """

    name: str
    cell: Callable[[Object, datetime.datetime], Any]
    type: str = "string"
    format: str = ""
    description: str = ""
    priority: int = 0

    def definition(self) -> Object:
        """What the table says of it."""
        names = ("name", "type", "format", "description", "priority")
        return {name: getattr(self, name) for name in names}


def table(
    columns: Sequence[Column],
    objects: Iterable[Object],
    now: datetime.datetime,
    *,
    include: str = "Metadata",
    metadata: Object | None = None,
) -> Object:
    """The Table of `objects`. `metadata` is the list's (resourceVersion, continue, ...)."""
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [column.definition() for column in columns],
        "rows": [row(columns, obj, now, include) for obj in objects],
    }


def row(columns: Sequence[Column], obj: Object, now: datetime.datetime, include: str) -> Object:
    found: Object = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Object":
        found["object"] = obj
    elif include == "Metadata":
        found["object"] = partial_metadata(obj.get("metadata") or {})
    return found


def partial_metadata(metadata: Object, suffix: str = "") -> Object:
    """The PartialObjectMetadata of an object, or PartialObjectMetadataList of a list."""
    kind = "PartialObjectMetadata" + suffix
    return {"kind": kind, "apiVersion": "meta.k8s.io/v1", "metadata": metadata}

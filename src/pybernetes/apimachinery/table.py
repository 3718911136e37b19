# SPDX-License-Identifier: Apache-2.0
"""meta.k8s.io/v1 Table: what `kubectl get` prints, one row an object."""

import datetime
from collections.abc import Callable, Iterable, Sequence
from typing import Any, Literal, Protocol

from pybernetes.apimachinery.types import Object

Include = Literal["None", "Metadata", "Object"]
INCLUDES: tuple[Include, ...] = ("None", "Metadata", "Object")


class Column(Protocol):
    """What a table needs of a column (apis.kind.Column is one)."""

    @property
    def name(self) -> str: ...
    @property
    def type(self) -> str: ...
    @property
    def format(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def priority(self) -> int: ...
    @property
    def cell(self) -> Callable[[Object, datetime.datetime], Any]: ...


def table(
    columns: Sequence[Column],
    objects: Iterable[Object],
    now: datetime.datetime,
    *,
    include: Include = "Metadata",
    metadata: Object | None = None,
    heading: bool = True,
) -> Object:
    """The Table of `objects`. `metadata` is the list's (resourceVersion, continue, ...).

    `heading` False leaves the column definitions out: watch events after the first.
    """
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata or {},
        "columnDefinitions": [_definition(column) for column in columns] if heading else None,
        "rows": [row(columns, obj, now, include) for obj in objects],
    }


def row(columns: Sequence[Column], obj: Object, now: datetime.datetime, include: Include) -> Object:
    found: Object = {"cells": [column.cell(obj, now) for column in columns]}
    if include == "Object":
        found["object"] = obj
    elif include == "Metadata":
        found["object"] = partial_metadata(obj)
    return found


def partial_metadata(obj: Object) -> Object:
    """The PartialObjectMetadata of an object."""
    return {
        "kind": "PartialObjectMetadata",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": obj.get("metadata") or {},
    }


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }

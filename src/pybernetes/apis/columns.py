# SPDX-License-Identifier: Apache-2.0
"""Columns and cells that many kinds share in Table output."""

import datetime
from collections.abc import Callable, Mapping
from typing import Any

from pybernetes.apimachinery import meta, selectors, timestamps
from pybernetes.apimachinery.types import Object
from pybernetes.apis.kind import Column

Cell = Callable[[Object, datetime.datetime], Any]


def look(obj: Any, *path: str) -> Any:
    """The value at a path of keys; None where any step is missing."""
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


def _of(path: tuple[str, ...], shown: Callable[[Any], Any]) -> Cell:
    return lambda obj, _: shown(look(obj, *path))


def text(*path: str, empty: str = "") -> Cell:
    """A cell showing the text at a path, `empty` where there is none."""
    return _of(path, lambda value: str(value or empty))


def optional(*path: str, missing: str = "<unset>") -> Cell:
    """A cell showing the value at a path as text, `missing` only where it is absent."""
    return _of(path, lambda value: missing if value is None else show(value))


def show(value: Any) -> str:
    """A scalar as Go prints it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def number(*path: str) -> Cell:
    """A cell showing the number at a path; 0 where there is none."""
    return _of(path, lambda value: int(value or 0))


def count(*path: str) -> Cell:
    """A cell showing how many items are at a path."""
    return _of(path, lambda value: len(value or ()))


def since(*path: str, missing: str = "<unknown>") -> Cell:
    """A cell showing how long ago the time at a path was."""

    def cell(obj: Object, now: datetime.datetime) -> str:
        value = look(obj, *path)
        return timestamps.age(value, now) if value else missing

    return cell


def format_labels(labels: Mapping[str, str] | None) -> str:
    """Labels as "a=1,b=2"; "<none>" where there are none."""
    return ",".join(f"{key}={value}" for key, value in sorted((labels or {}).items())) or "<none>"


def selector_text(selector: Object | None) -> str:
    """A label selector as text; empty where it selects everything or is missing."""
    try:
        return str(selectors.from_label_selector(selector)) if selector else ""
    except ValueError:
        return "<error>"


def labels_cell(*path: str) -> Cell:
    """A cell showing the labels (or a plain selector) at a path."""
    return _of(path, format_labels)


def selector_cell(*path: str, empty: str = "<none>") -> Cell:
    """A cell showing the label selector at a path."""
    return _of(path, lambda value: selector_text(value) or empty)


def of_containers(field: str, *path: str) -> Cell:
    """A cell listing a field of every container of the pod spec at a path."""
    containers = (*path, "containers")
    return _of(containers, lambda value: ",".join(str(one.get(field) or "") for one in value or ()))


def container_columns(*path: str) -> tuple[Column, Column]:
    """The wide columns of a kind with a pod template; `path` leads to its pod spec."""
    return (
        Column("Containers", of_containers("name", *path), priority=1),
        Column("Images", of_containers("image", *path), priority=1),
    )


NAME = Column(
    "Name", lambda obj, _: meta.name(obj), format="name", description="Name of the object"
)
AGE = Column("Age", since("metadata", "creationTimestamp"), description="Time since its creation")
CREATED = Column(  # what upstream shows of kinds without columns of their own
    "Created At",
    lambda obj, _: meta.metadata(obj).get("creationTimestamp") or "",
    type="date",
    description="When it was created",
)

# SPDX-License-Identifier: Apache-2.0
"""Columns of Table output and the values of selectable fields, as data/kinds.txt writes them.

A cell is `[HOW] .path.to.value [? TEXT]`: "?" says what stands for an empty value, "??" for a
missing one. HOW is a word of _SHOWN, a word of _WITH and its argument, or `age`; without it the
value is text. Or a cell is text with such cells in it, {in braces}; where the last is empty, TEXT
stands for the whole. Or it is code, [? TEXT] too: module:function, taking the object and the time.
"""

import datetime
import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pybernetes.apimachinery import selectors, timestamps
from pybernetes.apimachinery.table import Column
from pybernetes.apimachinery.types import Object
from pybernetes.apis.data.sections import code

Cell = Callable[[Object, datetime.datetime], Any]


_EMPTY: Object = {}
_NOW = datetime.datetime.min.replace(tzinfo=datetime.UTC)  # no selectable field depends on the time


def look(obj: Any, *path: str) -> Any:
    """The value at a path of keys; None where any step is missing."""
    for key in path:
        if not isinstance(obj, dict):
            return None
        obj = obj.get(key)
    return obj


def show(value: Any) -> str:
    """A scalar as Go prints it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def selector_text(selector: Object | None) -> str:
    """A label selector as text; empty where it selects everything or is missing."""
    try:
        return str(selectors.from_label_selector(selector)) if selector else ""
    except ValueError:
        return "<error>"


_SHOWN: Mapping[str, Callable[[Any], Any]] = {
    "text": lambda value: show(value) if value not in (None, 0, False) else "",
    "value": lambda value: value,
    "number": lambda value: int(value or 0),
    "stripped": lambda value: (value or "").strip(),
    "duration": lambda value: "" if value is None else timestamps.human_duration(value),
    "count": lambda value: len(value or ()),
    "flag": bool,
    "truth": lambda value: show(bool(value)),
    "Truth": lambda value: str(bool(value)),
    "joined": lambda value: ",".join(value or ()),
    "labels": lambda value: (
        ",".join(f"{k}={v}" for k, v in sorted((value or {}).items())) or "<none>"
    ),
    "selector": selector_text,
}


_WITH: Mapping[str, Callable[[str, Any], str]] = {
    "each": lambda field, items: ",".join(str(one.get(field) or "") for one in items or ()),
    "subjects": lambda kind, listed: ", ".join(
        one.get("name") or "" for one in listed or () if one.get("kind") == kind
    ),
    "address": lambda type_, listed: next(
        (one.get("address") or "" for one in listed or () if one.get("type") == type_), ""
    ),
}


def cell(text: str) -> Cell:
    """What a row says of a cell."""
    if "{" in text:
        return _template(text)
    words = text.split()
    if ":" in words[0]:
        made: Cell = code(words[0])
        return (lambda obj, now: made(obj, now) or words[2]) if words[1:] else made
    how = "text" if words[0].startswith(".") else words.pop(0)
    argument = "" if words[0].startswith(".") else words.pop(0)
    path, default = tuple(words[0].split(".")[1:]), " ".join(words[2:])
    missing = words[1:2] == ["??"]
    if how == "age":
        return lambda obj, now: (
            timestamps.age(value, now) if (value := look(obj, *path)) else default
        )
    shown = show if how == "text" and missing else _SHOWN.get(how)
    if shown is None:
        shown = partial(_WITH[how], argument)
    if missing:
        return lambda obj, _: default if (value := look(obj, *path)) is None else shown(value)
    if len(words) > 1:
        return lambda obj, _: shown(look(obj, *path)) or default
    return lambda obj, _: shown(look(obj, *path))


def _template(text: str) -> Cell:
    end = text.rindex("}") + 1
    default = text[end:].partition("? ")[2]
    parts = re.split(r"\{(.*?)\}", text[:end])
    form, cells = "{}".join(parts[::2]), [cell(part) for part in parts[1::2]]

    def filled(obj: Object, now: datetime.datetime) -> str:
        values = [one(obj, now) for one in cells]
        return form.format(*values) if values[-1] != "" else default

    return filled


def selectable(text: str) -> Callable[[Object], str]:
    """A cell as the value of a selectable field; short paths of text are read at once, since every
    object that is stored is asked for them."""
    path = text.split(".")[1:]
    if text.startswith(".") and len(path) == 2:
        above, below = path
        return lambda obj: (obj.get(above) or _EMPTY).get(below) or ""
    shown = cell(text)
    return lambda obj: str(shown(obj, _NOW))


def column(text: str) -> Column:
    """`NAME | CELL [| FLAGS [| DESCRIPTION]]`; flags: wide, and a type or a format. NAME alone: a
    column that many kinds have."""
    name, *rest = [part.strip() for part in text.split("|")]
    if not rest:
        return _STANDARD[name]
    flags = rest[1].split() if len(rest) > 1 else []
    types = [flag for flag in flags if flag in ("integer", "boolean", "date")]
    return Column(
        name,
        cell(rest[0]),
        type=types[0] if types else "string",
        format="name" if "name" in flags else "",
        description=rest[2] if len(rest) > 2 else "",
        priority=int("wide" in flags),
    )


NAME = column("Name | .metadata.name | name | Name of the object")
AGE = column("Age | age .metadata.creationTimestamp ?? <unknown> | | Time since its creation")
# What upstream shows of kinds without columns of their own:
CREATED = column("Created At | .metadata.creationTimestamp | date | When it was created")
_STANDARD = {one.name: one for one in (NAME, AGE, CREATED)}

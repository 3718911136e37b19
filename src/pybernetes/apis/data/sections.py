# SPDX-License-Identifier: Apache-2.0
"""Reads data files, those beside this file and others: JSON documents, and tables.

A table has sections named in brackets, a row a line.

A line that starts with # is a comment. Words are parted by spaces; what follows " : " is text.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from importlib import import_module, resources
from typing import Any, NamedTuple

from pybernetes.apimachinery.types import Object

Condition = Callable[[Object], bool]


class Row(NamedTuple):
    """`FIELD WORD ARGUMENTS... [if CONDITIONS...] [: TEXT]`."""

    field: str
    word: str
    arguments: list[str]
    condition: Condition | None
    text: str


@cache
def sections(file: str, package: str = __package__) -> Mapping[str, Sequence[str]]:
    """The rows of each section of a table. A heading may name several: [one two]."""
    found: dict[str, list[str]] = {}
    names: list[str] = []
    for line in resources.files(package).joinpath(file).read_text().splitlines():
        line = line.strip()
        if line.startswith("["):
            names = line[1:-1].split()
            for name in names:
                found.setdefault(name, [])
        elif line and not line.startswith("#"):
            for name in names:
                found[name].append(line)
    return found


@cache
def document(file: str, package: str = __package__) -> Any:
    """What a JSON file says, which nobody may change."""
    return json.loads(resources.files(package).joinpath(file).read_text())


@cache
def row(line: str) -> Row:
    head, _, text = line.partition(" : ")
    field, word, *arguments = head.split()
    condition = None
    if "if" in arguments:
        at = arguments.index("if")
        tests = [_test(test) for test in arguments[at + 1 :]]
        arguments, condition = arguments[:at], lambda obj: all(test(obj) for test in tests)
    return Row(field, word, arguments, condition, text.strip())


def _test(word: str) -> Condition:
    """FIELD: it is set, and no empty list; A|B: one of them is; !FIELD: it is not; FIELD=A|B: its value is one of these; FIELD!=A|B."""
    field, equals, values = word.partition("=")
    if not equals:
        wanted, fields = not word.startswith("!"), word.removeprefix("!").split("|")
        return lambda obj: any(obj.get(name) not in (None, []) for name in fields) == wanted
    wanted, field = not field.endswith("!"), field.removesuffix("!")
    known = values.split("|")
    return lambda obj: (_shown(obj.get(field)) in known) == wanted


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def code(name: str) -> Any:
    """What "core.node:roles" names: an attribute of a module of pybernetes.apis."""
    module, _, attribute = name.partition(":")
    return getattr(import_module(f"pybernetes.apis.{module}"), attribute)

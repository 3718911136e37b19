# SPDX-License-Identifier: Apache-2.0
"""Reads a file of stages (schema: stages.schema.json beside this file)."""

import json
import re
from collections.abc import Callable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.labelparser import SelectorError
from pybernetes.apimachinery.selectors import Selector
from pybernetes.apimachinery.selectors import parse as parse_selector
from pybernetes.apimachinery.settings import SettingsError, load
from pybernetes.cri import stages
from pybernetes.cri.stages import OOM, Curve, Delay, Exit, Exits, Line, Match, Stages

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"([0-9.]+)(ms|s|m|h|d)")
_Make = Callable[[Any], Any]


class _Wrong(ValueError):
    """(where below the value, what is wrong)."""


def read(path: Path | str) -> Stages:
    """The stages in a file. Raises SettingsError, OSError."""
    return parse(Path(path).read_text())


def parse(text: str) -> Stages:
    """The stages of a YAML text. Raises SettingsError."""
    schema = json.loads((resources.files(__package__) / "stages.schema.json").read_text())
    settings = load(text.encode(), schema)
    rows, faults = [], []
    for index, row in enumerate(settings.value["stages"]):
        try:
            rows.append(_stage(row, f"stages[{index}]"))
        except _Wrong as error:
            where, detail = error.args
            faults.append(settings.fault(("stages", index, *where), detail))
    if faults:
        raise SettingsError(faults)
    return Stages(tuple(rows), settings.value.get("seed"))


def _stage(row: Mapping[str, Any], name: str) -> stages.Stage:
    wanted = row.get("match", {})
    if "node" in row and wanted.keys() - {"node"}:
        raise _Wrong(("match",), "a stage about nodes can match by node only")
    made = _fields(_STAGE, row)
    return stages.Stage(made.pop("name", name), made.pop("match", Match()), made)


def _fields(table: Mapping[str, _Make], value: Mapping[str, Any]) -> dict[str, Any]:
    """Each item as its row of the table makes it."""
    made = {}
    for key, item in value.items():
        try:
            made[key] = table[key](item)
        except _Wrong as error:
            raise _Wrong((key, *error.args[0]), error.args[1]) from error
    return made


def _made(kind: Callable[..., Any], table: Mapping[str, Any]) -> _Make:
    """Makes a `kind` of a mapping; its fields are the file's words, `for` and notReady apart."""
    return lambda value: kind(
        **{_NAMES.get(key, key): item for key, item in _fields(table, value).items()}
    )


_NAMES = {"for": "lasts", "notReady": "not_ready"}


def seconds(value: str | float) -> float:
    """Of 90, 200ms or 1m30s."""
    if isinstance(value, str):
        return sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(value))
    return float(value)


def _share(text: str) -> float:
    return 1.0 if text == "always" else float(text.rstrip("%")) / 100


def _delay(value: Any) -> Delay:
    if not isinstance(value, dict):
        return Delay("always", seconds(value))
    ((kind, numbers),) = value.items()
    first: Any
    second: Any
    first, second = numbers if isinstance(numbers, list) else (numbers, 0)
    if kind != "about":
        return Delay(kind, seconds(first), seconds(second))
    if "%" in str(first) or "%" not in str(second):
        raise _Wrong((kind,), "must be a duration, then a share: [5s, 20%]")
    return Delay(kind, seconds(first), _share(second))


def _selector(text: str) -> Selector:
    try:
        return parse_selector(text)
    except SelectorError as error:
        raise _Wrong((), str(error)) from error


def _globs(value: Any) -> list[str]:
    return value if isinstance(value, list) else [value]


def _exits(value: Any) -> Exits:
    weights = value if isinstance(value, dict) else {str(value): 1}
    choices = []
    for code, weight in weights.items():
        if code != OOM.reason and not (code.isdigit() and int(code) < 256):
            raise _Wrong((code,), f'"{code}" is no exit code: 0 to 255, or OOMKilled')
        choices.append((OOM if code == OOM.reason else Exit(int(code)), float(weight)))
    if not sum(weights.values()):
        raise _Wrong((), "all weights are 0")
    return Exits(tuple(choices))


def _amount(value: str | float) -> float:
    try:
        return quantity.parse(value).to_float()
    except quantity.QuantityError as error:
        raise _Wrong((), f'"{value}" is no quantity such as 250m or 64Mi') from error


def _capacity(value: Mapping[str, Any]) -> dict[str, str]:
    _fields(dict.fromkeys(value, _amount), value)
    return {name: str(amount) for name, amount in value.items()}


def _curve(value: Any) -> Curve:
    if not isinstance(value, dict):
        return Curve([(0.0, _amount(value))])
    for time in value:
        if not re.fullmatch(f"({_PART.pattern})+", time):
            raise _Wrong((time,), f'"{time}" is no time such as 30s or 1m30s')
    amounts = _fields(dict.fromkeys(value, _amount), value)
    return Curve([(seconds(time), amount) for time, amount in amounts.items()])


def _logs(value: list[Any]) -> list[Line]:
    return [
        Line(item) if isinstance(item, str) else Line(item["line"], seconds(item["every"]))
        for item in value
    ]


_STEP = _made(stages.Step, {"takes": _delay, "fails": lambda item: item, "error": str})
_PROBE = _made(stages.Probe, dict.fromkeys(("after", "up", "down"), _delay))
_OUTAGE = _made(stages.Outage, {"after": _delay, "for": _delay, "every": seconds})
_RUN = {"for": _delay, "exit": _exits, "message": str, "times": int, "chance": _share}
_MATCH = {
    **dict.fromkeys(("node", "namespace", "pod", "container", "image"), _globs),
    **dict.fromkeys(("labels", "annotations"), _selector),
    "init": bool,
}
_NODE = {"capacity": _capacity, "labels": dict, "notReady": _OUTAGE, "lost": _OUTAGE}
_STAGE: Mapping[str, _Make] = {
    "name": str,
    "match": _made(Match, _MATCH),
    **dict.fromkeys(("pull", "sandbox", "create", "start"), _STEP),
    "run": _made(stages.Run, _RUN),
    **dict.fromkeys(("startup", "readiness", "liveness"), _PROBE),
    "stop": _made(stages.Stop, {"takes": _delay, "exit": _exits}),
    "usage": _made(stages.Usage, {"cpu": _curve, "memory": _curve, "every": seconds}),
    "logs": _logs,
    "node": _made(stages.Node, _NODE),
}

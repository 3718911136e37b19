# SPDX-License-Identifier: Apache-2.0
"""FlowSchema and PriorityLevelConfiguration: which requests may crowd out which."""

import datetime
from typing import Any

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, look, number, text
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind

_TYPES = ["Exempt", "Limited"]


def _default_schema(schema: Object) -> None:
    fill(schema.setdefault("spec", {}), {"matchingPrecedence": 1000})


def _default_level(level: Object) -> None:
    spec: Object = level.setdefault("spec", {})
    if spec.get("exempt") is not None:
        fill_missing(spec["exempt"], {"nominalConcurrencyShares": 0, "lendablePercent": 0})
    if spec.get("limited") is not None:
        fill_missing(spec["limited"], {"nominalConcurrencyShares": 30, "lendablePercent": 0})
        queuing = look(spec, "limited", "limitResponse", "queuing")
        if queuing is not None:
            fill(queuing, {"handSize": 8, "queues": 64, "queueLengthLimit": 50})


def _validate_schema(schema: Object) -> Errors:
    errors: Errors = []
    precedence = look(schema, "spec", "matchingPrecedence") or 0
    if not 1 <= precedence <= 10000:
        wrong = "must be a value between 1 and 10000"
        errors.append(invalid("spec.matchingPrecedence", precedence, wrong))
    if not look(schema, "spec", "priorityLevelConfiguration", "name"):
        wrong = "must reference a priority level"
        errors.append(required("spec.priorityLevelConfiguration.name", wrong))
    return errors


def _validate_level(level: Object) -> Errors:
    errors: Errors = []
    spec = level.get("spec") or {}
    if spec.get("type") not in _TYPES:
        errors.append(not_supported("spec.type", spec.get("type"), _TYPES))
    elif spec["type"] == "Limited" and spec.get("limited") is None:
        wrong = "must not be empty when type is Limited"
        errors.append(required("spec.limited", wrong))
    return errors


def _missing(schema: Object, _: datetime.datetime) -> str:
    dangling = get_condition(schema, "Dangling")
    return "?" if dangling is None else str(dangling.get("status") or "")


def _limit(*path: str) -> Cell:
    def cell(level: Object, _: datetime.datetime) -> Any:
        value = look(level, "spec", "limited", *path)
        return "<none>" if value is None else value

    return cell


FLOW_SCHEMA = Kind(
    default=_default_schema,
    validate_create=_validate_schema,
    validate_update=lambda new, _: _validate_schema(new),
    columns=(
        NAME,
        Column("PriorityLevel", text("spec", "priorityLevelConfiguration", "name")),
        Column("MatchingPrecedence", number("spec", "matchingPrecedence")),
        Column("DistinguisherMethod", text("spec", "distinguisherMethod", "type", empty="<none>")),
        AGE,
        Column("MissingPL", _missing),
    ),
)
PRIORITY_LEVEL_CONFIGURATION = Kind(
    default=_default_level,
    validate_create=_validate_level,
    validate_update=lambda new, _: _validate_level(new),
    columns=(
        NAME,
        Column("Type", text("spec", "type")),
        Column("NominalConcurrencyShares", _limit("nominalConcurrencyShares")),
        Column("Queues", _limit("limitResponse", "queuing", "queues")),
        Column("HandSize", _limit("limitResponse", "queuing", "handSize")),
        Column("QueueLengthLimit", _limit("limitResponse", "queuing", "queueLengthLimit")),
        AGE,
    ),
)

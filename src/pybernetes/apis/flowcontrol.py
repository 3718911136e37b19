# SPDX-License-Identifier: Apache-2.0
"""flowcontrol.apiserver.k8s.io: FlowSchema, PriorityLevelConfiguration: who may crowd out whom."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell, look, number, text
from pybernetes.apis.core.pod.status import get_condition
from pybernetes.apis.core.podspec.defaults import fill, fill_missing
from pybernetes.apis.kind import Column, Kind


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


def _missing(schema: Object, _: datetime.datetime) -> str:
    dangling = get_condition(schema, "Dangling")
    return "?" if dangling is None else str(dangling.get("status") or "")


def _limit(*path: str) -> Cell:
    def cell(level: Object, _: datetime.datetime) -> object:
        value = look(level, "spec", "limited", *path)
        return "<none>" if value is None else value

    return cell


FLOW_SCHEMA = Kind(
    default=_default_schema,
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

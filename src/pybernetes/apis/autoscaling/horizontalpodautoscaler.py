# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler, in the form of autoscaling/v2."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look

_PERIOD = 15
_METRICS = ["ContainerResource", "External", "Object", "Pods", "Resource"]


def _fields(type_: str) -> str:
    """The field that holds a metric of a type: containerResource for ContainerResource."""
    return type_[:1].lower() + type_[1:]


def default_autoscaler(autoscaler: Object) -> None:
    spec = autoscaler["spec"]
    if spec.get("behavior") is not None:
        _default_behavior(spec["behavior"])


def _default_behavior(behavior: Object) -> None:
    percent: Object = {"type": "Percent", "value": 100, "periodSeconds": _PERIOD}
    pods: Object = {"type": "Pods", "value": 4, "periodSeconds": _PERIOD}
    for name, policies in (("scaleUp", [pods, percent]), ("scaleDown", [dict(percent)])):
        rules = behavior[name] = dict(behavior.get(name) or {})
        if name == "scaleUp" and rules.get("stabilizationWindowSeconds") is None:
            rules["stabilizationWindowSeconds"] = 0
        rules["selectPolicy"] = rules.get("selectPolicy") or "Max"
        if rules.get("policies") is None:
            rules["policies"] = policies


def targets(autoscaler: Object, _: datetime.datetime) -> str:
    specs = look(autoscaler, "spec", "metrics") or []
    statuses = look(autoscaler, "status", "currentMetrics") or []
    if not specs:
        return "<none>"
    shown = []
    for index, metric in enumerate(specs[:2]):
        status = statuses[index] if index < len(statuses) else {}
        shown.append(_target_text(metric, status))
    more = f" + {len(specs) - 2} more..." if len(specs) > 2 else ""
    return ", ".join(shown) + more


def _target_text(metric: Object, status: Object) -> str:
    type_ = metric.get("type") or ""
    if type_ not in _METRICS:
        return "<unknown type>"
    field = _fields(type_)
    source, current = metric.get(field) or {}, look(status, field, "current") or {}
    target = source.get("target") or {}
    named = f"{source.get('name')}: " if type_ in {"Resource", "ContainerResource"} else ""
    if target.get("averageValue") is not None:
        average = " (avg)" if type_ in {"Object", "External"} else ""
        now = current.get("averageValue", "<unknown>")
        return f"{named}{now}/{target['averageValue']}{average}"
    if named:
        used, wanted = current.get("averageUtilization"), target.get("averageUtilization")
        now = "<unknown>" if used is None else f"{used}%"
        return f"{named}{now}/" + ("<auto>" if wanted is None else f"{wanted}%")
    return f"{current.get('value', '<unknown>')}/{target.get('value', '0')}"

# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler, in the form of autoscaling/v2."""

import datetime

from pybernetes.apimachinery.types import Object
from pybernetes.apis.autoscaling.convert import CONVERSIONS
from pybernetes.apis.columns import AGE, NAME, look, number, optional
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import path_segment
from pybernetes.apis.validation.part import Part, creating, updating

_PERIOD = 15
_METRICS = ["ContainerResource", "External", "Object", "Pods", "Resource"]


def _fields(type_: str) -> str:
    """The field that holds a metric of a type: containerResource for ContainerResource."""
    return type_[:1].lower() + type_[1:]


def _default(autoscaler: Object) -> None:
    spec: Object = autoscaler.setdefault("spec", {})
    fill_missing(spec, {"minReplicas": 1})
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": 80}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    if spec.get("behavior") is not None:
        _default_behavior(spec["behavior"])


def _default_behavior(behavior: Object) -> None:
    percent: Object = {"type": "Percent", "value": 100, "periodSeconds": _PERIOD}
    pods: Object = {"type": "Pods", "value": 4, "periodSeconds": _PERIOD}
    up = behavior["scaleUp"] = dict(behavior.get("scaleUp") or {})
    down = behavior["scaleDown"] = dict(behavior.get("scaleDown") or {})
    fill_missing(up, {"stabilizationWindowSeconds": 0})
    for rules, policies in ((up, [pods, percent]), (down, [dict(percent)])):
        fill_missing(rules, {"selectPolicy": "Max", "policies": policies})


def _autoscaler(part: Part) -> None:
    spec = part.child("spec")
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    spec.counts("minReplicas")
    spec.need("maxReplicas", detail="must be set and greater than 0")
    if high < 0:
        spec.invalid("maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        spec.invalid("maxReplicas", high, "must be greater than or equal to `minReplicas`")
    for field in ("kind", "name"):
        spec.child("scaleTargetRef").need_rule(field, path_segment)
    for metric in spec.each("metrics"):
        _metric(metric)
    types = {metric.get("type") for metric in spec.get("metrics") or ()}
    if low == 0 and not types & {"Object", "External"}:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        spec.forbidden("metrics", text)
    for side in ("scaleUp", "scaleDown"):
        if spec.child("behavior").get(side) is not None:
            _rules(spec.child("behavior").child(side))


def _metric(metric: Part) -> None:
    type_ = metric.get("type") or ""
    metric.need("type", detail="must specify a metric source type")
    if type_ not in _METRICS:
        metric.unsupported("type", type_, _METRICS)
        return
    field = _fields(type_)
    if metric.get(field) is None:
        metric.required(field, "must populate information for the given metric source")
        return
    for other in map(_fields, _METRICS):
        if other != field and metric.get(other) is not None:
            metric.forbidden(other, "must populate the given metric source only")
    target = metric.child(field).child("target")
    target.need("type", detail="must specify a metric target type")
    if target.get("type"):
        target.choice("type", ["AverageValue", "Utilization", "Value"])
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        target.invalid("averageUtilization", utilization, "must be greater than 0")


def _rules(rules: Part) -> None:
    seconds = rules.get("stabilizationWindowSeconds")
    if seconds is not None and not 0 <= seconds <= 3600:
        text = "must be greater than or equal to zero"
        text = text if seconds < 0 else "must be less than or equal to 3600"
        rules.invalid("stabilizationWindowSeconds", seconds, text)
    rules.choice("selectPolicy", ["Disabled", "Max", "Min"])
    rules.need("policies", detail="must specify at least one Policy")
    for policy in rules.each("policies"):
        policy.one_of("type", ["Percent", "Pods"])
        for field in ("value", "periodSeconds"):
            if (policy.get(field) or 0) <= 0:
                policy.invalid(field, policy.get(field) or 0, "must be greater than zero")
        period = policy.get("periodSeconds") or 0
        if period > 1800:
            policy.invalid("periodSeconds", period, "must be less than or equal to 1800")


def _targets(autoscaler: Object, _: datetime.datetime) -> str:
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
    source, current = (
        metric.get(_fields(type_)) or {},
        look(status, _fields(type_), "current") or {},
    )
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


def _scaled(autoscaler: Object, _: datetime.datetime) -> str:
    target = look(autoscaler, "spec", "scaleTargetRef") or {}
    return f"{target.get('kind') or ''}/{target.get('name') or ''}"


HORIZONTAL_POD_AUTOSCALER = Kind(
    default=_default,
    validate_create=creating(_autoscaler),
    validate_update=updating(_autoscaler),
    conversions=CONVERSIONS,
    columns=(
        NAME,
        Column("Reference", _scaled),
        Column("Targets", _targets),
        Column("MinPods", optional("spec", "minReplicas")),
        Column("MaxPods", number("spec", "maxReplicas")),
        Column("Replicas", number("status", "currentReplicas")),
        AGE,
    ),
)

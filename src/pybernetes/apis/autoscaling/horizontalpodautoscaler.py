# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler, in the form of autoscaling/v2."""

import datetime

from pybernetes.apimachinery.field import Errors, forbidden, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.autoscaling.convert import CONVERSIONS
from pybernetes.apis.columns import AGE, NAME, look, number, optional
from pybernetes.apis.core.podspec.defaults import fill_missing
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.names import path_segment

_PERIOD = 15
_METRICS = ["ContainerResource", "External", "Object", "Pods", "Resource"]
_SELECT = ["Disabled", "Max", "Min"]


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


def _validate(autoscaler: Object) -> Errors:
    errors: Errors = []
    spec = autoscaler.get("spec") or {}
    low, high = spec.get("minReplicas"), spec.get("maxReplicas") or 0
    metrics = spec.get("metrics") or ()
    if low is not None and low < 0:
        errors.append(invalid("spec.minReplicas", low, "must be greater than or equal to 0"))
    if high == 0:
        errors.append(required("spec.maxReplicas", "must be set and greater than 0"))
    elif high < 0:
        errors.append(invalid("spec.maxReplicas", high, "must be greater than or equal to 1"))
    if low is not None and high < low:
        text = "must be greater than or equal to `minReplicas`"
        errors.append(invalid("spec.maxReplicas", high, text))
    _reference(spec.get("scaleTargetRef") or {}, "spec.scaleTargetRef", errors)
    for index, metric in enumerate(metrics):
        _metric(metric, f"spec.metrics[{index}]", errors)
    types = {metric.get("type") for metric in metrics}
    if low == 0 and not types & {"Object", "External"}:
        text = "must specify at least one Object or External metric to support scaling to zero replicas"
        errors.append(forbidden("spec.metrics", text))
    for side in ("scaleUp", "scaleDown"):
        rules = look(spec, "behavior", side)
        if rules is not None:
            _rules(rules, f"spec.behavior.{side}", errors)
    return errors


def _reference(reference: Object, at: str, errors: Errors) -> None:
    for field in ("kind", "name"):
        value = reference.get(field) or ""
        if not value:
            errors.append(required(f"{at}.{field}"))
        errors.extend(invalid(f"{at}.{field}", value, text) for text in path_segment(value))


def _metric(metric: Object, at: str, errors: Errors) -> None:
    type_ = metric.get("type") or ""
    if not type_:
        errors.append(required(f"{at}.type", "must specify a metric source type"))
    if type_ not in _METRICS:
        errors.append(not_supported(f"{at}.type", type_, _METRICS))
        return
    field = _fields(type_)
    source = metric.get(field)
    if source is None:
        text = "must populate information for the given metric source"
        errors.append(required(f"{at}.{field}", text))
        return
    for other in map(_fields, _METRICS):
        if other != field and metric.get(other) is not None:
            text = "must populate the given metric source only"
            errors.append(forbidden(f"{at}.{other}", text))
    _target(source.get("target") or {}, f"{at}.{field}.target", errors)


def _target(target: Object, at: str, errors: Errors) -> None:
    known = ["AverageValue", "Utilization", "Value"]
    type_ = target.get("type") or ""
    if not type_:
        errors.append(required(f"{at}.type", "must specify a metric target type"))
    elif type_ not in known:
        errors.append(not_supported(f"{at}.type", type_, known))
    utilization = target.get("averageUtilization")
    if utilization is not None and utilization < 1:
        text = "must be greater than 0"
        errors.append(invalid(f"{at}.averageUtilization", utilization, text))


def _rules(rules: Object, at: str, errors: Errors) -> None:
    seconds, select = rules.get("stabilizationWindowSeconds"), rules.get("selectPolicy")
    if seconds is not None and not 0 <= seconds <= 3600:
        text = "must be greater than or equal to zero"
        text = text if seconds < 0 else "must be less than or equal to 3600"
        errors.append(invalid(f"{at}.stabilizationWindowSeconds", seconds, text))
    if select is not None and select not in _SELECT:
        errors.append(not_supported(f"{at}.selectPolicy", select, _SELECT))
    policies = rules.get("policies") or ()
    if not policies:
        errors.append(required(f"{at}.policies", "must specify at least one Policy"))
    for index, policy in enumerate(policies):
        path = f"{at}.policies[{index}]"
        if policy.get("type") not in {"Pods", "Percent"}:
            errors.append(not_supported(f"{path}.type", policy.get("type"), ["Percent", "Pods"]))
        for field in ("value", "periodSeconds"):
            if (policy.get(field) or 0) <= 0:
                text = "must be greater than zero"
                errors.append(invalid(f"{path}.{field}", policy.get(field) or 0, text))
        if (policy.get("periodSeconds") or 0) > 1800:
            text = "must be less than or equal to 1800"
            errors.append(invalid(f"{path}.periodSeconds", policy["periodSeconds"], text))


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
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
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

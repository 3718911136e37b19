# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler between autoscaling/v1 and v2, in which it is stored.

What v1 has no field for travels in annotations, in v1's own form of metrics, as upstream does it.
"""

from collections.abc import Callable
from typing import Any

import orjson

from pybernetes.apimachinery.types import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
_CONDITIONS, _BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"
_DEFAULT_CPU = 80
_SOURCES = ("object", "pods", "resource", "containerResource", "external")


def to_v2(hpa: Object) -> Object:
    """autoscaling/v1 -> autoscaling/v2."""
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    metadata, carried = _without_annotations(hpa.get("metadata") or {})
    metrics = [_metric(one, _target_to_v2) for one in _load(carried, _METRICS)]
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None or not metrics:
        metrics.append(_cpu_metric(_DEFAULT_CPU if utilization is None else utilization))
    spec["metrics"] = metrics
    behavior = _load(carried, _BEHAVIOR)
    if behavior:
        spec["behavior"] = {_lower(key): value for key, value in behavior.items()}
    current = [_metric(one, _current_to_v2) for one in _load(carried, _CURRENT)]
    used = status.pop("currentCPUUtilizationPercentage", None)
    if used is not None and not current:
        cpu = {"name": "cpu", "current": {"averageUtilization": used}}
        current = [{"type": "Resource", "resource": cpu}]
    status |= {"currentMetrics": current} if current else {}
    conditions = _load(carried, _CONDITIONS)
    status |= {"conditions": conditions} if conditions else {}
    return _whole(hpa, "v2", metadata, (spec, status))


def from_v2(hpa: Object) -> Object:
    """autoscaling/v2 -> autoscaling/v1."""
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    metadata, _ = _without_annotations(hpa.get("metadata") or {})
    carried: dict[str, Any] = {}
    metrics = spec.pop("metrics", None) or []
    cpu = [one for one in metrics if _cpu_utilization(one, "target") is not None]
    if cpu:
        spec["targetCPUUtilizationPercentage"] = _cpu_utilization(cpu[0], "target")
    carried[_METRICS] = [_metric(one, _target_to_v1) for one in metrics if one not in cpu]
    carried[_BEHAVIOR] = spec.pop("behavior", None)
    current = status.pop("currentMetrics", None) or []
    for one in current:
        used = _cpu_utilization(one, "current")
        if used is not None:
            status["currentCPUUtilizationPercentage"] = used
    carried[_CURRENT] = [_metric(one, _current_to_v1) for one in current]
    carried[_CONDITIONS] = status.pop("conditions", None)
    annotations = {key: orjson.dumps(value).decode() for key, value in carried.items() if value}
    if annotations:
        metadata["annotations"] = {**(metadata.get("annotations") or {}), **annotations}
    return _whole(hpa, "v1", metadata, (spec, status))


CONVERSIONS = {"v1": (to_v2, from_v2)}


def _whole(hpa: Object, version: str, metadata: Object, parts: tuple[Object, Object]) -> Object:
    spec, status = parts
    found = {**hpa, "apiVersion": f"autoscaling/{version}", "metadata": metadata, "spec": spec}
    if status or "status" in hpa:
        found["status"] = status
    return found


def _without_annotations(metadata: Object) -> tuple[Object, dict[str, str]]:
    """Metadata without the annotations of the other form, and those."""
    annotations = metadata.get("annotations") or {}
    names = (_METRICS, _CURRENT, _CONDITIONS, _BEHAVIOR)
    carried = {key: annotations[key] for key in names if key in annotations}
    if not carried:
        return dict(metadata), {}
    kept = {key: value for key, value in annotations.items() if key not in carried}
    found = {key: value for key, value in metadata.items() if key != "annotations"}
    return (found | {"annotations": kept} if kept else found), carried


def _load(carried: dict[str, str], name: str) -> Any:
    """What an annotation holds; nothing where it cannot be read."""
    wanted = dict if name == _BEHAVIOR else list
    try:
        found = orjson.loads(carried.get(name, "null"))
    except orjson.JSONDecodeError:
        found = None
    return found if isinstance(found, wanted) else wanted()


def _lower(key: str) -> str:
    """Upstream writes this annotation from an internal type: ScaleUp, ScaleDown."""
    return key[:1].lower() + key[1:]


def _cpu_metric(utilization: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _cpu_utilization(metric: Object, side: str) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get(side) or {}).get("averageUtilization")
    return found


_Convert = Callable[[str, Object], Object]


def _metric(metric: Object, convert: _Convert) -> Object:
    return {key: convert(key, value) if key in _SOURCES else value for key, value in metric.items()}


def _renamed(source: Object, names: dict[str, str]) -> Object:
    """The fields of `source` that are there, under the names given."""
    return {new: source[old] for old, new in names.items() if source.get(old) is not None}


def _identity_to_v2(kind: str, source: Object) -> Object:
    """What is measured: of a resource its name, else the metric and the object described."""
    if kind in {"resource", "containerResource"}:
        return _renamed(source, {"name": "name", "container": "container"})
    selector = "metricSelector" if kind == "external" else "selector"
    found: Object = {"metric": _renamed(source, {"metricName": "name", selector: "selector"})}
    if kind == "object":
        found["describedObject"] = source.get("target") or {}
    return found


def _identity_to_v1(kind: str, source: Object) -> Object:
    if kind in {"resource", "containerResource"}:
        return _renamed(source, {"name": "name", "container": "container"})
    selector = "metricSelector" if kind == "external" else "selector"
    found = _renamed(source.get("metric") or {}, {"name": "metricName", "selector": selector})
    if kind == "object":
        found["target"] = source.get("describedObject") or {}
    return found


def _names(kind: str, side: str) -> dict[str, str]:
    """v1's names of v2's value, averageValue and averageUtilization."""
    average = "averageValue" if kind == "object" else f"{side}AverageValue"
    return {
        f"{side}Value": "value",
        average: "averageValue",
        f"{side}AverageUtilization": "averageUtilization",
    }


def _target_to_v2(kind: str, source: Object) -> Object:
    values = _renamed(source, _names(kind, "target"))
    if kind == "object" and "averageValue" in values and values.get("value") == "0":
        del values["value"]  # v1 cannot leave it out
    if kind in {"resource", "containerResource"}:
        form = "Utilization" if "averageUtilization" in values else "AverageValue"
    elif kind == "external":
        form = "Value" if "value" in values else "AverageValue"
    elif kind == "object":
        form = "AverageValue" if "averageValue" in values else "Value"
    else:
        form = "AverageValue"
    return {**_identity_to_v2(kind, source), "target": {"type": form, **values}}


def _target_to_v1(kind: str, source: Object) -> Object:
    names = {new: old for old, new in _names(kind, "target").items()}
    values = _renamed(source.get("target") or {}, names)
    if kind == "object":
        values.setdefault("targetValue", "0")
    if kind == "pods":
        values.setdefault("targetAverageValue", "0")
    return {**_identity_to_v1(kind, source), **values}


def _current_to_v2(kind: str, source: Object) -> Object:
    values = _renamed(source, _names(kind, "current"))
    return {**_identity_to_v2(kind, source), "current": values}


def _current_to_v1(kind: str, source: Object) -> Object:
    names = {new: old for old, new in _names(kind, "current").items()}
    values = _renamed(source.get("current") or {}, names)
    if kind in {"object", "external"}:
        values.setdefault("currentValue", "0")
    else:
        values.setdefault("currentAverageValue", "0")
    return {**_identity_to_v1(kind, source), **values}

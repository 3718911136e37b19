# SPDX-License-Identifier: Apache-2.0
"""HorizontalPodAutoscaler between autoscaling/v1 and v2, in which it is stored.

What v1 has no field for travels in annotations, in v1's own form of metrics, as upstream does it.
data/autoscaling.json: where a source of metrics has its fields in v1 and in v2, and which of them
v1 cannot leave out ("zeros").
"""

from collections.abc import Callable, Iterable
from typing import Any

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.data.sections import document

_PREFIX = "autoscaling.alpha.kubernetes.io/"
_METRICS, _CURRENT = f"{_PREFIX}metrics", f"{_PREFIX}current-metrics"
_CONDITIONS, _BEHAVIOR = f"{_PREFIX}conditions", f"{_PREFIX}behavior"
_DEFAULT_CPU = 80
_PLAIN = ("name", "container")  # of resources, the same in both
_Convert = Callable[[str, Object, str], Object]


def to_v2(hpa: Object) -> Object:
    """autoscaling/v1 -> autoscaling/v2."""
    spec, status = dict(hpa.get("spec") or {}), dict(hpa.get("status") or {})
    metadata, carried = _without_annotations(hpa.get("metadata") or {})
    metrics = [_metric(one, _source_to_v2, "target") for one in _load(carried, _METRICS)]
    utilization = spec.pop("targetCPUUtilizationPercentage", None)
    if utilization is not None or not metrics:
        metrics.append(_cpu_metric(_DEFAULT_CPU if utilization is None else utilization))
    spec["metrics"] = metrics
    behavior = _load(carried, _BEHAVIOR)
    if behavior:
        # upstream writes this annotation from an internal type: ScaleUp, ScaleDown
        spec["behavior"] = {key[:1].lower() + key[1:]: value for key, value in behavior.items()}
    current = [_metric(one, _source_to_v2, "current") for one in _load(carried, _CURRENT)]
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
    carried[_METRICS] = [_metric(one, _source_to_v1, "target") for one in metrics if one not in cpu]
    carried[_BEHAVIOR] = spec.pop("behavior", None)
    current = status.pop("currentMetrics", None) or []
    for one in current:
        used = _cpu_utilization(one, "current")
        if used is not None:
            status["currentCPUUtilizationPercentage"] = used
    carried[_CURRENT] = [_metric(one, _source_to_v1, "current") for one in current]
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


def _cpu_metric(utilization: int) -> Object:
    target = {"type": "Utilization", "averageUtilization": utilization}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _cpu_utilization(metric: Object, side: str) -> int | None:
    resource = metric.get("resource") or {}
    if metric.get("type") != "Resource" or resource.get("name") != "cpu":
        return None
    found: int | None = (resource.get(side) or {}).get("averageUtilization")
    return found


def _metric(metric: Object, convert: _Convert, side: str) -> Object:
    return {
        key: convert(key, value, side) if key in document("autoscaling.json")["fields"] else value
        for key, value in metric.items()
    }


def _pairs(kind: str, side: str) -> list[tuple[str, str]]:
    """Where v1 has a source's fields, and where v2; `side` is "target" or "current"."""
    average = "averageValue" if kind == "object" else f"{side}AverageValue"
    return [
        *document("autoscaling.json")["fields"][kind],
        (f"{side}Value", f"{side}.value"),
        (average, f"{side}.averageValue"),
        (f"{side}AverageUtilization", f"{side}.averageUtilization"),
    ]


def _moved(source: Object, pairs: Iterable[tuple[str, str]], into: Object) -> Object:
    """`into`, with the fields of `source` that are there."""
    for old, new in pairs:
        value = look(source, *old.split("."))
        if value is not None:
            *above, last = new.split(".")
            at = into
            for step in above:
                at = at.setdefault(step, {})
            at[last] = value
    return into


def _source_to_v2(kind: str, source: Object, side: str) -> Object:
    always = [
        new.partition(".")[0]
        for _, new in document("autoscaling.json")["fields"][kind]
        if new not in _PLAIN
    ]
    found = _moved(source, _pairs(kind, side), {name: {} for name in [*always, side]})
    if side == "target":
        _set_form(kind, found["target"])
    return found


def _set_form(kind: str, target: Object) -> None:
    """What v2 says of a target and v1 leaves to the fields that are set."""
    form = "AverageValue"
    if kind == "object" and "averageValue" in target and target.get("value") == "0":
        del target["value"]  # v1 cannot leave it out
    if kind in {"resource", "containerResource"} and "averageUtilization" in target:
        form = "Utilization"
    elif (kind == "external" and "value" in target) or (
        kind == "object" and "averageValue" not in target
    ):
        form = "Value"
    target["type"] = form


def _source_to_v1(kind: str, source: Object, side: str) -> Object:
    found: Object = {"target": {}} if kind == "object" else {}
    _moved(source, ((old, new) for new, old in _pairs(kind, side)), found)
    zero = document("autoscaling.json")["zeros"][side].get(kind)
    if zero:
        found.setdefault(zero, "0")
    return found

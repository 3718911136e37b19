# SPDX-License-Identifier: Apache-2.0
"""LimitRange: bounds and defaults of what one object asks for. ResourceQuota (quota.py): its columns."""

import datetime
from functools import partial

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import look
from pybernetes.apis.core.podspec.resources import (
    overcommits,
    validate_resource_name,
)
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import Part

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (  # the first may not exceed the second; the field that is blamed; their names
    ("min", "max", "min", "min", "max"),
    ("min", "defaultRequest", "defaultRequest", "min", "default request"),
    ("defaultRequest", "max", "defaultRequest", "default request", "max"),
    ("defaultRequest", "default", "defaultRequest", "default request", "default limit"),
    ("min", "default", "default", "min", "default"),
    ("default", "max", "default", "default", "max"),
)
_Amounts = dict[str, dict[str, Quantity]]  # bound -> resource -> amount


def default_limits(limit_range: Object) -> None:
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            default = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
            item["default"], item["defaultRequest"] = default, request


def validate_limits(part: Part) -> None:
    spec = part.child("spec")
    for item in spec.each("limits"):
        type_ = item.get("type") or ""
        wrong = qualified_name(type_)
        if not wrong and "/" not in type_ and type_ not in _TYPES:
            wrong = ["must be a standard limit type or fully qualified"]
        item.wrong("type", type_, wrong)
        _item(item)
    spec.unique("limits", [item.get("type") or "" for item in spec.get("limits") or ()], ".type")


def _item(item: Part) -> None:
    amounts = {
        bound: {name: quantity.parse(text) for name, text in (item.get(bound) or {}).items()}
        for bound in _BOUNDS
    }
    for bound, values in amounts.items():
        if item.get("type") == "Pod" and bound.startswith("default"):
            if values:
                item.forbidden(bound, "may not be specified when `type` is 'Pod'")
            amounts[bound] = {}
            continue
        for name in values:
            validate_resource_name(item, f"{bound}[{name}]", name)
    claim = item.get("type") == "PersistentVolumeClaim"
    if claim and "storage" not in {**amounts["min"], **amounts["max"]}:
        text = "either minimum or maximum storage value is required, but neither was provided"
        item.required("limits", text)
    for name in {name: None for values in amounts.values() for name in values}:
        _compare(item, name, amounts)


def _compare(item: Part, name: str, amounts: _Amounts) -> None:
    for low, high, blamed, lower, higher in _ORDER:
        one, other = amounts[low].get(name), amounts[high].get(name)
        if one is not None and other is not None and one > other:
            text = f"{lower} value {one} is greater than {higher} value {other}"
            item.invalid(f"{blamed}[{name}]", str(amounts[blamed][name]), text)
    ratio = amounts["maxLimitRequestRatio"].get(name)
    if ratio is not None:
        _ratio(item, name, ratio, amounts)
    default, request = amounts["default"].get(name), amounts["defaultRequest"].get(name)
    differ = default is not None and request is not None and default != request
    if differ and not overcommits(name):
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        item.invalid(f"defaultRequest[{name}]", str(request), text)


def _ratio(item: Part, name: str, ratio: Quantity, amounts: _Amounts) -> None:
    at, value = f"maxLimitRequestRatio[{name}]", ratio.to_float()
    if value < 1:
        item.invalid(at, str(ratio), f"ratio {ratio} is less than 1")
    low, high = amounts["min"].get(name), amounts["max"].get(name)
    if low and high is not None and value > (most := high.to_float() / low.to_float()):
        item.invalid(at, str(ratio), f"ratio {ratio} is greater than max/min = {most:f}")


def _usage(quota: Object, _: datetime.datetime, *, limits: bool) -> str:
    hard, used = (look(quota, "status", field) or {} for field in ("hard", "used"))
    names = [name for name in sorted(hard) if name.startswith("limits.") == limits]
    return ", ".join(f"{name}: {used.get(name, '0')}/{hard[name]}" for name in names)


used_requests = partial(_usage, limits=False)
used_limits = partial(_usage, limits=True)

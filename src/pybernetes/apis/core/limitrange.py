# SPDX-License-Identifier: Apache-2.0
"""LimitRange: bounds and defaults of what pods, containers and claims ask for."""

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.field import Errors, duplicate, forbidden, invalid, required
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import CREATED, NAME
from pybernetes.apis.core.podspec.resources import overcommits, validate_resource_name
from pybernetes.apis.kind import Kind
from pybernetes.apis.validation.names import qualified_name

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_BOUNDS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
_ORDER = (  # the first may not exceed the second; the field that is blamed; the words
    ("min", "max", "min", "min value {} is greater than max value {}"),
    (
        "min",
        "defaultRequest",
        "defaultRequest",
        "min value {} is greater than default request value {}",
    ),
    (
        "defaultRequest",
        "max",
        "defaultRequest",
        "default request value {} is greater than max value {}",
    ),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {} is greater than default limit value {}",
    ),
    ("min", "default", "default", "min value {} is greater than default value {}"),
    ("default", "max", "default", "default value {} is greater than max value {}"),
)


def _default(limit_range: Object) -> None:
    for item in (limit_range.get("spec") or {}).get("limits") or ():
        if item.get("type") == "Container":
            default = {**(item.get("max") or {}), **(item.get("default") or {})}
            request = {**(item.get("min") or {}), **default, **(item.get("defaultRequest") or {})}
            item["default"], item["defaultRequest"] = default, request


def _validate(limit_range: Object) -> Errors:
    errors: Errors = []
    seen: list[str] = []
    for number, item in enumerate((limit_range.get("spec") or {}).get("limits") or ()):
        at, type_ = f"spec.limits[{number}]", item.get("type") or ""
        wrong = qualified_name(type_)
        if not wrong and "/" not in type_ and type_ not in _TYPES:
            wrong = ["must be a standard limit type or fully qualified"]
        errors.extend(invalid(f"{at}.type", type_, text) for text in wrong)
        if type_ in seen:
            errors.append(duplicate(f"{at}.type", type_))
        seen.append(type_)
        _item(item, at, errors)
    return errors


def _item(item: Object, at: str, errors: Errors) -> None:
    amounts = {
        bound: {name: quantity.parse(text) for name, text in (item.get(bound) or {}).items()}
        for bound in _BOUNDS
    }
    for bound, values in amounts.items():
        if item.get("type") == "Pod" and bound.startswith("default"):
            if values:
                text = "may not be specified when `type` is 'Pod'"
                errors.append(forbidden(f"{at}.{bound}", text))
            amounts[bound] = {}
            continue
        for name in values:
            validate_resource_name(name, f"{at}.{bound}[{name}]", errors)
    claim = item.get("type") == "PersistentVolumeClaim"
    if claim and "storage" not in {**amounts["min"], **amounts["max"]}:
        text = "either minimum or maximum storage value is required, but neither was provided"
        errors.append(required(f"{at}.limits", text))
    names = {name: None for values in amounts.values() for name in values}
    for name in names:
        _compare(name, amounts, at, errors)


def _compare(name: str, amounts: dict[str, dict[str, Quantity]], at: str, errors: Errors) -> None:
    for low, high, blamed, words in _ORDER:
        one, other = amounts[low].get(name), amounts[high].get(name)
        if one is not None and other is not None and one > other:
            shown = amounts[blamed][name]
            errors.append(invalid(f"{at}.{blamed}[{name}]", str(shown), words.format(one, other)))
    ratio = amounts["maxLimitRequestRatio"].get(name)
    if ratio is not None:
        _ratio(name, ratio, amounts, at, errors=errors)
    default, request = amounts["default"].get(name), amounts["defaultRequest"].get(name)
    differ = default is not None and request is not None and default != request
    if differ and not overcommits(name):
        text = f"default value {default} must equal to defaultRequest value {request} in {name}"
        errors.append(invalid(f"{at}.defaultRequest[{name}]", str(request), text))


def _ratio(
    name: str,
    ratio: Quantity,
    amounts: dict[str, dict[str, Quantity]],
    at: str,
    *,
    errors: Errors,
) -> None:
    path = f"{at}.maxLimitRequestRatio[{name}]"
    if ratio.to_float() < 1:
        errors.append(invalid(path, str(ratio), f"ratio {ratio} is less than 1"))
    low, high = amounts["min"].get(name), amounts["max"].get(name)
    if low and high is not None:
        most = high.to_float() / low.to_float()
        if ratio.to_float() > most:
            text = f"ratio {ratio} is greater than max/min = {most:f}"
            errors.append(invalid(path, str(ratio), text))


LIMIT_RANGE = Kind(
    default=_default,
    validate_create=_validate,
    validate_update=lambda new, _: _validate(new),
    create_on_update=True,
    columns=(NAME, CREATED),
)

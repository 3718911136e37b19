# SPDX-License-Identifier: Apache-2.0
"""Resource requirements of containers and pods."""

from collections.abc import Collection

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.field import (
    Errors,
    duplicate,
    forbidden,
    invalid,
    not_found,
    not_supported,
    required,
)
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.meta import NEGATIVE
from pybernetes.apis.validation.names import qualified_name

_COMPUTE = frozenset({"cpu", "memory"})
_CONTAINER = frozenset({"cpu", "memory", "ephemeral-storage"})
_STANDARD = frozenset(
    {
        *_CONTAINER,
        "requests.cpu",
        "requests.memory",
        "requests.ephemeral-storage",
        "requests.storage",
        "limits.cpu",
        "limits.memory",
        "limits.ephemeral-storage",
        "storage",
        "pods",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.loadbalancers",
        "services.nodeports",
        "resourcequotas",
    }
)
_COUNTED = frozenset(
    {
        "pods",
        "services",
        "replicationcontrollers",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "services.loadbalancers",
        "services.nodeports",
        "resourcequotas",
    }
)


def is_native(name: str) -> bool:
    """True for names of Kubernetes itself: without a domain, or in kubernetes.io."""
    return "/" not in name or "kubernetes.io/" in name


def is_extended(name: str) -> bool:
    """True for names such as example.com/gpu (upstream's IsExtendedResourceName)."""
    if is_native(name) or name.startswith("requests."):
        return False
    return not qualified_name(f"requests.{name}")


def overcommits(name: str) -> bool:
    """True if containers may request less than their limit."""
    return is_native(name) and not name.startswith("hugepages-")


def is_counted(name: str) -> bool:
    """True for resources that only come in whole pieces."""
    return name in _COUNTED or name.startswith("count/") or is_extended(name)


def is_standard(name: str) -> bool:
    return name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))


def validate_resource_name(name: str, at: str, errors: Errors) -> bool:
    """Any resource's name; False where it is wrong."""
    wrong = qualified_name(name)
    errors.extend(invalid(at, name, text) for text in wrong)
    if wrong:
        return False
    if "/" not in name and not is_standard(name):
        text = "must be a standard resource type or fully qualified"
        errors.append(invalid(at, name, text))
        return False
    return True


def _container_name(name: str, at: str, errors: Errors) -> None:
    if not validate_resource_name(name, at, errors):
        return
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith("hugepages-"):
            errors.append(invalid(at, name, "must be a standard resource for containers"))
    elif not is_native(name) and not is_extended(name):
        errors.append(invalid(at, name, "doesn't follow extended resource name standard"))


def _pod_name(name: str, at: str, errors: Errors) -> None:
    known = ["cpu", "hugepages-", "memory"]
    if name not in _COMPUTE and not name.startswith("hugepages-"):
        errors.append(not_supported(at, name, known))


def validate_quantity(text: str, at: str, errors: Errors) -> Quantity:
    """An amount that is not negative."""
    amount = quantity.parse(text)
    if amount.nano < 0:
        errors.append(invalid(at, str(amount), NEGATIVE))
    return amount


def validate_resource_value(name: str, text: str, at: str, errors: Errors) -> Quantity:
    amount = validate_quantity(text, at, errors)
    if is_counted(name) and amount.to_milli() % 1000:
        errors.append(invalid(at, str(amount), "must be an integer"))
    return amount


def validate_resources(
    resources: Object,
    at: str,
    errors: Errors,
    *,
    claims: Collection[str] = (),
    pod_level: bool = False,
) -> None:
    """requests, limits and claims; of a pod where `pod_level`, else of a container."""
    limits, requests = resources.get("limits") or {}, resources.get("requests") or {}
    check = _pod_name if pod_level else _container_name
    for kind, amounts in (("limits", limits), ("requests", requests)):
        for name, text in amounts.items():
            path = f"{at}.{kind}[{name}]"
            if name not in _COMPUTE:
                check(name, path, errors)
            validate_resource_value(name, text, path, errors)
    for name, text in requests.items():
        _against_limit(name, quantity.parse(text), limits, at, errors=errors)
    names = {*limits, *requests}
    if any(name.startswith("hugepages-") for name in names) and not names & _COMPUTE:
        errors.append(forbidden(at, "HugePages require cpu or memory"))
    if resources.get("claims"):
        _claims(resources["claims"], claims, f"{at}.claims", errors)


def _against_limit(
    name: str, amount: Quantity, limits: dict[str, str], at: str, *, errors: Errors
) -> None:
    if name not in limits:
        if not overcommits(name):
            text = "Limit must be set for non overcommitable resources"
            errors.append(required(f"{at}.limits", text))
        return
    limit = quantity.parse(limits[name])
    if amount != limit and not overcommits(name):
        text = f"must be equal to {name} limit of {limit}"
        errors.append(invalid(f"{at}.requests", str(amount), text))
    elif amount > limit:
        text = f"must be less than or equal to {name} limit of {limit}"
        errors.append(invalid(f"{at}.requests", str(amount), text))


def _claims(claims: list[Object], known: Collection[str], at: str, errors: Errors) -> None:
    seen: list[tuple[str, str]] = []
    for number, claim in enumerate(claims):
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            errors.append(required(f"{at}[{number}]"))
            continue
        if (name, request) in seen:
            errors.append(duplicate(f"{at}[{number}]", f"{name}/{request}" if request else name))
        seen.append((name, request))
        if name not in known:
            errors.append(not_found(f"{at}[{number}]", name))

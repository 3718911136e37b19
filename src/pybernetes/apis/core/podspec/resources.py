# SPDX-License-Identifier: Apache-2.0
"""Resource requirements of containers and pods."""

from collections.abc import Collection

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.field import not_found
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apis.validation.names import qualified_name
from pybernetes.apis.validation.part import NEGATIVE, Part

_COMPUTE = frozenset({"cpu", "memory"})
_CONTAINER = frozenset({*_COMPUTE, "ephemeral-storage"})
_COUNTED = frozenset(
    {
        *("pods", "services", "replicationcontrollers", "secrets", "configmaps", "resourcequotas"),
        *("persistentvolumeclaims", "services.loadbalancers", "services.nodeports"),
    }
)
_STANDARD = frozenset(
    {
        *_CONTAINER,
        *_COUNTED,
        *("storage", "requests.storage"),
        *(f"{kind}.{name}" for kind in ("requests", "limits") for name in _CONTAINER),
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


def validate_resource_name(part: Part, field: str, name: str) -> bool:
    """Any resource's name; False where it is wrong."""
    wrong = qualified_name(name)
    standard = name in _STANDARD or name.startswith(("hugepages-", "requests.hugepages-"))
    if not wrong and "/" not in name and not standard:
        wrong = ["must be a standard resource type or fully qualified"]
    part.wrong(field, name, wrong)
    return not wrong


def _container_name(part: Part, field: str, name: str) -> None:
    if not validate_resource_name(part, field, name):
        return
    if "/" not in name:
        if name not in _CONTAINER and not name.startswith("hugepages-"):
            part.invalid(field, name, "must be a standard resource for containers")
    elif not is_native(name) and not is_extended(name):
        part.invalid(field, name, "doesn't follow extended resource name standard")


def validate_resource_value(part: Part, field: str, name: str, text: str) -> Quantity:
    """An amount that is not negative, and whole where pieces are counted."""
    amount = quantity.parse(text)
    if amount.nano < 0:
        part.invalid(field, str(amount), NEGATIVE)
    counted = name in _COUNTED or name.startswith("count/") or is_extended(name)
    if counted and amount.to_milli() % 1000:
        part.invalid(field, str(amount), "must be an integer")
    return amount


def validate_resources(
    resources: Part, *, claims: Collection[str] = (), pod_level: bool = False
) -> None:
    """requests, limits and claims; of a pod where `pod_level`, else of a container."""
    amounts: dict[str, dict[str, Quantity]] = {"limits": {}, "requests": {}}
    for kind, found in amounts.items():
        for name, text in (resources.get(kind) or {}).items():
            at = f"{kind}[{name}]"
            if name not in _COMPUTE:
                if not pod_level:
                    _container_name(resources, at, name)
                elif not name.startswith("hugepages-"):
                    resources.unsupported(at, name, ["cpu", "hugepages-", "memory"])
            found[name] = validate_resource_value(resources, at, name, text)
    for name, amount in amounts["requests"].items():
        _against_limit(resources, name, amount, amounts["limits"].get(name))
    names = {*amounts["limits"], *amounts["requests"]}
    if any(name.startswith("hugepages-") for name in names) and not names & _COMPUTE:
        resources.forbidden("", "HugePages require cpu or memory")
    if resources.get("claims") and not pod_level:
        _claims(resources, claims)


def validate_overhead(amounts: Part) -> None:
    """The overhead of a pod, which is looked at as limits."""
    validate_resources(Part({"limits": amounts.obj}, amounts.at, amounts.errors))


def validate_fixed_overhead(overhead: Part) -> None:
    """The overhead of a RuntimeClass; upstream does not name the field inside it."""
    validate_resources(Part({"limits": overhead.get("podFixed")}, overhead.at, overhead.errors))


def validate_pod_resources(resources: Part) -> None:
    """spec.resources of a pod."""
    if resources.get("claims") is not None:
        text = "claims may not be set for Resources at pod-level"
        resources.forbidden("claims", text)
    validate_resources(resources, pod_level=True)


def _against_limit(part: Part, name: str, amount: Quantity, limit: Quantity | None) -> None:
    if limit is None:
        if not overcommits(name):
            part.required("limits", "Limit must be set for non overcommitable resources")
    elif amount != limit and not overcommits(name):
        part.invalid("requests", str(amount), f"must be equal to {name} limit of {limit}")
    elif amount > limit:
        text = f"must be less than or equal to {name} limit of {limit}"
        part.invalid("requests", str(amount), text)


def _claims(part: Part, known: Collection[str]) -> None:
    seen: list[tuple[str, str]] = []
    for claim in part.each("claims"):
        name, request = claim.get("name") or "", claim.get("request") or ""
        if not name:
            claim.required("")
            continue
        if (name, request) in seen:
            claim.duplicate("", f"{name}/{request}" if request else name)
        seen.append((name, request))
        if name not in known:
            claim.errors.append(not_found(claim.at, name))

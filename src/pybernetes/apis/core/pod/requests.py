# SPDX-License-Identifier: Apache-2.0
"""What a pod asks for: its requests, its limits and its quality of service class.

Amounts are integers: milli-CPU for "cpu", whole units (bytes) for everything else. Source of the
rules: k8s.io/component-helpers/resource.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import Object

Amounts = dict[str, int]
_N = TypeVar("_N", int, Quantity)
_NONE: Mapping[str, str] = {}


def amount(resource: str, text: str | float) -> int:
    """One quantity as an integer: thousandths of a CPU, or units of anything else."""
    found = quantity.parse(text)
    return found.to_milli() if resource == "cpu" else found.to_int()


def amounts(resources: Mapping[str, str] | None) -> Amounts:
    return {name: amount(name, text) for name, text in (resources or _NONE).items()}


def asked(owner: Object, kind: str) -> Amounts:
    """The requests or limits (`kind`) of a container, or of a pod's spec for the pod as a whole."""
    return amounts((owner.get("resources") or {}).get(kind))


def quantities(resources: Mapping[str, str] | None) -> dict[str, Quantity]:
    """As `amounts`, exactly."""
    return {name: quantity.parse(text) for name, text in (resources or _NONE).items()}


def add(total: dict[str, _N], more: Mapping[str, _N]) -> None:
    for name, number in more.items():
        total[name] = total[name] + number if name in total else number


def _at_least(total: dict[str, _N], floor: Mapping[str, _N]) -> None:
    for name, number in floor.items():
        if name not in total or total[name] < number:
            total[name] = number


def pod_requests(pod: Object) -> Amounts:
    """What the scheduler sets aside for a pod: containers, sidecars, init peaks and overhead."""
    return _pod_total(pod, "requests")


def pod_limits(pod: Object) -> Amounts:
    return _pod_total(pod, "limits")


def _pod_total(pod: Object, kind: str) -> Amounts:
    spec = pod["spec"]
    total = container_total(spec, kind, amounts)
    own = (spec.get("resources") or {}).get(kind)
    for name, text in (own or _NONE).items():
        if is_pod_level(name):
            total[name] = amount(name, text)
    if spec.get("overhead"):
        overhead = amounts(spec["overhead"])
        if kind == "limits":  # overhead adds to limits only where there is a limit
            overhead = {name: number for name, number in overhead.items() if total.get(name)}
        add(total, overhead)
    return total


def is_pod_level(resource: str) -> bool:
    """True for the resources that spec.resources of a pod may name."""
    return resource in {"cpu", "memory"} or resource.startswith("hugepages-")


def container_total(
    spec: Object, kind: str, read: Callable[[Mapping[str, str] | None], dict[str, _N]]
) -> dict[str, _N]:
    """Requests or limits of a pod spec's containers together, at the worst moment.

    `read`: `amounts` or `quantities`.
    """
    total: dict[str, _N] = {}
    for container in spec.get("containers") or ():
        add(total, read((container.get("resources") or {}).get(kind)))
    if not spec.get("initContainers"):
        return total
    sidecars: dict[str, _N] = {}
    peak: dict[str, _N] = {}
    for container in spec["initContainers"]:
        own = read((container.get("resources") or {}).get(kind))
        if container.get("restartPolicy") == "Always":
            add(total, own)
            add(sidecars, own)
            _at_least(peak, sidecars)
        else:
            add(own, sidecars)
            _at_least(peak, own)
    _at_least(total, peak)
    return total


def qos_class(pod: Object) -> str:
    """BestEffort, Burstable or Guaranteed (upstream's ComputePodQOS)."""
    spec = pod["spec"]
    own = spec.get("resources") or {}
    if own.get("requests") or own.get("limits"):
        return _class_of([own])
    containers = [*(spec.get("initContainers") or ()), *(spec.get("containers") or ())]
    return _class_of(container.get("resources") or {} for container in containers)


def _class_of(requirements: Iterable[Object]) -> str:
    found = {
        _shape(requests.get(name, "0"), limits.get(name, "0"))
        for requests, limits in (
            (one.get("requests") or _NONE, one.get("limits") or _NONE) for one in requirements
        )
        for name in ("cpu", "memory")
    }
    if not found:
        return "BestEffort"
    return found.pop() if len(found) == 1 else "Burstable"


def _shape(request: str, limit: str) -> str:
    asked = quantity.parse(request)
    if asked != quantity.parse(limit):
        return "Burstable"
    return "Guaranteed" if asked else "BestEffort"


def default_pod_level(spec: Object) -> None:
    """Complete spec.resources where it names a request or a limit (DefaultPodLevelResources).

    What is left out follows from the containers.
    """
    own = spec.get("resources") or {}
    if not own.get("requests") and not own.get("limits"):
        return
    requests, limits = dict(own.get("requests") or {}), dict(own.get("limits") or {})
    most = _aggregate(spec, "limits")
    for name, total in most.items():
        if name.startswith("hugepages-") and name not in requests:
            limits.setdefault(name, str(total))
    for name, total in _aggregate(spec, "requests").items():
        if name in {"cpu", "memory"}:
            requests.setdefault(name, str(total))
    for name, text in limits.items():
        if is_pod_level(name):
            requests.setdefault(name, text)
    for name, text in requests.items():
        if is_pod_level(name) and name not in limits and _all_limited(spec, name):
            limits[name] = str(max(quantity.parse(text), most[name]))
    pairs = {"requests": requests, "limits": limits}
    spec["resources"] = {**own, **{key: value for key, value in pairs.items() if value}}


def _all_limited(spec: Object, name: str) -> bool:
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    return all(name in ((one.get("resources") or {}).get("limits") or {}) for one in containers)


def _aggregate(spec: Object, kind: str) -> dict[str, Quantity]:
    """Requests or limits of all containers together, of what a pod as a whole may name."""
    total = container_total(spec, kind, quantities)
    return {name: amount for name, amount in total.items() if is_pod_level(name)}

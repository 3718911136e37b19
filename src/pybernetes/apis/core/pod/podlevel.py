# SPDX-License-Identifier: Apache-2.0
"""Pod-level resources (spec.resources): what is left out follows from the containers."""

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.pod.requests import container_total, is_pod_level, quantities


def default_pod_level(spec: Object) -> None:
    """Complete spec.resources where it names a request or a limit (DefaultPodLevelResources)."""
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

# SPDX-License-Identifier: Apache-2.0
"""LimitRanger: gives containers a namespace's default resources and keeps them within its limits."""

from collections.abc import Iterable, Iterator

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import aggregate
from pybernetes.apimachinery.quantity import Quantity
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core import persistentvolume
from pybernetes.apis.core.pod.requests import container_total, quantities
from pybernetes.apiserver.admission.plugin import (
    Plugin,
    forbidden,
    spec_of,
)
from pybernetes.apiserver.types import AdmissionRequest

LIMIT_RANGES = GVR("", "v1", "limitranges")
ANNOTATION = "kubernetes.io/limit-ranger"
_POD_LEVEL = ("cpu", "memory")
Amounts = dict[str, Quantity]


class LimitRanger(Plugin):
    resources = frozenset(("pods", "persistentvolumeclaims"))
    subresources = frozenset(("", "resize"))

    async def admit(self, request: AdmissionRequest) -> None:
        if request.of != "pods":
            return
        for limits in self._limits(request):
            set_defaults(request.obj, limits)

    async def validate(self, request: AdmissionRequest) -> None:
        check = check_pod if request.of == "pods" else check_claim
        for limits in self._limits(request):
            problems = list(dict.fromkeys(check(request.obj, limits)))
            if problems:
                raise forbidden(request, aggregate(problems))

    def _limits(self, request: AdmissionRequest) -> Iterator[list[Object]]:
        """The limits of each LimitRange of the namespace that the request has to obey."""
        pods, resize = request.of == "pods", request.subresource == "resize"
        if pods and request.operation == "UPDATE" and not resize:
            return
        if meta.is_deleting(request.old):
            return
        for obj in self.reader.list(LIMIT_RANGES, request.namespace):
            yield (obj.get("spec") or {}).get("limits") or []


def set_defaults(pod: Object, limits: Iterable[Object]) -> None:
    """Fill in missing requests and limits of containers, and note what was filled in."""
    requests: Object = {}
    maxima: Object = {}
    for limit in limits:
        if limit.get("type") == "Container":
            requests |= limit.get("defaultRequest") or {}
            maxima |= limit.get("default") or {}
    spec = spec_of(pod)
    notes: list[str] = []
    for label, key in (("container", "containers"), ("init container", "initContainers")):
        for container in spec.get(key) or ():
            where = f"{label} {container.get('name')}"
            added = (_fill(container, "requests", requests), _fill(container, "limits", maxima))
            for word, names in zip(("request", "limit"), added, strict=True):
                if names:
                    notes.append(f"{', '.join(sorted(names))} {word} for {where}")
    if notes:
        metadata = pod["metadata"]
        text = "LimitRanger plugin set: " + "; ".join(notes)
        metadata["annotations"] = {**(metadata.get("annotations") or {}), ANNOTATION: text}


def _fill(container: Object, key: str, defaults: Object) -> list[str]:
    resources = container.get("resources") or {}
    present = resources.get(key) or {}
    missing = [name for name in defaults if name not in present]
    if missing:
        added = {name: defaults[name] for name in missing}
        container["resources"] = {**resources, key: {**present, **added}}
    return missing


def check_claim(claim: Object, limits: Iterable[Object]) -> Iterator[str]:
    requests = quantities(persistentvolume.requests(claim))
    for limit in limits:
        if limit.get("type") == "PersistentVolumeClaim":
            for key in ("min", "max"):
                for name, bound in _each(limit, key):
                    given = {"request": requests}
                    yield from _within("PersistentVolumeClaim", name, bound, key, given=given)


def check_pod(pod: Object, limits: Iterable[Object]) -> Iterator[str]:
    spec = spec_of(pod)
    for limit in limits:
        if limit.get("type") == "Container":
            for key in ("containers", "initContainers"):
                for container in spec.get(key) or ():
                    found = container.get("resources") or {}
                    amounts = quantities(found.get("requests")), quantities(found.get("limits"))
                    yield from _check("Container", limit, amounts)
        elif limit.get("type") == "Pod":
            yield from _check("Pod", limit, (_total(spec, "requests"), _total(spec, "limits")))


def _check(kind: str, limit: Object, amounts: tuple[Amounts, Amounts]) -> Iterator[str]:
    request, most = {"request": amounts[0]}, {"limit": amounts[1]}
    for key, given in (("min", request | most), ("max", most | request)):
        for name, bound in _each(limit, key):
            yield from _within(kind, name, bound, key, given=given)
    for name, bound in _each(limit, "maxLimitRequestRatio"):
        yield from _ratio(kind, name, bound, amounts)


def _each(limit: Object, key: str) -> list[tuple[str, Quantity]]:
    return sorted(quantities(limit.get(key)).items())


def _within(
    kind: str, name: str, bound: Quantity, key: str, *, given: dict[str, Amounts]
) -> Iterator[str]:
    """The first of `given` has to be there; the first that is beyond the bound is told."""
    head = f"{key}imum {name} usage per {kind} is {bound}"
    first = next(iter(given))
    if name not in given[first]:
        yield f"{head}.  No {first} is specified"
        return
    for word, amounts in given.items():
        amount = amounts.get(name)
        if amount is not None and (amount < bound if key == "min" else amount > bound):
            yield f"{head}, but {word} is {amount}"
            return


def _ratio(kind: str, name: str, most: Quantity, amounts: tuple[Amounts, Amounts]) -> Iterator[str]:
    request, limit = amounts[0].get(name), amounts[1].get(name)
    head = f"{name} max limit to request ratio per {kind} is {most}"
    if not request:
        yield f"{head}, but no request is specified or request is 0"
    elif not limit:
        yield f"{head}, but no limit is specified or limit is 0"
    elif limit.nano * 10**9 > most.nano * request.nano:
        yield f"{head}, but provided ratio is {limit.nano / request.nano:f}"


def _total(spec: Object, key: str) -> Amounts:
    """A pod's sum, or what it says as a whole."""
    declared = quantities((spec.get("resources") or {}).get(key))
    own = {name: amount for name, amount in declared.items() if name in _POD_LEVEL}
    return container_total(spec, key, quantities) | own

# SPDX-License-Identifier: Apache-2.0
"""RuntimeClass: a pod's runtime class adds its overhead, node selector and tolerations."""

from typing import Any

from pybernetes.apimachinery import quantity
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.admission.plugin import Plugin, forbidden, spec_of
from pybernetes.apiserver.types import AdmissionRequest

CLASSES = GVR("node.k8s.io", "v1", "runtimeclasses")
_MISMATCH = "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead"
_UNEXPECTED = "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead"


class RuntimeClass(Plugin):
    operations = frozenset(("CREATE",))
    resources = frozenset(("pods",))

    async def admit(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        found = self._class(request, spec)
        overhead = (found.get("overhead") or {}).get("podFixed")
        if overhead:
            if spec.get("overhead") and not _equal(spec["overhead"], overhead):
                raise forbidden(request, _MISMATCH)
            spec["overhead"] = dict(overhead)
        scheduling = found.get("scheduling") or {}
        if scheduling.get("nodeSelector"):
            spec["nodeSelector"] = _selector(request, spec, scheduling["nodeSelector"])
        present = spec.get("tolerations") or []
        more = [item for item in scheduling.get("tolerations") or () if item not in present]
        if more:
            spec["tolerations"] = [*present, *(dict(item) for item in more)]

    async def validate(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        found = self._class(request, spec)
        if found.get("overhead") is None:
            if spec.get("overhead"):
                raise forbidden(request, _UNEXPECTED)
        elif not _equal(spec.get("overhead") or {}, found["overhead"].get("podFixed") or {}):
            raise forbidden(request, _MISMATCH)

    def _class(self, request: AdmissionRequest, spec: Object) -> Object:
        name = spec.get("runtimeClassName")
        if not name:
            return {}
        found = self.reader.get(CLASSES, "", name)
        if found is None:
            raise forbidden(request, f'pod rejected: RuntimeClass "{name}" not found')
        return found


def _equal(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a.keys() == b.keys() and all(
        quantity.parse(a[key]) == quantity.parse(b[key]) for key in a
    )


def _selector(request: AdmissionRequest, spec: Object, wanted: Object) -> Object:
    present = spec.get("nodeSelector") or {}
    for key, value in wanted.items():
        if present.get(key, value) != value:
            raise forbidden(
                request,
                f"conflict: runtimeClass.scheduling.nodeSelector[{key}] = {value}; "
                f"pod.spec.nodeSelector[{key}] = {present[key]}",
            )
    return {**present, **wanted}

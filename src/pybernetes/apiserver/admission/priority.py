# SPDX-License-Identifier: Apache-2.0
"""Priority: turns priorityClassName into a number, and keeps one default class."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.admission.plugin import (
    Plugin,
    forbidden,
    spec_of,
)
from pybernetes.apiserver.types import AdmissionRequest

CLASSES = GVR("scheduling.k8s.io", "v1", "priorityclasses")


class Priority(Plugin):
    resources = frozenset(("pods", CLASSES.group_resource))

    async def admit(self, request: AdmissionRequest) -> None:
        if request.of != "pods":
            return
        spec = spec_of(request.obj)
        if request.operation == "UPDATE":
            old = request.old.get("spec") or {}
            for key in ("priority", "preemptionPolicy"):
                if spec.get(key) is None and old.get(key) is not None:
                    spec[key] = old[key]
            return
        found = self._class(request, spec.get("priorityClassName") or "")
        if meta.name(found):
            spec["priorityClassName"] = meta.name(found)
        computed = {"priority": found.get("value") or 0}
        if found.get("preemptionPolicy") is not None:
            computed["preemptionPolicy"] = found["preemptionPolicy"]
        for key, words in (
            ("priority", "integer value of priority"),
            ("preemptionPolicy", "string value of PreemptionPolicy"),
        ):
            if key in computed and spec.get(key) not in (None, computed[key]):
                raise forbidden(
                    request,
                    f"the {words} ({spec[key]}) must not be provided in pod spec; priority admission "
                    f"controller computed {computed[key]} from the given PriorityClass name",
                )
        spec |= computed

    async def validate(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if request.of == "pods" or not obj.get("globalDefault"):
            return
        default = self._default()
        new = request.operation == "CREATE"
        if default is not None and (new or meta.name(default) != meta.name(obj)):
            raise forbidden(
                request,
                f"PriorityClass {meta.name(default)} is already marked as default. "
                "Only one default can exist",
            )

    def _class(self, request: AdmissionRequest, name: str) -> Object:
        if not name:
            return self._default() or {"value": 0, "preemptionPolicy": "PreemptLowerPriority"}
        found = self.reader.get(CLASSES, "", name)
        if found is None:
            raise forbidden(request, f"no PriorityClass with name {name} was found")
        return found

    def _default(self) -> Object | None:
        defaults = [item for item in self.reader.list(CLASSES, "") if item.get("globalDefault")]
        return min(defaults, key=lambda item: int(item.get("value") or 0), default=None)

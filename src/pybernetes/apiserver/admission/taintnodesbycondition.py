# SPDX-License-Identifier: Apache-2.0
"""TaintNodesByCondition: a new node takes no pods until it is found ready."""

from typing import ClassVar

from pybernetes.apiserver.admission.plugin import NODES, GroupResource, Plugin, spec_of
from pybernetes.apiserver.types import AdmissionRequest, Operation

_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}


class TaintNodesByCondition(Plugin):
    name = "TaintNodesByCondition"
    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE",))
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset((NODES,))

    async def admit(self, request: AdmissionRequest) -> None:
        if request.obj is None or request.subresource:
            return
        spec = spec_of(request.obj)
        taints = spec.get("taints") or []
        if not any(_NOT_READY.items() <= taint.items() for taint in taints):
            spec["taints"] = [*taints, dict(_NOT_READY)]

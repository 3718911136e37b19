# SPDX-License-Identifier: Apache-2.0
"""PodTopologyLabels: a pod that is bound gets its node's zone and region as labels."""

from typing import ClassVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.admission.plugin import PODS, GroupResource, Plugin
from pybernetes.apiserver.admission.types import NODES
from pybernetes.apiserver.types import AdmissionRequest, Operation

_COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


class PodTopologyLabels(Plugin):
    name = "PodTopologyLabels"
    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE",))
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset((PODS,))

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        name = _node_name(obj, request.subresource) if obj is not None else ""
        node = self.reader.get(NODES, "", name) if name else None
        if obj is None or node is None:
            return
        present = meta.labels(node)
        copied = {key: present[key] for key in _COPIED if key in present}
        if copied:
            metadata = obj.setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **copied}


def _node_name(obj: Object, subresource: str) -> str:
    if subresource == "binding":
        target = obj.get("target") or {}
        return target.get("name") or "" if target.get("kind") in ("Node", "", None) else ""
    if subresource:
        return ""
    return (obj.get("spec") or {}).get("nodeName") or ""

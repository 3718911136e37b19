# SPDX-License-Identifier: Apache-2.0
"""StorageObjectInUseProtection: volumes and claims get the finalizer that guards their use."""

from typing import ClassVar

from pybernetes.apiserver.admission.plugin import CLAIMS, GroupResource, Plugin, resource_of
from pybernetes.apiserver.types import AdmissionRequest, Operation

_FINALIZERS: dict[GroupResource, str] = {
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    CLAIMS: "kubernetes.io/pvc-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}


class StorageObjectInUseProtection(Plugin):
    name = "StorageObjectInUseProtection"
    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE",))
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset(_FINALIZERS)

    async def admit(self, request: AdmissionRequest) -> None:
        if request.obj is None or request.subresource:
            return
        finalizer = _FINALIZERS[resource_of(request)]
        metadata = request.obj["metadata"]
        present = metadata.get("finalizers") or []
        if finalizer not in present:
            metadata["finalizers"] = [*present, finalizer]

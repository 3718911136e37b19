# SPDX-License-Identifier: Apache-2.0
"""PersistentVolumeClaimResize: only bound claims of a class that allows it may grow."""

from pybernetes.apis.core.persistentvolume import class_of, requested
from pybernetes.apiserver.admission.defaults import STORAGE_CLASSES
from pybernetes.apiserver.admission.plugin import Plugin, forbidden
from pybernetes.apiserver.types import AdmissionRequest


class PersistentVolumeClaimResize(Plugin):
    operations = frozenset(("UPDATE",))
    resources = frozenset(("persistentvolumeclaims",))

    async def validate(self, request: AdmissionRequest) -> None:
        new, old = request.obj, request.old
        if requested(new) <= requested(old):
            return
        if (old.get("status") or {}).get("phase") != "Bound":
            raise forbidden(request, "Only bound persistent volume claims can be expanded")
        name = class_of(new)
        found = self.reader.get(STORAGE_CLASSES, "", name) if name == class_of(old) else None
        if not (found or {}).get("allowVolumeExpansion"):
            raise forbidden(
                request,
                "only dynamically provisioned pvc can be resized and the storageclass that "
                "provisions the pvc must support resize",
            )

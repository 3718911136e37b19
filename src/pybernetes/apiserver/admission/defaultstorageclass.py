# SPDX-License-Identifier: Apache-2.0
"""DefaultStorageClass: a claim that names no class gets the default one."""

from typing import ClassVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR
from pybernetes.apiserver.admission.plugin import (
    CLAIMS,
    GroupResource,
    Plugin,
    default_class,
    spec_of,
)
from pybernetes.apiserver.types import AdmissionRequest, Operation

CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
_BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_DEFAULT = (
    "storageclass.kubernetes.io/is-default-class",
    "storageclass.beta.kubernetes.io/is-default-class",
)


class DefaultStorageClass(Plugin):
    name = "DefaultStorageClass"
    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE",))
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset((CLAIMS,))

    async def admit(self, request: AdmissionRequest) -> None:
        claim = request.obj
        if claim is None or request.subresource or _BETA_CLASS in meta.annotations(claim):
            return
        spec = spec_of(claim)
        if spec.get("storageClassName") is None:
            name = default_class(self.reader.list(CLASSES, ""), *_DEFAULT)
            if name:
                spec["storageClassName"] = name

# SPDX-License-Identifier: Apache-2.0
"""DefaultIngressClass: an Ingress that names no class gets the default one."""

from typing import ClassVar

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR
from pybernetes.apiserver.admission.plugin import GroupResource, Plugin, default_class, spec_of
from pybernetes.apiserver.types import AdmissionRequest, Operation

CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
_DEFAULT = "ingressclass.kubernetes.io/is-default-class"
_OLD_CLASS = "kubernetes.io/ingress.class"


class DefaultIngressClass(Plugin):
    name = "DefaultIngressClass"
    operations: ClassVar[frozenset[Operation]] = frozenset(("CREATE",))
    resources: ClassVar[frozenset[GroupResource] | None] = frozenset(
        (("networking.k8s.io", "ingresses"),)
    )

    async def admit(self, request: AdmissionRequest) -> None:
        ingress = request.obj
        if ingress is None or request.subresource or _OLD_CLASS in meta.annotations(ingress):
            return
        spec = spec_of(ingress)
        if spec.get("ingressClassName") is not None:
            return
        name = default_class(self.reader.list(CLASSES, ""), _DEFAULT)
        if name:
            spec["ingressClassName"] = name

# SPDX-License-Identifier: Apache-2.0
"""The plugins that only fill something in: taints, tolerations, classes, finalizers, labels."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.core.persistentvolume import CLASS_ANNOTATION
from pybernetes.apiserver.admission.plugin import (
    Plugin,
    default_class,
    spec_of,
)
from pybernetes.apiserver.reading import NODES
from pybernetes.apiserver.types import AdmissionRequest, Operation

STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
INGRESS_CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_SECONDS = 300
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_FINALIZERS: dict[str, str] = {
    "persistentvolumes": "kubernetes.io/pv-protection",
    "persistentvolumeclaims": "kubernetes.io/pvc-protection",
    "volumeattributesclasses.storage.k8s.io": "kubernetes.io/vac-protection",
}
_COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


_CREATE: frozenset[Operation] = frozenset(("CREATE",))


class TaintNodesByCondition(Plugin):
    """A new node takes no pods until it is found ready."""

    operations = _CREATE
    resources = frozenset(("nodes",))

    async def admit(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        taints = spec.get("taints") or []
        if not any(_NOT_READY.items() <= taint.items() for taint in taints):
            spec["taints"] = [*taints, dict(_NOT_READY)]


class DefaultTolerationSeconds(Plugin):
    """Pods stay five minutes on a node that is not ready or unreachable."""

    resources = frozenset(("pods",))

    async def admit(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        present = spec.get("tolerations") or []
        missing = [key for key in _TOLERATED if not any(_tolerates(item, key) for item in present)]
        if missing:
            more = {"effect": "NoExecute", "operator": "Exists", "tolerationSeconds": _SECONDS}
            spec["tolerations"] = [*present, *({**more, "key": key} for key in missing)]


def _tolerates(toleration: Object, key: str) -> bool:
    effect = toleration.get("effect") in (None, "", "NoExecute")
    return effect and toleration.get("key") in (None, "", key)


class DefaultStorageClass(Plugin):
    """A claim that names no class, nor the older annotation, gets the default one."""

    operations = _CREATE
    resources = frozenset(("persistentvolumeclaims",))
    classes, field = STORAGE_CLASSES, "storageClassName"
    older = CLASS_ANNOTATION
    marks: tuple[str, ...] = ("storageclass.kubernetes.io", "storageclass.beta.kubernetes.io")

    async def admit(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        if spec.get(self.field) is not None or self.older in meta.annotations(request.obj):
            return
        marks = [f"{word}/is-default-class" for word in self.marks]
        if name := default_class(self.reader.list(self.classes, ""), *marks):
            spec[self.field] = name


class DefaultIngressClass(DefaultStorageClass):
    """The same of an Ingress."""

    resources = frozenset(("ingresses.networking.k8s.io",))
    classes, field = INGRESS_CLASSES, "ingressClassName"
    older = "kubernetes.io/ingress.class"
    marks = ("ingressclass.kubernetes.io",)


class StorageObjectInUseProtection(Plugin):
    """Volumes and claims get the finalizer that guards their use."""

    operations = _CREATE
    resources = frozenset(_FINALIZERS)

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        finalizer = _FINALIZERS[request.of]
        present = obj["metadata"].get("finalizers") or []
        if finalizer not in present:
            obj["metadata"]["finalizers"] = [*present, finalizer]


class PodTopologyLabels(Plugin):
    """A pod that is bound gets its node's zone and region as labels."""

    operations = _CREATE
    resources = frozenset(("pods",))
    subresources = frozenset(("", "binding"))

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        name = _node_name(obj, request.subresource)
        node = self.reader.get(NODES, "", name) if name else None
        present = meta.labels(node or {})
        copied = {key: present[key] for key in _COPIED if key in present}
        if copied:
            metadata = obj.setdefault("metadata", {})
            metadata["labels"] = {**(metadata.get("labels") or {}), **copied}


def _node_name(obj: Object, subresource: str) -> str:
    if subresource == "binding":
        target = obj.get("target") or {}
        return target.get("name") or "" if target.get("kind") in ("Node", "", None) else ""
    return (obj.get("spec") or {}).get("nodeName") or ""

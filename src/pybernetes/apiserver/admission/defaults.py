# SPDX-License-Identifier: Apache-2.0
"""The plugins that only fill something in: taints, tolerations, classes, finalizers, labels."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver.admission.plugin import (
    CLAIMS,
    NODES,
    PODS,
    GroupResource,
    Plugin,
    default_class,
    resource_of,
    spec_of,
)
from pybernetes.apiserver.reading import NODES as NODES_GVR
from pybernetes.apiserver.types import AdmissionRequest, Operation

STORAGE_CLASSES = GVR("storage.k8s.io", "v1", "storageclasses")
INGRESS_CLASSES = GVR("networking.k8s.io", "v1", "ingressclasses")
_NOT_READY = {"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}
_SECONDS = 300
_TOLERATED = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
_FINALIZERS: dict[GroupResource, str] = {
    ("", "persistentvolumes"): "kubernetes.io/pv-protection",
    CLAIMS: "kubernetes.io/pvc-protection",
    ("storage.k8s.io", "volumeattributesclasses"): "kubernetes.io/vac-protection",
}
_COPIED = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region")


_CREATE: frozenset[Operation] = frozenset(("CREATE",))


class TaintNodesByCondition(Plugin):
    """A new node takes no pods until it is found ready."""

    operations = _CREATE
    resources = frozenset((NODES,))

    async def admit(self, request: AdmissionRequest) -> None:
        spec = spec_of(request.obj)
        taints = spec.get("taints") or []
        if not any(_NOT_READY.items() <= taint.items() for taint in taints):
            spec["taints"] = [*taints, dict(_NOT_READY)]


class DefaultTolerationSeconds(Plugin):
    """Pods stay five minutes on a node that is not ready or unreachable."""

    resources = frozenset((PODS,))

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
    """A claim that names no class gets the default one."""

    operations = _CREATE
    resources = frozenset((CLAIMS,))

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if "volume.beta.kubernetes.io/storage-class" in meta.annotations(obj):
            return
        words = ("storageclass.kubernetes.io", "storageclass.beta.kubernetes.io")
        marks = [f"{word}/is-default-class" for word in words]
        name = default_class(self.reader.list(STORAGE_CLASSES, ""), *marks)
        if name and spec_of(obj).get("storageClassName") is None:
            spec_of(obj)["storageClassName"] = name


class DefaultIngressClass(Plugin):
    """An Ingress that names no class gets the default one."""

    operations = _CREATE
    resources = frozenset((("networking.k8s.io", "ingresses"),))

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        if "kubernetes.io/ingress.class" in meta.annotations(obj):
            return
        mark = "ingressclass.kubernetes.io/is-default-class"
        name = default_class(self.reader.list(INGRESS_CLASSES, ""), mark)
        if name and spec_of(obj).get("ingressClassName") is None:
            spec_of(obj)["ingressClassName"] = name


class StorageObjectInUseProtection(Plugin):
    """Volumes and claims get the finalizer that guards their use."""

    operations = _CREATE
    resources = frozenset(_FINALIZERS)

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        finalizer = _FINALIZERS[resource_of(request)]
        present = obj["metadata"].get("finalizers") or []
        if finalizer not in present:
            obj["metadata"]["finalizers"] = [*present, finalizer]


class PodTopologyLabels(Plugin):
    """A pod that is bound gets its node's zone and region as labels."""

    operations = _CREATE
    resources = frozenset((PODS,))
    subresources = frozenset(("", "binding"))

    async def admit(self, request: AdmissionRequest) -> None:
        obj = request.obj
        name = _node_name(obj, request.subresource)
        node = self.reader.get(NODES_GVR, "", name) if name else None
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

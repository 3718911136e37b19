# SPDX-License-Identifier: Apache-2.0
"""The node authorizer: a kubelet may read what the pods on its node need, and write its own things.

Relationships are looked up in the watch cache when asked: pod -> what it mentions. Two questions
of upstream's need the request's field selector, which RequestInfo does not carry: lists and
watches of pods and resource slices are allowed to every node without looking at it.
"""

from collections.abc import Callable, Iterable, Iterator

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apiserver.authorization.bootstrap import cluster_role_rules
from pybernetes.apiserver.authorization.references import references, volume_secrets
from pybernetes.apiserver.authorization.rules import compiled
from pybernetes.apiserver.reading import NODES, PODS, Reader
from pybernetes.apiserver.types import Decision, RequestInfo

CLAIMS = GVR("", "v1", "persistentvolumeclaims")
VOLUMES = GVR("", "v1", "persistentvolumes")
ATTACHMENTS = GVR("storage.k8s.io", "v1", "volumeattachments")
SLICES = GVR("resource.k8s.io", "v1", "resourceslices")
CERTIFICATE_REQUESTS = GVR("certificates.k8s.io", "v1beta1", "podcertificaterequests")
_NAMING_A_NODE = {  # resources whose spec.nodeName is the relationship
    "volumeattachments": ATTACHMENTS,
    "resourceslices": SLICES,
    "podcertificaterequests": CERTIFICATE_REQUESTS,
    "pods": PODS,
}
MIRROR = "kubernetes.io/config.mirror"
_READ = ("get", "list", "watch")
_WRITE = ("get", "create", "update", "patch", "delete")

PodsOn = Callable[[str], Iterable[Object]]
_Answer = tuple[Decision, str]
_ALLOW: _Answer = ("allow", "")


def _no(reason: str = "") -> _Answer:
    return ("no-opinion", reason)


class NodeAuthorizer:
    """Authorizer. `pods_on(node)` lists a node's pods; without it all pods are searched."""

    def __init__(self, reader: Reader, pods_on: PodsOn | None = None) -> None:
        self._reader = reader
        self._pods_on = pods_on or self._search
        self._rules = [compiled(rule) for rule in cluster_role_rules("system:node")]
        self._table: dict[tuple[str, str], Callable[[str, RequestInfo], _Answer]] = {
            ("", "secrets"): self._readable,
            ("", "configmaps"): self._readable,
            ("", "persistentvolumeclaims"): self._claim,
            ("", "persistentvolumes"): self._gettable,
            ("resource.k8s.io", "resourceclaims"): self._gettable,
            ("storage.k8s.io", "volumeattachments"): self._gettable,
            ("", "serviceaccounts"): self._account,
            ("coordination.k8s.io", "leases"): _lease,
            ("storage.k8s.io", "csinodes"): _csi_node,
            ("resource.k8s.io", "resourceslices"): self._slice,
            ("", "nodes"): _node,
            ("", "pods"): self._pod,
            ("certificates.k8s.io", "podcertificaterequests"): self._certificate,
        }

    def authorize(self, user: User, info: RequestInfo) -> _Answer:
        node = meta.node_of(user)
        if node is None:
            return _no()
        if not node:
            return _no(f'unknown node for user "{user.name}"')
        decide = self._table.get((info.group, info.resource)) if info.is_resource else None
        if decide is not None:
            return decide(node, info)
        return _ALLOW if any(rule.covers_request(info) for rule in self._rules) else _no()

    # -- what needs a relationship

    def _related(self, node: str, info: RequestInfo) -> _Answer:
        if not info.name:
            return _no("No Object name found")
        if self._reader.get(NODES, "", node) is not None and self._reaches(node, info):
            return _ALLOW
        return _no(f"no relationship found between node '{node}' and this object")

    def _reaches(self, node: str, info: RequestInfo) -> bool:
        named = _NAMING_A_NODE.get(info.resource)
        if named is not None:
            obj = self._reader.get(named, info.namespace, info.name)
            return obj is not None and (obj.get("spec") or {}).get("nodeName") == node
        pods = [pod for pod in self._pods_on(node) if MIRROR not in meta.annotations(pod)]
        if info.resource == "persistentvolumes":
            return any(volume == info.name for volume in self._volumes(pods))
        mine = (pod for pod in pods if meta.namespace(pod) == info.namespace)
        if any((info.resource, info.name) in references(pod) for pod in mine):
            return True
        return info.resource == "secrets" and self._in_volume(pods, info)

    def _volumes(self, pods: Iterable[Object]) -> Iterator[str]:
        for pod in pods:
            for resource, name in references(pod):
                if resource != "persistentvolumeclaims":
                    continue
                claim = self._reader.get(CLAIMS, meta.namespace(pod), name)
                if claim is not None:
                    yield (claim.get("spec") or {}).get("volumeName") or ""

    def _in_volume(self, pods: Iterable[Object], info: RequestInfo) -> bool:
        """True if a volume of one of the pods takes its credentials from the secret."""
        volumes = (self._reader.get(VOLUMES, "", name) for name in self._volumes(pods) if name)
        wanted = (info.namespace, info.name)
        return any(wanted in volume_secrets(volume) for volume in volumes if volume)

    def _search(self, node: str) -> list[Object]:
        pods = self._reader.list(PODS, "")
        return [pod for pod in pods if (pod.get("spec") or {}).get("nodeName") == node]

    # -- one function a resource

    def _readable(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb not in _READ:
            return _no("can only read resources of this type")
        if info.subresource:
            return _no("cannot read subresource")
        if not info.namespace:
            return _no("can only read namespaced object of this type")
        return self._related(node, info)

    def _gettable(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb != "get":
            return _no("can only get individual resources of this type")
        if info.subresource:
            return _no("cannot get subresource")
        return self._related(node, info)

    def _claim(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource != "status":
            return self._gettable(node, info)
        if info.verb not in ("update", "patch"):
            return _no("can only get/update/patch this type")
        return self._related(node, info)

    def _account(self, node: str, info: RequestInfo) -> _Answer:
        if info.verb == "get" and not info.subresource:
            return self._readable(node, info)
        if info.verb != "create" or not info.name:
            return _no("can only create tokens for individual service accounts")
        if info.subresource != "token":
            return _no("can only create token subresource of serviceaccount")
        return self._related(node, info)

    def _slice(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource:
            return _no("cannot authorize ResourceSlice subresources")
        if info.verb in ("create", "watch", "list", "deletecollection"):
            return _ALLOW
        return self._related(node, info)

    def _certificate(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource:
            return _no("nodes may not access the status subresource of PodCertificateRequests")
        if info.verb in ("create", "list", "watch"):
            return _ALLOW
        if info.verb == "get":
            return self._related(node, info)
        return _no(f"nodes may not {info.verb} podcertificaterequests")

    def _pod(self, node: str, info: RequestInfo) -> _Answer:
        if info.subresource == "" and info.verb == "get":
            return self._related(node, info)
        allowed = {
            "": ("list", "watch", "create", "delete"),
            "status": ("update", "patch"),
            "eviction": ("create",),
        }
        return _ALLOW if info.verb in allowed.get(info.subresource, ()) else _no()


def _lease(node: str, info: RequestInfo) -> _Answer:
    if info.verb not in _WRITE:
        return _no("can only get, create, update, patch, or delete a node lease")
    if info.namespace != "kube-node-lease":
        return _no('can only access leases in the "kube-node-lease" system namespace')
    if info.verb != "create" and info.name != node:
        return _no("can only access node lease with the same name as the requesting node")
    return _ALLOW


def _csi_node(node: str, info: RequestInfo) -> _Answer:
    if info.subresource:
        return _no("cannot authorize CSINode subresources")
    if info.verb not in _WRITE:
        return _no("can only get, create, update, patch, or delete a CSINode")
    if info.verb != "create" and info.name != node:
        return _no("can only access CSINode with the same name as the requesting node")
    return _ALLOW


def _node(node: str, info: RequestInfo) -> _Answer:
    writes = {"": ("create", "update", "patch"), "status": ("update", "patch")}
    if info.verb in writes.get(info.subresource, ()):
        return _ALLOW
    if info.subresource or info.verb not in _READ:
        return _no()
    if info.name == node:
        return _ALLOW
    if not info.name:
        return _no(f"node '{node}' cannot read all nodes, only its own Node object")
    return _no(f"node '{node}' cannot read '{info.name}', only its own Node object")

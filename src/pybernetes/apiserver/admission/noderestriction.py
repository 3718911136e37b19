# SPDX-License-Identifier: Apache-2.0
"""NodeRestriction: a kubelet writes its own node and pods, and nothing else (noderestriction.txt).

Service account tokens for audiences that a pod does not mention are refused; audiences of CSI
drivers behind claims are found through the claim's volume (in-tree translation is not supported).
"""

from collections.abc import Iterable, Iterator

from cryptography.x509.oid import NameOID

from pybernetes.apimachinery import errors, meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.data.sections import row, sections
from pybernetes.apiserver.admission.certificates import subject_values
from pybernetes.apiserver.admission.plugin import (
    Plugin,
    forbidden,
)
from pybernetes.apiserver.authorization.references import references
from pybernetes.apiserver.reading import NODES, PODS
from pybernetes.apiserver.types import AdmissionRequest, RequestInfo

MIRROR = "kubernetes.io/config.mirror"
CSI_DRIVERS = GVR("storage.k8s.io", "v1", "csidrivers")
_CLAIMS = GVR("", "v1", "persistentvolumeclaims")
_VOLUMES = GVR("", "v1", "persistentvolumes")
_NODE_SIGNERS = (
    "kubernetes.io/kubelet-serving",
    "kubernetes.io/kube-apiserver-client-kubelet",
)
_OWN_LABELS = (
    *("kubernetes.io/hostname", "kubernetes.io/os", "kubernetes.io/arch"),
    *("topology.kubernetes.io/zone", "topology.kubernetes.io/region"),
    *("failure-domain.beta.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/region"),
    *("node.kubernetes.io/instance-type", "beta.kubernetes.io/instance-type"),
    *("beta.kubernetes.io/os", "beta.kubernetes.io/arch"),
)
_OWN_LABEL_DOMAINS = ("kubelet.kubernetes.io", "node.kubernetes.io")
_DOMAINS = ("kubernetes.io", "k8s.io")
_RESTRICTED = ("node-restriction.kubernetes.io",)
_CLAIM_STATUS_OWN = (
    "capacity",
    "conditions",
    "allocatedResourceStatuses",
    "allocatedResources",
)


_RULES = {
    resource: [row(line) for line in lines]
    for resource, lines in sections("noderestriction.txt", __package__).items()
}


class NodeRestriction(Plugin):
    operations = frozenset(("CREATE", "UPDATE", "DELETE"))
    resources = frozenset(_RULES)
    subresources = None

    async def admit(self, request: AdmissionRequest) -> None:
        node = meta.node_of(request.user)
        if node is None:
            return
        if not node:
            raise forbidden(request, f'could not determine node from user "{request.user.name}"')
        problem = next(self._problems(node, request), None)
        if problem:
            raise forbidden(request, problem)

    def _problems(self, node: str, request: AdmissionRequest) -> Iterator[str]:
        looks = {
            "mirror": self._mirror_pod,
            "status": _pod_status,
            "node": _node,
            "claim": _claim,
            "token": self._token,
            "certificate": _certificate,
        }
        asked = self._asked(node, request)
        for one in _RULES[request.of]:
            if one.condition is not None and not one.condition(asked):
                continue
            if one.word in looks:
                yield from looks[one.word](node, request)
                continue
            if one.word == "no":
                given = {"subresource": request.subresource, "operation": request.operation}
                yield one.text.format(node=node, name=request.name, **given)
            return

    def _asked(self, node: str, request: AdmissionRequest) -> Object:
        """What conditions are about."""
        obj = request.obj if request.operation == "CREATE" else request.old
        removed = request.operation == "DELETE" and not request.subresource
        pods = request.of == "pods" and (removed or request.subresource == "eviction")
        facts = {
            "operation": request.operation,
            "subresource": request.subresource,
            "namespace": request.namespace,
            "own": request.name == node,
            "named": _node_of_pod(obj) == node,
            "elsewhere": pods and _node_of_pod(self._pod(request.namespace, request.name)) != node,
        }
        return {key: value for key, value in facts.items() if value}

    def _pod(self, namespace: str, name: str) -> Object:
        pod = self.reader.get(PODS, namespace, name)
        if pod is None:
            raise errors.not_found("pods", "", name)
        return pod

    def _mirror_pod(self, node: str, request: AdmissionRequest) -> Iterator[str]:
        who, pod = f'node "{node}"', request.obj
        if MIRROR not in meta.annotations(pod):
            yield f'pod does not have "{MIRROR}" annotation, {who} can only create mirror pods'
        if _node_of_pod(pod) != node:
            yield f"{who} can only create pods with spec.nodeName set to itself"
        owners = meta.owner_references(pod)
        if len(owners) > 1:
            yield f"{who} can only create pods with a single owner reference set to itself"
        if not owners or (
            owners[0].get("apiVersion"),
            owners[0].get("kind"),
            owners[0].get("name"),
        ) != ("v1", "Node", node):
            yield f"{who} can only create pods with an owner reference set to itself"
        if not owners[0].get("controller"):
            yield f"{who} can only create pods with a controller owner reference set to itself"
        if owners[0].get("blockOwnerDeletion"):
            yield f"{who} must not set blockOwnerDeletion on an owner reference"
        known = self.reader.get(NODES, "", node)
        if known is None:
            raise errors.not_found("nodes", "", node)
        if owners[0].get("uid") != meta.uid(known):
            wanted = owners[0].get("uid")
            yield f"node {node} UID mismatch: expected {wanted} got {meta.uid(known)}"
        for resource, _ in references(pod):
            yield f"{who} can not create pods that reference {resource}"

    def _token(self, node: str, request: AdmissionRequest) -> Iterator[str]:
        spec = request.obj.get("spec") or {}
        ref = spec.get("boundObjectRef") or {}
        if (ref.get("apiVersion"), ref.get("kind")) != ("v1", "Pod") or not ref.get("name"):
            yield "node requested token not bound to a pod"
            return
        if not ref.get("uid"):
            yield "node requested token with a pod binding without a uid"
        pod = self._pod(request.namespace, ref["name"])
        if ref.get("uid") != meta.uid(pod):
            yield (
                f"the UID in the bound object reference ({ref.get('uid')}) does not match the UID "
                "in record. The object might have been deleted and then recreated"
            )
        if _node_of_pod(pod) != node:
            yield "node requested token bound to a pod scheduled on a different node"
        yield from self._audience(request, pod, spec.get("audiences") or [])

    def _audience(self, request: AdmissionRequest, pod: Object, asked: list[str]) -> Iterator[str]:
        if len(asked) > 1:
            yield "node may only request 0 or 1 audiences"
            return
        audience = asked[0] if asked else ""
        if audience in self._audiences(pod):
            return
        verb, where = "request-serviceaccounts-token-audience", request.namespace
        info = RequestInfo.asking(verb, "", audience, request.name, namespace=where, version="v1")
        if self.authorizer.authorize(request.user, info)[0] != "allow":
            who = request.user.name
            yield f'{who} is not authorized to request tokens for audience "{audience}"'

    def _audiences(self, pod: Object) -> Iterator[str]:
        """The audiences that the pod's volumes ask tokens for; "" is the API server's own."""
        for volume in (pod.get("spec") or {}).get("volumes") or ():
            for source in (volume.get("projected") or {}).get("sources") or ():
                if source.get("serviceAccountToken"):
                    yield source["serviceAccountToken"].get("audience") or ""
            driver = self._driver(pod, volume)
            found = self.reader.get(CSI_DRIVERS, "", driver) if driver else None
            for request in ((found or {}).get("spec") or {}).get("tokenRequests") or ():
                yield request.get("audience") or ""

    def _driver(self, pod: Object, volume: Object) -> str:
        if volume.get("csi"):
            return volume["csi"].get("driver") or ""
        name = (volume.get("persistentVolumeClaim") or {}).get("claimName")
        if "ephemeral" in volume:
            name = f"{meta.name(pod)}-{volume['name']}"
        claim = self.reader.get(_CLAIMS, meta.namespace(pod), name) if name else None
        bound = ((claim or {}).get("spec") or {}).get("volumeName")
        found = self.reader.get(_VOLUMES, "", bound) if bound else None
        return (((found or {}).get("spec") or {}).get("csi") or {}).get("driver") or ""


def _node_of_pod(pod: Object) -> str:
    return (pod.get("spec") or {}).get("nodeName") or ""


def _node(node: str, request: AdmissionRequest) -> Iterator[str]:
    new, old = request.obj, request.old
    bad = ", ".join(_forbidden_labels(meta.labels(new), meta.labels(old)))
    if request.operation == "CREATE":
        if bad:
            yield f'node "{node}" is not allowed to set the following labels: {bad}'
        return
    taints, before = ((obj.get("spec") or {}).get("taints") or [] for obj in (new, old))
    if taints != before:
        yield f'node "{node}" is not allowed to modify taints'
    if meta.owner_references(new) != meta.owner_references(old):
        yield f'node "{node}" is not allowed to modify ownerReferences'
    if bad:
        yield f"is not allowed to modify labels: {bad}"


def _claim(node: str, request: AdmissionRequest) -> Iterator[str]:
    if _without_own(request.obj) != _without_own(request.old):
        fields = "fields other than status.quantity and status.conditions"
        yield f'node "{node}" is not allowed to update {fields}'


def _certificate(node: str, request: AdmissionRequest) -> Iterator[str]:
    """A node may ask for certificates of its own name only."""
    if (request.obj.get("spec") or {}).get("signerName") not in _NODE_SIGNERS:
        return
    try:
        names = subject_values(request.obj, NameOID.COMMON_NAME)
    except ValueError as error:
        yield f"unable to parse csr: {error}"
        return
    if names != [f"system:node:{node}"]:
        yield f"can only create a node CSR with CN=system:node:{node}"


def _pod_status(node: str, request: AdmissionRequest) -> Iterator[str]:
    new, old = request.obj, request.old
    if _node_of_pod(old) != node:
        yield f'node "{node}" can only update pod status for pods with spec.nodeName set to itself'
    if meta.labels(new) != meta.labels(old):
        yield f'node "{node}" cannot update labels through pod status'
    before, after = old.get("status") or {}, new.get("status") or {}
    for key, text in (
        ("resourceClaimStatuses", "resource claim statues"),
        ("extendedResourceClaimStatus", "extended resource claim status"),
        ("nodeAllocatableResourceClaimStatuses", "node allocatable resource claim statuses"),
    ):
        if (before.get(key) or None) != (after.get(key) or None):
            yield f'node "{node}" cannot update {text}'


def _domain(label: str) -> str:
    head, slash, _ = label.partition("/")
    return head if slash else ""


def _within(domain: str, parents: Iterable[str]) -> bool:
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)


def _forbidden_labels(new: dict[str, str], old: dict[str, str]) -> list[str]:
    modified = [key for key in sorted({**new, **old}) if new.get(key) != old.get(key)]
    return [
        key
        for key in modified
        if _within(_domain(key), _RESTRICTED)
        or (
            _within(_domain(key), _DOMAINS)
            and key not in _OWN_LABELS
            and not _within(_domain(key), _OWN_LABEL_DOMAINS)
        )
    ]


def _without_own(claim: Object) -> Object:
    """A claim without what a kubelet may write of it."""
    metadata = {
        key: value
        for key, value in meta.metadata(claim).items()
        if key not in ("resourceVersion", "managedFields")
    }
    status = claim.get("status") or {}
    rest = {key: value for key, value in status.items() if key not in _CLAIM_STATUS_OWN}
    return {**claim, "metadata": metadata, "status": rest}

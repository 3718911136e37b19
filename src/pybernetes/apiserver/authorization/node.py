# SPDX-License-Identifier: Apache-2.0
"""The node authorizer: a kubelet may read what the pods on its node need, and write its own things.

Relationships are looked up in the watch cache when asked: pod -> what it mentions. Two questions
of upstream's need the request's field selector, which RequestInfo does not carry: lists and
watches of pods and resource slices are allowed to every node without looking at it. The rest, by
resource, is node.txt.
"""

from collections.abc import Callable, Iterable, Iterator
from functools import cache

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apis.data.sections import Row, row, sections
from pybernetes.apiserver.authorization.bootstrap import cluster_role_rules
from pybernetes.apiserver.authorization.references import references, volume_secrets
from pybernetes.apiserver.authorization.rules import Rule, compiled
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
_ASKED = ("verb", "subresource", "namespace", "name")

PodsOn = Callable[[str], Iterable[Object]]
_Answer = tuple[Decision, str]
_ALLOW: _Answer = ("allow", "")


@cache
def _rules() -> list[Rule]:
    return [compiled(rule) for rule in cluster_role_rules("system:node")]


def _no(reason: str = "") -> _Answer:
    return ("no-opinion", reason)


class NodeAuthorizer:
    """Authorizer. `pods_on(node)` lists a node's pods."""

    def __init__(self, reader: Reader, pods_on: PodsOn) -> None:
        self._reader = reader
        self._pods_on = pods_on
        self._table = {
            resource: [row(line) for line in lines]
            for resource, lines in sections("node.txt", __package__).items()
        }

    def authorize(self, user: User, info: RequestInfo) -> _Answer:
        node = meta.node_of(user)
        if node is None:
            return _no()
        if not node:
            return _no(f'unknown node for user "{user.name}"')
        rows = self._table.get(info.gvr.group_resource) if info.is_resource else None
        if rows is not None:
            return self._decide(node, info, rows)
        return _ALLOW if any(rule.covers_request(info) for rule in _rules()) else _no()

    def _decide(self, node: str, info: RequestInfo, rows: list[Row]) -> _Answer:
        asked = {word: value for word in _ASKED if (value := getattr(info, word))}
        if info.name == node:
            asked["own"] = node
        found = next(one for one in rows if one.condition is None or one.condition(asked))
        if found.word == "related":
            return self._related(node, info)
        text = found.text.format(node=node, verb=info.verb, name=info.name)
        return _ALLOW if found.word == "allow" else _no(text)

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

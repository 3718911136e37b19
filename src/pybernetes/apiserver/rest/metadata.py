# SPDX-License-Identifier: Apache-2.0
"""What holds for the metadata of every object: system fields, names, generation."""

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.types import Object
from pybernetes.apis.resource import Resource
from pybernetes.base.env import Env

MAX_GENERATED = 63 - 5  # a generateName is cut so that prefix and suffix fit a DNS label
_GROUPS_WITHOUT = frozenset(  # groups whose kinds have no metadata.generation, but for _WITH
    [
        "",
        "authentication.k8s.io",
        "authorization.k8s.io",
        "certificates.k8s.io",
        "coordination.k8s.io",
        "events.k8s.io",
        "rbac.authorization.k8s.io",
        "storage.k8s.io",
        "storagemigration.k8s.io",
        "node.k8s.io",
        "internal.apiserver.k8s.io",
        "apiregistration.k8s.io",
    ]
)
_WITH = ("Pod", "PodTemplate", "ReplicationController")
_WITHOUT = (
    "ControllerRevision",
    "IPAddress",
    "ServiceCIDR",
    "ResourceClaim",
    "ResourceClaimTemplate",
)


def counts_generation(row: Resource) -> bool:
    """Does this kind have metadata.generation (upstream: where its strategy sets it)?"""
    group = row.gvr.group
    if group in _GROUPS_WITHOUT:
        return group == "" and row.kind in _WITH
    return row.kind not in _WITHOUT or group not in _HAVE_SOME_WITHOUT


_HAVE_SOME_WITHOUT = ("apps", "networking.k8s.io", "resource.k8s.io")


def fill_system_fields(env: Env, metadata: Object) -> None:
    """uid and creationTimestamp; what only the server may set is dropped."""
    for name in ("deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"):
        metadata.pop(name, None)
    metadata["uid"] = env.random.uuid()
    metadata["creationTimestamp"] = timestamps.rfc3339(env.clock.now())


def generate_name(env: Env, metadata: Object) -> None:
    """A name from generateName where there is none."""
    prefix = metadata.get("generateName")
    if prefix and not metadata.get("name"):
        metadata["name"] = prefix[:MAX_GENERATED] + env.random.suffix()


def match_namespace(metadata: Object, namespace: str, *, namespaced: bool) -> None:
    """The object's namespace is the request's. Raises 400."""
    given = metadata.get("namespace") or ""
    if not namespaced:
        if given:
            raise bad_request("namespace may not be set on a cluster-scoped object")
        metadata.pop("namespace", None)
        return
    if given and given != namespace:
        raise bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    metadata["namespace"] = namespace

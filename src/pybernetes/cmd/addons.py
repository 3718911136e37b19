# SPDX-License-Identifier: Apache-2.0
"""Objects that the components beside the control plane need: the DNS's account and its permissions."""

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.meta import service_account_user
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.client.types import Client

_ACCOUNT = "coredns"
_NAMESPACE = "kube-system"
_RBAC = "rbac.authorization.k8s.io"
_GVRS = {
    "ServiceAccount": GVR("", "v1", "serviceaccounts"),
    "ClusterRole": GVR(_RBAC, "v1", "clusterroles"),
    "ClusterRoleBinding": GVR(_RBAC, "v1", "clusterrolebindings"),
    "Role": GVR(_RBAC, "v1", "roles"),
    "RoleBinding": GVR(_RBAC, "v1", "rolebindings"),
}


def dns_user() -> User:
    """Who the DNS is to the API server."""
    user = service_account_user(_NAMESPACE, _ACCOUNT)
    return User(user.name, (*user.groups, "system:authenticated"))


def objects() -> list[Object]:
    """The account, what it may read everywhere, and what it may publish in kube-system."""
    read = [
        _rule("", ["services", "pods", "namespaces"], ["list", "watch"]),
        _rule("discovery.k8s.io", ["endpointslices"], ["list", "watch"]),
    ]
    publish = [
        _rule("", ["services"], ["create"]),
        _rule("discovery.k8s.io", ["endpointslices"], ["create", "patch"]),
    ]
    return [
        _object("ServiceAccount", "v1", _ACCOUNT, namespace=_NAMESPACE),
        _object("ClusterRole", f"{_RBAC}/v1", "system:coredns", rules=read),
        _object("Role", f"{_RBAC}/v1", "system:coredns", namespace=_NAMESPACE, rules=publish),
        *(
            _object(
                f"{kind}Binding",
                f"{_RBAC}/v1",
                "system:coredns",
                namespace=_NAMESPACE if kind == "Role" else "",
                roleRef={"apiGroup": _RBAC, "kind": kind, "name": "system:coredns"},
                subjects=[{"kind": "ServiceAccount", "name": _ACCOUNT, "namespace": _NAMESPACE}],
            )
            for kind in ("ClusterRole", "Role")
        ),
    ]


async def ensure(client: Client) -> None:
    """Create what is missing; what is there stays as its user left it."""
    for obj in objects():
        namespace = obj["metadata"].get("namespace", "")
        try:
            await client.create(_GVRS[obj["kind"]], obj, namespace)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise


def _rule(group: str, resources: list[str], verbs: list[str]) -> Object:
    return {"apiGroups": [group], "resources": resources, "verbs": verbs}


def _object(
    kind: str, api_version: str, name: str, *, namespace: str = "", **rest: object
) -> Object:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    return {"apiVersion": api_version, "kind": kind, "metadata": metadata, **rest}

# SPDX-License-Identifier: Apache-2.0
"""What a cluster has beside the control plane's own objects (addons.json): the DNS's account and
its permissions, and what kubeadm grants nodes that join with a bootstrap token. In a lab also
(lab.json) that nodes, which run proxy and DNS as themselves, may what these may.
"""

import json
from importlib import resources

from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.meta import service_account_user
from pybernetes.apimachinery.types import GVR, User
from pybernetes.client.types import Client

_NAMESPACE = "kube-system"


def dns_user() -> User:
    """Who the DNS is to the API server."""
    user = service_account_user(_NAMESPACE, "coredns")
    return User(user.name, (*user.groups, "system:authenticated"))


async def ensure(client: Client, file: str = "addons.json") -> None:
    """Create what is missing; what is there stays as its user left it."""
    for obj in json.loads(resources.files("pybernetes.cmd").joinpath(file).read_text()):
        group, _, version = obj["apiVersion"].rpartition("/")
        gvr = GVR(group, version, f"{obj['kind'].lower()}s")
        with forgiving("AlreadyExists"):
            await client.create(gvr, obj, obj["metadata"].get("namespace", ""))

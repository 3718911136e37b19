# SPDX-License-Identifier: Apache-2.0
"""Who the components are to the API server: upstream's names."""

from collections.abc import Callable

from pybernetes.apimachinery.types import User
from pybernetes.client.types import Client

ADMIN = User("kubernetes-admin", ("system:masters", "system:authenticated"))
SCHEDULER = User("system:kube-scheduler", ("system:authenticated",))
PROXY = User("system:kube-proxy", ("system:authenticated",))
API_SERVER = User("kube-apiserver-kubelet-client", ("system:masters", "system:authenticated"))

ClientFor = Callable[[User], Client]
"""Makes a client that is the given user."""


def node_user(name: str) -> User:
    """The kubelet of node `name`."""
    return User(f"system:node:{name}", ("system:nodes", "system:authenticated"))

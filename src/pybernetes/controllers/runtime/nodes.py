# SPDX-License-Identifier: Apache-2.0
"""Nodes as controllers see them, and the pods on them."""

from pybernetes.apimachinery.types import Object
from pybernetes.client.informer import Informer

BY_NODE = "spec.nodeName"


def index_by_node(pods: Informer) -> None:
    pods.add_index(BY_NODE, lambda pod: [pod["spec"].get("nodeName") or ""])


def taints(node: Object | None) -> list[Object]:
    return ((node or {}).get("spec") or {}).get("taints") or []


def reference(name: str, uid: str) -> Object:
    """What events about a node refer to: upstream uses the node's name where UIDs are expected to
    match `kubectl describe node`."""
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "uid": uid}}

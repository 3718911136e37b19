# SPDX-License-Identifier: Apache-2.0
"""Who owns whom: a graph of all objects by UID, built from their metadata. Pure bookkeeping.

- An owner that was named but never seen is a virtual node until somebody looks it up.
- A node goes when its object is deleted; its dependents are then told (they may be garbage).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object

FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"


@dataclass(slots=True)
class Node:
    """One object. `gvr` None: virtual. `dependents` and `owners` are by UID, in order of arrival."""

    uid: str
    kind: tuple[str, str]  # apiVersion, kind
    namespace: str
    name: str
    gvr: GVR | None = None
    owners: dict[str, Object] = field(default_factory=dict)
    dependents: dict[str, "Node"] = field(default_factory=dict)
    deleting: bool = False
    finalizers: tuple[str, ...] = ()

    @property
    def virtual(self) -> bool:
        return self.gvr is None

    @property
    def deleting_dependents(self) -> bool:
        return self.deleting and FOREGROUND in self.finalizers

    @property
    def orphaning(self) -> bool:
        return self.deleting and ORPHAN in self.finalizers

    def blocks(self, owner: "Node") -> bool:
        """True if the deletion of `owner` waits for this node."""
        return bool(self.owners.get(owner.uid, {}).get("blockOwnerDeletion"))


class Graph:
    """`look` is told the UID of every node that may have something to do."""

    def __init__(self, look: Callable[[str], None]) -> None:
        self._look = look
        self._nodes: dict[str, Node] = {}

    def find(self, uid: str) -> Node | None:
        return self._nodes.get(uid)

    def put(self, gvr: GVR, obj: Object) -> None:
        """An object was added or changed."""
        uid, kind = meta.uid(obj), (obj.get("apiVersion", ""), obj.get("kind", ""))
        seen = Node(uid, kind, meta.namespace(obj), meta.name(obj), gvr)
        node = self._nodes.setdefault(uid, seen)
        if node.virtual and _place(node) != _place(seen):
            for dependent in node.dependents:  # it is not what they said it was
                self._look(dependent)
        node.gvr, node.kind, node.namespace, node.name = gvr, kind, seen.namespace, seen.name
        was = node.deleting_dependents
        node.deleting = meta.is_deleting(obj)
        node.finalizers = tuple(meta.finalizers(obj))
        self._set_owners(node, {ref["uid"]: ref for ref in meta.owner_references(obj)})
        if node.deleting_dependents or node.orphaning:
            self._look(uid)
            if not was:
                for dependent in node.dependents:
                    self._look(dependent)

    def remove(self, uid: str) -> None:
        """The object is gone, or, for a virtual node, was never there."""
        node = self._nodes.pop(uid, None)
        if node is None:
            return
        for owner_uid in node.owners:
            owner = self._nodes.get(owner_uid)
            if owner is not None:
                self._drop(owner, uid)
                if owner.deleting_dependents:
                    self._look(owner_uid)
        for dependent in node.dependents:
            self._look(dependent)
        if node.dependents:  # until they are dealt with, their owner is known to be absent
            self._nodes[uid] = Node(uid, node.kind, node.namespace, node.name)
            self._nodes[uid].dependents = node.dependents

    def _set_owners(self, node: Node, owners: dict[str, Object]) -> None:
        old, node.owners = node.owners, owners
        for uid in old:
            owner = self._nodes.get(uid)
            if uid not in owners and owner is not None:
                self._drop(owner, node.uid)
        for uid, reference in owners.items():
            owner = self._nodes.get(uid)
            if owner is None:
                kind = (reference.get("apiVersion", ""), reference.get("kind", ""))
                owner = Node(uid, kind, node.namespace, reference.get("name", ""))
                self._nodes[uid] = owner
            owner.dependents[node.uid] = node
            if owner.virtual or misnames(reference, owner, node) or owner.deleting_dependents:
                self._look(node.uid)
        for uid, reference in old.items():
            changed = owners.get(uid) != reference
            owner = self._nodes.get(uid)
            if changed and owner is not None and owner.deleting_dependents:
                self._look(uid)

    def _drop(self, owner: Node, dependent: str) -> None:
        """A dependent is no more; a virtual node goes with its last one."""
        owner.dependents.pop(dependent, None)
        if owner.virtual and not owner.dependents:
            self._nodes.pop(owner.uid, None)


def _place(node: Node) -> tuple[str, str, str]:
    return node.kind[1], node.namespace, node.name


def misnames(reference: Object, owner: Node, node: Node) -> bool:
    """True if the reference names another object than the one with its UID."""
    if (reference.get("kind"), reference.get("name")) != (owner.kind[1], owner.name):
        return True
    return bool(owner.namespace) and owner.namespace != node.namespace

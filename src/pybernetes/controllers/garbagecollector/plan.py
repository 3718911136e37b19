# SPDX-License-Identifier: Apache-2.0
"""Decides about one object from what is known of its owners. Pure.

An owner is *absent* (gone, or never there as referred to), *waiting* (being deleted in the
foreground, and blocked by this object) or *solid*.
"""

from collections.abc import Mapping
from typing import Literal, NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.controllers.garbagecollector.graph import FOREGROUND, ORPHAN, Node

OwnerState = Literal["solid", "absent", "waiting"]
Policy = Literal["Background", "Foreground", "Orphan"]


class Decision(NamedTuple):
    """`delete`: with this policy. `drop`: owner UIDs to take out of the references.
    `unblock`: first stop blocking all owners (a circle would wait for ever)."""

    delete: Policy | None = None
    drop: tuple[str, ...] = ()
    unblock: bool = False


def decide(node: Node, latest: Object, owners: Mapping[str, OwnerState]) -> Decision:
    """What to do with the object `latest`, whose owners are in these states."""
    if not owners:
        return Decision()
    states = list(owners.values())
    if "solid" in states:
        return Decision(drop=tuple(uid for uid, state in owners.items() if state != "solid"))
    if "waiting" in states and node.dependents:
        circle = any(one.deleting_dependents for one in node.dependents.values())
        return Decision(delete="Foreground", unblock=circle)
    return Decision(delete=_policy(latest))


def _policy(latest: Object) -> Policy:
    """A finalizer that is there already says what its owner wants."""
    finalizers = meta.finalizers(latest)
    if ORPHAN in finalizers:
        return "Orphan"
    return "Foreground" if FOREGROUND in finalizers else "Background"


def without_owners(latest: Object, uids: tuple[str, ...]) -> list[Object]:
    return [ref for ref in meta.owner_references(latest) if ref.get("uid") not in uids]


def unblocked(latest: Object) -> list[Object]:
    return [
        {**ref, "blockOwnerDeletion": False} if ref.get("blockOwnerDeletion") else ref
        for ref in meta.owner_references(latest)
    ]

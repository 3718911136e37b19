# SPDX-License-Identifier: Apache-2.0
"""Owners: which objects a controller's object owns, which it adopts and which it lets go."""

from collections.abc import Callable, Iterable

from pybernetes.apimachinery import meta, selectors
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.selectors import Selector
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.informer import BY_NAMESPACE, Informer
from pybernetes.client.types import Client

BY_CONTROLLER = "controller-uid"  # "" plus namespace: those without a controller


def index_by_controller(informer: Informer) -> None:
    informer.add_index(BY_CONTROLLER, _controller_keys)


def _controller_keys(obj: Object) -> list[str]:
    reference = meta.controller_of(obj)
    return [reference["uid"] if reference else f"/{meta.namespace(obj)}"]


def enqueue_owner(
    informer: Informer, kind: str, owners: Informer, add: Callable[[str], None]
) -> None:
    """Queue the controller (of `kind`) of every object that changes; for an orphan that is new or
    has other labels, every owner of its namespace whose selector matches."""

    def changed(old: Object | None, new: Object | None) -> None:
        was, now = (meta.controller_of(one) if one else None for one in (old, new))
        moved = not old or not new or (was or {}).get("uid") != (now or {}).get("uid")
        for obj, reference in ((old, was if moved else None), (new, now)):
            if obj and reference and reference["kind"] == kind:
                add(meta.make_key(meta.namespace(obj), reference["name"]))
        if new and not now and (moved or meta.labels(old or {}) != meta.labels(new)):
            for owner in owners.by_index(BY_NAMESPACE, meta.namespace(new)):
                if selector_of(owner).matches(meta.labels(new)):
                    add(meta.key(owner))

    informer.on_change(changed)


def selector_of(owner: Object) -> Selector:
    """What `owner` selects (nothing where it has no selector); a ReplicationController's selector is a plain map."""
    selector = owner["spec"].get("selector")
    if owner.get("kind") == "ReplicationController":
        return selectors.from_set(selector)
    return selectors.from_label_selector(selector)


def plan_claim(
    owner: Object, selector: Selector, candidates: Iterable[Object]
) -> tuple[list[Object], list[Object], list[Object]]:
    """Which candidates to keep, to adopt, to let go (upstream's ControllerRefManager). Pure."""
    mine, adopt, release = list[Object](), list[Object](), list[Object]()
    deleting = meta.is_deleting(owner)
    for obj in candidates:
        reference = meta.controller_of(obj)
        matches = selector.matches(meta.labels(obj))
        if reference is not None:
            if reference.get("uid") != meta.uid(owner):
                continue
            if matches:
                mine.append(obj)
            elif not deleting:
                release.append(obj)
        elif matches and not deleting and not meta.is_deleting(obj):
            adopt.append(obj)
    return mine, adopt, release


async def claimed(
    client: Client,
    gvrs: tuple[GVR, GVR],
    owner: Object,
    informer: Informer,
    *,
    wanted: Callable[[Object], bool] = lambda _: True,
) -> list[Object]:
    """The owner's objects, after adopting and letting go; only of those that are `wanted` at all.

    `gvrs`: of the owner, of the objects. Raises ApiError.
    """
    listed = informer.by_index(BY_CONTROLLER, meta.uid(owner))
    listed = listed + informer.by_index(BY_CONTROLLER, f"/{meta.namespace(owner)}")  # nobody's
    mine, adopt, release = plan_claim(owner, selector_of(owner), filter(wanted, listed))
    if adopt:
        await _check_owner(client, gvrs[0], owner)
    for obj in adopt:
        adopted = await _own(client, gvrs[1], obj, meta.controller_reference(owner))
        if adopted is not None:
            mine.append(adopted)
    for obj in release:
        await _own(client, gvrs[1], obj, {"$patch": "delete", "uid": meta.uid(owner)})
    return mine


async def _check_owner(client: Client, gvr: GVR, owner: Object) -> None:
    """Adopt only for an owner that is still there (the cache may be old)."""
    fresh = await client.get(gvr, meta.name(owner), meta.namespace(owner))
    if meta.uid(fresh) != meta.uid(owner) or meta.is_deleting(fresh):
        raise ApiError(
            409, "Conflict", f"{owner['kind']} {meta.key(owner)} is gone or being deleted"
        )


async def _own(client: Client, gvr: GVR, obj: Object, reference: Object) -> Object | None:
    """The patched object; None if it is gone or was replaced by another of its name."""
    with forgiving(404, 422):
        return await client.patch_object(gvr, obj, {"metadata": {"ownerReferences": [reference]}})
    return None

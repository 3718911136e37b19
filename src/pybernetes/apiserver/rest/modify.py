# SPDX-License-Identifier: Apache-2.0
"""Read, change, check, write: the loop behind update, patch and every subresource that writes.

The change is a function from the present object to the wanted one, so it can be applied again
when another writer was faster. A writer that named a resourceVersion is told 409 instead.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pybernetes.apimachinery import field
from pybernetes.apimachinery.errors import conflict, invalid
from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.meta import validate_meta_update
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest.commit import retried, write
from pybernetes.apiserver.rest.get import find

Change = Callable[[Object], Object]
"""From the present object (served version, a private copy) to the wanted one."""


@dataclass(frozen=True, slots=True)
class Part:
    """The rules of a subresource that takes the whole object and lets a part of it change.

    prepare(new, old), in place on `new`: what may not change comes from `old`.
    """

    prepare: Callable[[Object, Object], None]
    check: Callable[[Object, Object], Errors]


@dataclass(frozen=True, slots=True)
class Modification:
    """`part` is "" for the object, or the subresource whose rules apply ("status").

    `rules` are a subresource's own, instead of the kind's.
    `named`: the client named the resourceVersion it changes, so a conflict is its own to solve.
    """

    change: Change
    part: str = ""
    named: bool = False
    rules: Part | None = None


async def modify(ctx: Context, what: Modification) -> Entry:
    """Apply `what` to the object of the request; the entry that is now stored. Raises 404, 409.

    The caller has waited for the caches.
    """
    tries = 1 if what.named else 64
    return await retried(ctx.info.gvr, ctx.info.name, lambda: _attempt(ctx, what, find(ctx)), tries)


async def _attempt(ctx: Context, what: Modification, entry: Entry) -> Entry:
    serving = ctx.serving
    row = serving.row
    old = serving.decode(entry)
    new = what.change(serving.serve(serving.decode(entry)))
    _check_version(ctx, new, entry)
    new = serving.store(new)
    row.rules.default(new)
    _keep_system_fields(new["metadata"], old["metadata"])
    request = ctx.admission("UPDATE", new, old)
    await ctx.core.admission.admit(request)
    new = prepare(ctx, request.obj, old, what)
    ctx.core.check_write(ctx.user, ctx.info, new, old)
    errors = validate_meta_update(new["metadata"], old["metadata"])
    errors += _check(ctx, what)(new, old)
    if errors:
        raise invalid(row.kind, row.gvr.group, ctx.info.name, errors)
    await ctx.core.admission.validate(request)
    gone = ends_deletion(new["metadata"]) and not row.rules.held(new)
    return await write(ctx, new, (entry, old), gone=gone, hooked=gone or not what.part)


def _check_version(ctx: Context, new: Object, entry: Entry) -> None:
    """The optimistic lock, and the UID. Raises 409, 422."""
    meta, info = new["metadata"], ctx.info
    version = meta.get("resourceVersion") or ""
    if version in ("", "0"):
        if not ctx.serving.row.rules.unconditional_update:
            path = "metadata.resourceVersion"
            finding = field.invalid(path, 0, "must be specified for an update")
            raise invalid(ctx.serving.row.kind, info.group, info.name, [finding])
    elif version != str(entry.revision):
        raise conflict(info.resource, info.group, info.name)
    uid = meta.get("uid")
    if uid:
        current = entry.decode()["metadata"].get("uid", "")
        if uid != current:
            detail = (
                f"Precondition failed: UID in precondition: {uid}, UID in object meta: {current}"
            )
            raise conflict(info.resource, info.group, info.name, detail)


def _keep_system_fields(new: Object, old: Object) -> None:
    """What the server set stays, whatever the client sends (upstream's BeforeUpdate)."""
    for name in ("uid", "creationTimestamp"):
        if old.get(name) and not new.get(name):
            new[name] = old[name]
    for name in ("generation", "deletionTimestamp", "deletionGracePeriodSeconds", "generateName"):
        if name in old:
            new[name] = old[name]
        else:
            new.pop(name, None)
    new["resourceVersion"] = old["resourceVersion"]
    new.pop("selfLink", None)


def _check(ctx: Context, what: Modification) -> Callable[[Object, Object], Errors]:
    rules = ctx.serving.row.rules
    if what.rules is not None:
        return what.rules.check
    return rules.validate_status_update if what.part == "status" else rules.validate_update


def prepare(ctx: Context, new: Object, old: Object, what: Modification) -> Object:
    """The generic part of PrepareForUpdate, then the kind's or the subresource's."""
    row = ctx.serving.row
    if what.part == "status":
        status = new.get("status")
        new = {**codec.loads(codec.dumps(old)), "metadata": new["metadata"]}
        new.pop("status", None)
        if status is not None:
            new["status"] = status
        row.rules.prepare_status_update(new, old)
        return new
    if what.rules is not None:
        what.rules.prepare(new, old)
    else:
        if "status" in row.subresources:
            new.pop("status", None)
            if "status" in old:
                new["status"] = codec.loads(codec.dumps(old["status"]))
        row.rules.prepare_update(new, old)
    names = row.rules.grows
    if row.rules.generation and _content(new, names) != _content(old, names):
        new["metadata"]["generation"] = old["metadata"].get("generation", 0) + 1
    return new


def _content(obj: Object, names: Sequence[str]) -> tuple[Object, list[Object]]:
    """What is a new generation if it differs; `names` are fields of metadata."""
    apart = ("metadata", "status", "apiVersion", "kind")
    metadata = [obj["metadata"].get(name) or {} for name in names]
    return {k: v for k, v in obj.items() if k not in apart}, metadata


def ends_deletion(meta: Object) -> bool:
    """Has the last finalizer of an object that is being deleted gone, and its grace with it?"""
    return (
        bool(meta.get("deletionTimestamp"))
        and not meta.get("finalizers")
        and not meta.get("deletionGracePeriodSeconds")
    )

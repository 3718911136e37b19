# SPDX-License-Identifier: Apache-2.0
"""DELETE and DELETECOLLECTION: preconditions, grace, finalizers; the object goes at once where nothing holds it."""

import datetime
from dataclasses import dataclass, replace

from pybernetes.apimachinery import field, timestamps
from pybernetes.apimachinery.errors import conflict, forgiving, invalid, not_found
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.kind import Kind
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import versions
from pybernetes.apiserver.rest.body import check_type, decode_body
from pybernetes.apiserver.rest.commit import retried, write
from pybernetes.apiserver.rest.get import find
from pybernetes.apiserver.rest.list import select
from pybernetes.apiserver.rest.options import findings, integer, set_dry_run
from pybernetes.apiserver.rest.reply import encoded, entry_reply, format_of, object_reply, success
from pybernetes.apiserver.rest.selecting import selection_of
from pybernetes.wire.types import Response

ORPHAN, FOREGROUND = "orphan", "foregroundDeletion"
_POLICIES = ("Background", "Foreground", "Orphan")


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """`grace` None: the kind's own. `policy` "": the kind's default."""

    grace: int | None = None
    policy: str = ""
    uid: str = ""
    version: str = ""


def delete_options(ctx: Context) -> DeleteOptions:
    """From the body, else from the query. Raises 400, 422."""
    if not ctx.request.body.strip():
        return options_of(ctx, _query_options(ctx))
    expected = GVK("", "v1", "DeleteOptions")
    body = decode_body(ctx, expected)
    if body.get("apiVersion"):
        body["apiVersion"] = "v1"  # any group version may carry DeleteOptions
    return options_of(ctx, check_type(body, expected))


def options_of(ctx: Context, body: Object) -> DeleteOptions:
    """The options that a DeleteOptions object says. Raises 422."""
    preconditions = body.get("preconditions") or {}
    policy = body.get("propagationPolicy") or ""
    orphan = body.get("orphanDependents")
    errors = findings("delete", {**body, "propagationPolicy": policy or None})
    if policy and policy not in _POLICIES:
        errors.append(field.not_supported("propagationPolicy", policy, [*_POLICIES, "nil"]))
    if errors:
        raise invalid("DeleteOptions", "", "", errors)
    set_dry_run(ctx, body.get("dryRun") or (), "DeleteOptions")
    if orphan is not None:
        policy = "Orphan" if orphan else "Background"
    return DeleteOptions(
        grace=body.get("gracePeriodSeconds"),
        policy=policy,
        uid=preconditions.get("uid") or "",
        version=preconditions.get("resourceVersion") or "",
    )


def _query_options(ctx: Context) -> Object:
    options: Object = {"dryRun": list(ctx.params.get("dryRun", ()))}
    if ctx.param("gracePeriodSeconds"):
        options["gracePeriodSeconds"] = integer(ctx.param("gracePeriodSeconds"))
    if ctx.param("propagationPolicy"):
        options["propagationPolicy"] = ctx.param("propagationPolicy")
    if ctx.param("orphanDependents"):
        options["orphanDependents"] = ctx.flag("orphanDependents")
    return options


async def delete(ctx: Context) -> Response:
    """DELETE of one object: the object where it still exists, else a Status."""
    options = delete_options(ctx)
    entry, gone = await delete_object(ctx, options)
    if not gone:
        return entry_reply(ctx, entry)
    row = ctx.serving.row
    if row.rules.answers_deleted:
        return entry_reply(ctx, entry)
    uid = entry.decode()["metadata"].get("uid", "")
    details = {"name": entry.name, "group": row.gvr.group, "kind": row.gvr.resource, "uid": uid}
    return object_reply(ctx, success({k: v for k, v in details.items() if v}))


async def delete_object(ctx: Context, options: DeleteOptions) -> tuple[Entry, bool]:
    """Delete the object that the request names: its last entry, and whether it is gone."""
    await ctx.core.feed.wait_fresh()
    return await delete_named(ctx, options, find(ctx))


async def delete_named(ctx: Context, options: DeleteOptions, entry: Entry) -> tuple[Entry, bool]:
    """Delete the object that `entry` is, or was."""
    return await retried(ctx.info.gvr, entry.name, lambda: _attempt(ctx, entry.key, options))


async def delete_collection(ctx: Context) -> Response:
    """DELETE of what a list would show, one after the other; the answer lists it, as it was."""
    options = delete_options(ctx)
    listing = versions.list_options(ctx)
    await ctx.core.feed.wait_fresh()
    entries = select(ctx, selection_of(ctx), listing.start)
    if listing.limit:
        entries = entries[: listing.limit]
    for entry in entries:
        with forgiving(404):
            await delete_named(ctx, replace(options, uid="", version=""), entry)
    meta = {"resourceVersion": str(ctx.core.feed.revision)}
    return encoded(ctx, format_of(ctx).many(ctx.serving, entries, meta))


def _check_preconditions(ctx: Context, entry: Entry, options: DeleteOptions) -> None:
    info = ctx.info
    uid = entry.decode()["metadata"].get("uid", "") if options.uid else ""
    for what, asked, known, why in (
        ("UID", options.uid, uid, "deleted and then recreated"),
        ("ResourceVersion", options.version, str(entry.revision), "modified"),
    ):
        if asked and asked != known:
            detail = (
                f"the {what} in the precondition ({asked}) does not match the {what} in record "
                f"({known}). The object might have been {why}"
            )
            raise conflict(info.resource, info.group, info.name, detail)


async def _attempt(ctx: Context, key: str, options: DeleteOptions) -> tuple[Entry, bool]:
    serving = ctx.serving
    entry = serving.cache.entries.get(key)
    if entry is None:
        raise not_found(ctx.info.resource, ctx.info.group, key.rpartition("/")[2])
    _check_preconditions(ctx, entry, options)
    old = serving.decode(entry)
    request = ctx.admission("DELETE", None, old)
    await ctx.core.admission.both(request)
    new = serving.decode(entry)
    rules = serving.row.rules
    begun = bool(new["metadata"].get("deletionTimestamp"))
    gone = plan(rules, new, options, ctx.core.env.clock.now())
    if not begun and not gone:
        rules.begin_deletion(new)
    return await write(ctx, new, (entry, old), gone=gone, hooked=gone), gone


def plan(rules: Kind, obj: Object, options: DeleteOptions, now: datetime.datetime) -> bool:
    """Change `obj` as its deletion asks for; does it go now?"""
    meta = obj["metadata"]
    held = rules.held(obj)
    wanted = 1 if (options.grace or 0) < 0 else options.grace
    grace = rules.graceful(obj, wanted) if rules.graceful else 0
    _finalizers(meta, options.policy or _default_policy(obj, meta))
    pending = bool(meta.get("deletionTimestamp"))
    left = meta.get("deletionGracePeriodSeconds")
    if not pending:
        if grace == 0 and not meta.get("finalizers") and not held:
            return True
        _set_deletion(meta, now, grace)
        if meta.get("generation"):
            meta["generation"] += 1
    elif left and grace < left:  # a shorter grace; the original start stays
        start = timestamps.parse(meta["deletionTimestamp"]) - datetime.timedelta(seconds=left)
        _set_deletion(meta, start, grace)
    gone = not held and not meta.get("finalizers") and not meta.get("deletionGracePeriodSeconds")
    return gone and not (pending and left and grace)


def _set_deletion(meta: Object, start: datetime.datetime, grace: int) -> None:
    meta["deletionGracePeriodSeconds"] = grace
    meta["deletionTimestamp"] = timestamps.rfc3339(start + datetime.timedelta(seconds=grace))


def _default_policy(obj: Object, meta: Object) -> str:
    """Kinds that orphaned their dependents before there was a garbage collector still do."""
    decided = meta.get("deletionTimestamp") or {ORPHAN, FOREGROUND} & {
        *(meta.get("finalizers") or ())
    }
    return "Orphan" if obj["kind"] in ("ReplicationController", "Job") and not decided else ""


def _finalizers(meta: Object, policy: str) -> None:
    """The finalizers that the propagation policy asks for (the garbage collector removes them)."""
    current = meta.pop("finalizers", None) or []
    kept = [f for f in current if f not in (ORPHAN, FOREGROUND)] if policy else current
    asked = {"Orphan": [ORPHAN], "Foreground": [FOREGROUND]}.get(policy, [])
    if kept or asked:
        meta["finalizers"] = kept + asked

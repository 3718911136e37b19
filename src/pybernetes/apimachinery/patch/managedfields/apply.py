# SPDX-License-Identifier: Apache-2.0
"""Server-side apply: merge what a manager wants, find conflicts, drop what nobody owns any more."""

import json
from dataclasses import replace
from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.clone import clone
from pybernetes.apimachinery.patch.managedfields import fieldset
from pybernetes.apimachinery.patch.managedfields.compare import STRIPPED, compare, field_set
from pybernetes.apimachinery.patch.managedfields.entries import (
    Entry,
    Identity,
    Managers,
    Writer,
    changes_for,
    decode,
    identity,
    keep_times,
    track,
    with_entries,
)
from pybernetes.apimachinery.patch.managedfields.fieldset import (
    FieldSet,
    difference,
    intersection,
    union,
)
from pybernetes.apimachinery.patch.managedfields.merge import merge, named_fields, remove
from pybernetes.apimachinery.patch.managedfields.typecheck import check_applied
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
Conflicts = dict[Identity, FieldSet]


def apply(live: Object | None, applied: Object, writer: Writer, *, force: bool = False) -> Object:
    """The object after `writer.manager` applied `applied`; shares nothing with the inputs.

    `live` is None if there is none yet. Raises ApiError: 409 with one FieldManagerConflict cause
    for each field owned by another, 400 and 500 for what cannot be applied.
    """
    _check_request(applied, writer)
    managers = _managers(live, writer)
    if _kubectl(live, writer):
        force = force or _only_own_conflicts(live or {}, applied, writer, managers)
    result = _applied(live or {}, applied, writer, managers, force=force)
    result = dict(clone(keep_times(live, result)))
    if _kubectl(result, writer):
        _set_last_applied(result, applied)
    return result


def _check_request(applied: Object, writer: Writer) -> None:
    version = applied.get("apiVersion") or ""
    if version != writer.api_version:
        raise errors.bad_request(
            "Incorrect version specified in apply patch. "
            f"Specified patch version: {version}, expected: {writer.api_version}"
        )
    if (applied.get("metadata") or {}).get("managedFields") is not None:
        raise errors.bad_request("metadata.managedFields must be nil")
    check_applied(applied, writer.schema)


def _managers(live: Object | None, writer: Writer) -> Managers:
    """The live object's managers; an untracked object belongs to "before-first-apply"."""
    if live is None:
        return {}
    try:
        managers = decode(live)
    except ValueError as error:
        message = f"failed to decode managed fields: {error}"
        raise ApiError(500, "", message) from error
    if not managers:
        before = replace(writer, manager="before-first-apply")
        track(managers, changes_for(None, live, before), identity(before, "Update"), before)
    return managers


def _applied(
    live: Object, applied: Object, writer: Writer, managers: Managers, *, force: bool
) -> Object:
    mine = identity(writer, "Apply")
    schema = writer.schema
    last = managers.get(mine)
    wanted = difference(field_set(applied, schema), STRIPPED)
    if writer.reset:
        wanted = fieldset.without(wanted, writer.reset)
    managers = {**managers, mine: Entry(wanted, writer.api_version, last.time if last else None)}
    result = merge(live, applied, schema)
    if last:
        result = _prune(result, last.fields, managers, schema)
    changes = changes_for(live, result, writer)
    others = {key: entry for key, entry in managers.items() if key != mine}
    conflicts = _conflicts(others, union(changes.modified, changes.added))
    if conflicts and not force:
        raise conflict_error(conflicts)
    gone = union(union(changes.modified, changes.added), changes.removed)
    kept = {key: entry.with_fields(difference(entry.fields, gone)) for key, entry in others.items()}
    if wanted:
        kept[mine] = _own(managers[mine], last, writer, changed=live != result)
    return with_entries(result, {key: entry for key, entry in kept.items() if entry.fields})


def _own(entry: Entry, last: Entry | None, writer: Writer, *, changed: bool) -> Entry:
    """The applier's entry: its time moves only when the object changed."""
    if changed:
        return replace(entry, time=writer.time)
    if last and last.fields == entry.fields and last.api_version == entry.api_version:
        return last
    return entry


def _prune(merged: Object, last: FieldSet, managers: Managers, schema: Schema) -> Object:
    """`merged` without what this manager applied the last time and now nobody owns."""
    owned: FieldSet = {}
    for entry in managers.values():
        owned = union(owned, entry.fields)
    if not difference(last, owned):
        return merged
    mentioned = _named(merged, schema)
    last = named_fields(last, schema)
    bare = _remove(merged, last, schema)
    kept = union(_named(bare, schema), named_fields(owned, schema))
    pruned = _remove(merged, difference(mentioned, kept), schema)
    dropped = intersection(difference(mentioned, _named(pruned, schema)), last)
    return _remove(merged, dropped, schema)


def _named(obj: Object, schema: Schema) -> FieldSet:
    return named_fields(field_set(obj, schema), schema)


def _remove(obj: Object, doomed: FieldSet, schema: Schema) -> Object:
    result = remove(obj, doomed, schema)
    return result if isinstance(result, dict) else {}


def _conflicts(others: Managers, changed: FieldSet) -> Conflicts:
    found = {key: intersection(entry.fields, changed) for key, entry in others.items()}
    return {key: fields for key, fields in found.items() if fields}


def conflict_error(conflicts: Conflicts) -> ApiError:
    """409 in upstream's words, one cause a field."""
    pairs = [(_show(key), path) for key in sorted(conflicts) for path in _paths(conflicts[key])]
    if len(pairs) == 1:
        manager, path = pairs[0]
        message = f"Apply failed with 1 conflict: conflict with {manager}: {path}"
    else:
        lines = []
        for key in sorted(conflicts):
            lines.append(f"conflicts with {_show(key)}:")
            lines += [f"- {path}" for path in _paths(conflicts[key])]
        message = f"Apply failed with {len(pairs)} conflicts: " + "\n".join(lines)
    causes = [
        {"reason": "FieldManagerConflict", "message": f"conflict with {manager}", "field": path}
        for manager, path in pairs
    ]
    return ApiError(409, "Conflict", message, {"causes": causes})


def _paths(fields: FieldSet) -> list[str]:
    return [fieldset.show(path) for path in fieldset.paths(fields)]


def _show(key: Identity) -> str:
    text = json.dumps(key.manager)
    if key.subresource:
        text += f" with subresource {json.dumps(key.subresource)}"
    return f"{text} using {key.api_version}" if key.operation == "Update" else text


def _kubectl(obj: Object | None, writer: Writer) -> bool:
    """Whether kubectl applies to an object that client-side apply left."""
    annotations = ((obj or {}).get("metadata") or {}).get("annotations") or {}
    return writer.manager == "kubectl" and bool(annotations.get(LAST_APPLIED))


def _only_own_conflicts(live: Object, applied: Object, writer: Writer, managers: Managers) -> bool:
    """True if every conflict is over a field that kubectl's client-side apply had set itself."""
    schema = writer.schema
    try:
        previous: Any = json.loads(live["metadata"]["annotations"][LAST_APPLIED])
    except ValueError:
        return False
    if not isinstance(previous, dict) or previous.get("apiVersion") != writer.api_version:
        return False
    changes = compare(previous, live, schema)
    allowed = field_set(previous, schema)
    for part in changes:
        allowed = difference(allowed, part)
    changed = compare(live, merge(live, applied, schema), schema)
    others = {key: entry for key, entry in managers.items() if key != identity(writer, "Apply")}
    conflicts = _conflicts(others, union(changed.modified, changed.added))
    return not any(difference(fields, allowed) for fields in conflicts.values())


def _set_last_applied(result: Object, applied: Object) -> None:
    """Keep kubectl's annotation true, in place on our own copy."""
    wanted = clone(applied)
    ((wanted.get("metadata") or {}).get("annotations") or {}).pop(LAST_APPLIED, None)
    text = json.dumps(wanted, separators=(",", ":"), ensure_ascii=False, sort_keys=True) + "\n"
    result["metadata"]["annotations"][LAST_APPLIED] = text

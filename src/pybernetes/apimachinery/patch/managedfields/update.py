# SPDX-License-Identifier: Apache-2.0
"""Ownership of ordinary writes (create, update, patch): whoever changes a field owns it."""

from pybernetes.apimachinery.patch.managedfields.compare import Changes, compare
from pybernetes.apimachinery.patch.managedfields.entries import (
    Entry,
    Identity,
    Managers,
    Writer,
    cap,
    encode,
    identity,
    requested_managers,
)
from pybernetes.apimachinery.patch.managedfields.fieldset import difference, union, without
from pybernetes.apimachinery.types import Object


def update(old: Object | None, new: Object, writer: Writer) -> Object:
    """`new` with metadata.managedFields as this write leaves them; `old` is None on create.

    The result shares its parts with `new` and `old`; neither is changed. An object that nobody
    tracked so far stays untracked.
    """
    managers = requested_managers(old, new, writer.subresource)
    if managers or not (old and (old.get("metadata") or {}).get("uid")):
        changes = changes_for(old, new, writer)
        if changes.touched:
            track(managers, changes, identity(writer, "Update"), writer)
            cap(managers)
    return with_entries(new, managers)


def changes_for(old: Object | None, new: Object, writer: Writer) -> Changes:
    changes = compare(old or {}, new, writer.schema)
    if not writer.reset:
        return changes
    return Changes(*(without(part, writer.reset) for part in changes))


def track(managers: Managers, changes: Changes, mine: Identity, writer: Writer) -> None:
    """Take what changed away from everybody and give what came to `mine`."""
    gone = union(union(changes.modified, changes.added), changes.removed)
    for key, entry in list(managers.items()):
        left = difference(entry.fields, gone)
        if left:
            managers[key] = entry.with_fields(left)
        else:
            del managers[key]
    gained = union(changes.modified, changes.added)
    if gained:
        before = managers.get(mine)
        fields = union(before.fields, gained) if before else gained
        managers[mine] = Entry(fields, writer.api_version, writer.time)


def with_entries(obj: Object, managers: Managers) -> Object:
    metadata = dict(obj.get("metadata") or {})
    metadata.pop("managedFields", None)
    if managers:
        metadata["managedFields"] = encode(managers)
    return {**obj, "metadata": metadata}


def keep_times(old: Object | None, new: Object) -> Object:
    """`new` with the old entries' times if nothing but times differs: a no-op stays a no-op."""
    if old is None:
        return new
    before = (old.get("metadata") or {}).get("managedFields")
    after = (new.get("metadata") or {}).get("managedFields")
    if not before or not after or before is after or _timeless(before) != _timeless(after):
        return new
    restored = {**new, "metadata": {**new["metadata"], "managedFields": before}}
    return restored if restored == old else new


def _timeless(entries: list[Object]) -> list[Object]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]

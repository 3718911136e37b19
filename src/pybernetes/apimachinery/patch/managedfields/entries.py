# SPDX-License-Identifier: Apache-2.0
"""metadata.managedFields: reading the entries, writing them in upstream's order and number, and what
ordinary writes (create, update, patch) make of them: whoever changes a field owns it.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.patch.managedfields import fieldset
from pybernetes.apimachinery.patch.managedfields.compare import Changes, compare
from pybernetes.apimachinery.patch.managedfields.fieldset import (
    EMPTY,
    FieldSet,
    difference,
    union,
    without,
)
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object

MAX_UPDATE_MANAGERS = 10
ANCIENT = "ancient-changes"


@dataclass(frozen=True, slots=True)
class Writer:
    """Who writes, through which version and subresource, and when (RFC 3339 text).

    `reset` are the paths that this endpoint does not take from the request, so that nobody comes
    to own them through it: {"f:status": {}} on the main resource of a kind with a status.
    """

    manager: str
    api_version: str
    schema: Schema
    time: str
    subresource: str = ""
    reset: FieldSet | None = None


class Identity(NamedTuple):
    """What makes two entries one. `api_version` is "" for Apply, whatever its version."""

    manager: str
    operation: str
    api_version: str
    subresource: str


@dataclass(frozen=True, slots=True)
class Entry:
    """One manager's fields. `raw` is the entry as it was read, while it is unchanged."""

    fields: FieldSet
    api_version: str
    time: str | None
    raw: Object | None = None

    def with_fields(self, fields: FieldSet) -> "Entry":
        return self if fields is self.fields else replace(self, fields=fields, raw=None)


Managers = dict[Identity, Entry]


def identity(writer: Writer, operation: str) -> Identity:
    version = writer.api_version if operation == "Update" else ""
    return Identity(writer.manager or "unknown", operation, version, writer.subresource)


def decode(obj: Object | None) -> Managers:
    """The entries of an object by identity. Raises ValueError as upstream words it."""
    result: Managers = {}
    for number, entry in enumerate(meta.metadata(obj or {}).get("managedFields") or ()):
        operation, version = entry.get("operation"), entry.get("apiVersion")
        if operation not in ("Apply", "Update"):
            raise ValueError("operation must be `Apply` or `Update`")
        if not version:
            raise ValueError("apiVersion must not be empty")
        if entry.get("fieldsType") != "FieldsV1":
            raise ValueError(_bad_type(entry.get("fieldsType"), number))
        key = Identity(
            entry.get("manager") or "",
            operation,
            version if operation == "Update" else "",
            entry.get("subresource") or "",
        )
        fields = entry.get("fieldsV1") or EMPTY
        result[key] = Entry(fields, version, entry.get("time"), entry)
    return result


def _bad_type(found: Any, number: int) -> str:
    if not found:
        return f"missing fieldsType in managed fields entry {number}"
    return f'invalid fieldsType "{found}" in managed fields entry {number}'


def live_managers(obj: Object | None) -> Managers:
    """The managers of an object; none where the entries cannot be read."""
    try:
        return decode(obj)
    except ValueError:
        return {}


def requested_managers(old: Object | None, new: Object, subresource: str) -> Managers:
    """Where an update starts from: what the request carries, else what the live object says.

    An empty list, or a list of one empty entry, forgets everything; a subresource's requests
    cannot change the entries.
    """
    wanted, live = (meta.metadata(obj or {}).get("managedFields") for obj in (new, old))
    if subresource or wanted is None or wanted == live:
        return live_managers(old)
    if not wanted or wanted == [{}]:
        return {}
    try:
        for entry in wanted:
            fieldset.check(entry.get("fieldsV1") or EMPTY)
        return decode(new)
    except ValueError:
        return live_managers(old)


def encode(managers: Managers) -> list[Object]:
    """The entries in upstream's order: operation, time, manager, version, subresource."""
    pairs = sorted(managers.items(), key=_sort_key)
    return [_encode(key, entry) for key, entry in pairs]


def _sort_key(pair: tuple[Identity, Entry]) -> tuple[str, ...]:
    key, entry = pair
    return (key.operation, entry.time or "", key.manager, entry.api_version, key.subresource)


def _encode(key: Identity, entry: Entry) -> Object:
    if entry.raw is not None:
        return entry.raw
    result: Object = {
        "manager": key.manager,
        "operation": key.operation,
        "apiVersion": entry.api_version,
        "time": entry.time,
        "fieldsType": "FieldsV1",
        "fieldsV1": fieldset.ordered(entry.fields),
    }
    if entry.time is None:
        del result["time"]
    if key.subresource:
        result["subresource"] = key.subresource
    return result


def cap(managers: Managers) -> None:
    """Fold the oldest Update managers of each version into one, until few enough are left."""
    updaters = [key for key in managers if key.operation == "Update"]
    length = len(updaters)
    if length <= MAX_UPDATE_MANAGERS:
        return
    updaters.sort(key=lambda key: (managers[key].time or "", key))
    first: dict[str, Identity] = {}
    for key in updaters:
        if length <= MAX_UPDATE_MANAGERS:
            return
        entry = managers[key]
        bucket = Identity(ANCIENT, "Update", entry.api_version, "")
        if entry.api_version not in first:
            first[entry.api_version] = key
            continue
        if bucket not in managers:
            managers[bucket] = replace(managers.pop(first[entry.api_version]), raw=None)
        merged = union(entry.fields, managers[bucket].fields)
        del managers[key]
        managers[bucket] = Entry(merged, entry.api_version, entry.time)
        length -= 1


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
    return keep_times(old, with_entries(new, managers))


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
    before, after = (meta.metadata(obj).get("managedFields") for obj in (old, new))
    if not before or not after or before is after or _timeless(before) != _timeless(after):
        return new
    restored = {**new, "metadata": {**new["metadata"], "managedFields": before}}
    return restored if restored == old else new


def _timeless(entries: list[Object]) -> list[Object]:
    return [{key: value for key, value in entry.items() if key != "time"} for entry in entries]

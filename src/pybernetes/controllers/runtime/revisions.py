# SPDX-License-Identifier: Apache-2.0
"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had (upstream's history).

Names are the owner's and a hash of the template; the revision number grows whenever a template
becomes the wanted one, also an old one again.
"""

import hashlib
from collections.abc import Collection, Sequence
from typing import Any, NamedTuple

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import forgiving
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import all_at_once, delete_if_there
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CONTROLLER_REVISIONS

HASH_LABEL = "controller-revision-hash"
_SAFE = "bcdfghjklmnpqrstvwxz2456789"  # upstream's SafeEncodeString
_MAX_NAME = 253


def short_hash(value: Any, collisions: int = 0) -> str:
    """A short name for a JSON value: the same for the same value and number of collisions."""
    text = orjson.dumps([value, collisions], option=orjson.OPT_SORT_KEYS)
    number = int.from_bytes(hashlib.sha256(text).digest()[:4], "big")
    return "".join(_SAFE[ord(digit) % len(_SAFE)] for digit in str(number))


def new_revision(owner: Object, number: int, collisions: int) -> Object:
    """The revision of the owner's template as it is now. Pure."""
    template = owner["spec"]["template"]
    hashed = short_hash(template, collisions)
    labels = {**((template.get("metadata") or {}).get("labels") or {}), HASH_LABEL: hashed}
    return {
        "apiVersion": "apps/v1",
        "kind": "ControllerRevision",
        "metadata": meta.new_metadata(
            f"{meta.name(owner)[: _MAX_NAME - 1 - len(hashed)]}-{hashed}",
            meta.namespace(owner),
            labels=labels,
            annotations=meta.annotations(owner),
            owners=[meta.controller_reference(owner)],
        ),
        "data": _sorted({"spec": {"template": {**template, "$patch": "replace"}}}),
        "revision": number,
    }


def _sorted(value: Object) -> Object:
    """With keys in order at every level: upstream's clients compare the bytes."""
    found: Object = orjson.loads(orjson.dumps(value, option=orjson.OPT_SORT_KEYS))
    return found


def template_of(revision: Object) -> Object:
    """The pod template that a revision keeps."""
    template = copy_object(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def hash_of(revision: Object) -> str:
    return meta.labels(revision).get(HASH_LABEL, "")


class Revisions(NamedTuple):
    """`listed`: oldest first, `update` (the template's own) included; `collisions`: so far."""

    listed: list[Object]
    update: Object
    collisions: int


class History:
    """The revisions of the owners of one kind."""

    def __init__(self, context: Context, gvr: GVR) -> None:
        self._client = context.client
        self._gvr = gvr
        self._revisions = context.informers.get(CONTROLLER_REVISIONS)
        owners.index_by_controller(self._revisions)

    async def sync(self, owner: Object) -> Revisions:
        """Adopt, and make the template's revision if there is none. Raises ApiError."""
        gvrs = self._gvr, CONTROLLER_REVISIONS
        mine = await owners.claimed(self._client, gvrs, owner, self._revisions)
        mine.sort(key=lambda one: (one["revision"], meta.name(one)))
        collisions = (owner.get("status") or {}).get("collisionCount") or 0
        number = mine[-1]["revision"] + 1 if mine else 1
        wanted = new_revision(owner, number, collisions)
        equal = [one for one in mine if one["data"] == wanted["data"]]
        if not equal:
            made, collisions = await self._create(owner, wanted, collisions)
            return Revisions([*mine, made], made, collisions)
        update = equal[-1]
        if update is not mine[-1]:
            mine.remove(update)
            renumbered = update | {"revision": number}
            update = await self._client.update(CONTROLLER_REVISIONS, renumbered)
            mine.append(update)
        return Revisions(mine, update, collisions)

    async def _create(self, owner: Object, wanted: Object, collisions: int) -> tuple[Object, int]:
        while True:
            with forgiving("AlreadyExists"):
                return await self._client.create(CONTROLLER_REVISIONS, wanted), collisions
            name, namespace = meta.name(wanted), meta.namespace(owner)
            there = await self._client.get(CONTROLLER_REVISIONS, name, namespace)
            if there["data"] == wanted["data"] and meta.is_controlled_by(there, owner):
                return there, collisions
            collisions += 1
            wanted = new_revision(owner, wanted["revision"], collisions)

    async def truncate(self, owner: Object, found: Revisions, live: Collection[str]) -> None:
        """Delete the oldest beyond revisionHistoryLimit; revisions named in `live` stay."""
        limit = owner["spec"].get("revisionHistoryLimit")
        kept = [one for one in found.listed if meta.name(one) in live or one is found.update]
        old: Sequence[Object] = [one for one in found.listed if one not in kept]

        async def delete(revision: Object) -> None:
            await delete_if_there(self._client, CONTROLLER_REVISIONS, revision)

        await all_at_once(old[: max(0, len(old) - (10 if limit is None else limit))], delete)

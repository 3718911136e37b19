# SPDX-License-Identifier: Apache-2.0
"""ControllerRevisions: the templates that a DaemonSet or StatefulSet has had (upstream's history).

Names are the owner's and a hash of the template; the revision number grows whenever a template
becomes the wanted one, also an old one again.
"""

import functools
import hashlib
from typing import Any, NamedTuple

import orjson

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError, forgiving
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CONTROLLER_REVISIONS
from pybernetes.controllers.runtime.workload import Workload

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
    data = {"spec": {"template": {**template, "$patch": "replace"}}}
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
        # With keys in order at every level: upstream's clients compare the bytes.
        "data": orjson.loads(orjson.dumps(data, option=orjson.OPT_SORT_KEYS)),
        "revision": number,
    }


def template_of(revision: Object) -> Object:
    """The pod template that a revision keeps."""
    template = copy_object(revision["data"]["spec"]["template"])
    template.pop("$patch", None)
    return template


def hash_of(revision: Object) -> str:
    return meta.labels(revision).get(HASH_LABEL, "")


class Revisions(NamedTuple):
    """`listed`: oldest first. `current`: what status.currentRevision names, `update`: the template's
    own; both are listed. `collisions`: so far."""

    listed: list[Object]
    current: Object
    update: Object
    collisions: int


class Revised(Workload):
    """Whose objects keep the templates that they have had."""

    def __init__(self, context: Context, gvr: GVR, kind: str) -> None:
        super().__init__(context, gvr, kind)
        self._revisions = context.informers.get(CONTROLLER_REVISIONS)
        owners.index_by_controller(self._revisions)

    async def _sync(self, key: str, owner: Object) -> None:
        pods = await self._claimed(owner, functools.partial(self._may_own, owner))
        history = await self._history(owner)
        try:
            if not meta.is_deleting(owner) and self._writes.seen(key):
                await self._manage(owner, pods, history)
        except (ApiError, ConnectionError):  # no `finally`: whoever is cancelled must not wait on
            await self._report(owner, pods, history)
            raise
        await self._report(owner, pods, history)
        await self._truncate(owner, pods, history)

    def _may_own(self, _owner: Object, _pod: Object) -> bool:
        return True

    async def _manage(self, owner: Object, pods: list[Object], history: Revisions) -> None:
        """Make and delete pods. Raises ApiError."""
        raise NotImplementedError

    def _status(self, owner: Object, pods: list[Object], history: Revisions) -> Object:
        """The new status; conditions, which others write, stay."""
        raise NotImplementedError

    async def _report(self, owner: Object, pods: list[Object], history: Revisions) -> None:
        status, old = self._status(owner, pods, history), owner.get("status") or {}
        if old.get("conditions"):
            status["conditions"] = old["conditions"]
        await self._write_status(owner, status)
        self._await_available(owner, pods)

    async def _history(self, owner: Object) -> Revisions:
        """Adopt, and make the template's revision if there is none. Raises ApiError."""
        gvrs = self._gvrs[0], CONTROLLER_REVISIONS
        listed = await owners.claimed(self._client, gvrs, owner, self._revisions)
        listed.sort(key=lambda one: (one["revision"], meta.name(one)))
        status = owner.get("status") or {}
        collisions = status.get("collisionCount") or 0
        number = listed[-1]["revision"] + 1 if listed else 1
        wanted = new_revision(owner, number, collisions)
        update = next((one for one in reversed(listed) if one["data"] == wanted["data"]), None)
        if update is None:
            update, collisions = await self._make(owner, wanted, collisions)
            listed.append(update)
        elif update is not listed[-1]:
            listed.remove(update)
            update = await self._client.update(CONTROLLER_REVISIONS, update | {"revision": number})
            listed.append(update)
        named = (one for one in listed if meta.name(one) == status.get("currentRevision"))
        return Revisions(listed, next(named, update), update, collisions)

    async def _make(self, owner: Object, wanted: Object, collisions: int) -> tuple[Object, int]:
        while True:
            with forgiving("AlreadyExists"):
                return await self._client.create(CONTROLLER_REVISIONS, wanted), collisions
            name, namespace = meta.name(wanted), meta.namespace(owner)
            there = await self._client.get(CONTROLLER_REVISIONS, name, namespace)
            if there["data"] == wanted["data"] and meta.is_controlled_by(there, owner):
                return there, collisions
            collisions += 1
            wanted = new_revision(owner, wanted["revision"], collisions)

    async def _truncate(self, owner: Object, pods: list[Object], history: Revisions) -> None:
        """Delete the oldest that no pod has, beyond revisionHistoryLimit."""
        live = {meta.labels(pod).get(HASH_LABEL, "") for pod in pods}  # a hash or a name
        live |= {meta.name(history.current), meta.name(history.update)}
        old = [one for one in history.listed if not live & {meta.name(one), hash_of(one)}]
        for one in old[: max(0, len(old) - owner["spec"].get("revisionHistoryLimit", 10))]:
            await delete_if_there(self._client, CONTROLLER_REVISIONS, one)

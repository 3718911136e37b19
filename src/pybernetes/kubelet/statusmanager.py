# SPDX-License-Identifier: Apache-2.0
"""Writes pod statuses to the API: newest only, in order of change, again after failures."""

import asyncio
import copy
from collections.abc import Callable

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object
from pybernetes.base import logs
from pybernetes.base.tasks import wait_within
from pybernetes.client.types import STRATEGIC_MERGE_PATCH, Client
from pybernetes.kubelet import naming
from pybernetes.kubelet.status import RESIZE

_log = logs.get("kubelet.status")
RETRY = 10.0  # upstream's syncPeriod
_GONE, _CONFLICT = 404, 409


class StatusManager:
    """`set` never waits; `flush` returns when the newest status of a pod is written (or moot).

    - One write per pod at a time, and none when nothing changed.
    - A status that somebody else changed (the node was missed: Ready is False) is written again.
    - `find(uid)` gives the newest pod the informer has seen, or None.
    """

    def __init__(self, client: Client, find: Callable[[str], Object | None]) -> None:
        self._client = client
        self._find = find
        self._wanted: dict[str, Object] = {}  # uid -> status
        self._written: dict[str, Object] = {}
        self._versions: dict[str, int] = {}  # of the object after that write
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._idle: dict[str, asyncio.Event] = {}  # while somebody waits

    def get(self, uid: str) -> Object | None:
        """The newest status, written or not; None: the informer's is as new."""
        return self._wanted.get(uid)

    def set(self, pod: Object, status: Object) -> None:
        uid = naming.uid(pod)
        shown = _covers(pod.get("status") or {}, status)
        if shown and uid not in self._dirty and self._written.get(uid, status) == status:
            self.forget(uid)  # the API shows it: a second copy would be memory only
            return
        if not shown and _version(pod) > self._versions.get(uid, _version(pod)):
            self._written.pop(uid, None)
        elif self._wanted.get(uid) == status:
            return
        self._wanted[uid] = status
        if self._written.get(uid) != status:
            self._dirty[uid] = None
            self._wake.set()

    def again(self, uid: str) -> None:
        """Write the status once more: there is another object to hold it."""
        self._written.pop(uid, None)
        if uid in self._wanted:
            self._dirty[uid] = None
            self._wake.set()

    def forget(self, uid: str) -> None:
        for known in (self._wanted, self._written, self._versions):
            known.pop(uid, None)
        self._done(uid)

    async def flush(self, uid: str) -> None:
        if uid in self._dirty:
            await self._idle.setdefault(uid, asyncio.Event()).wait()

    async def run(self) -> None:
        """Write until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            if not all([await self._write(uid) for uid in list(self._dirty)]):
                await wait_within(self._wake, RETRY)
            if self._dirty:
                self._wake.set()

    async def _write(self, uid: str) -> bool:
        """False: try again later."""
        pod, status = self._find(uid), self._wanted.get(uid)
        if pod is None or status is None:
            self._done(uid)
            return True
        namespace, name = naming.key(pod)
        last = self._written.get(uid) or {}
        patch: Object = {"metadata": {"uid": naming.uid(pod)}, "status": _patch(pod, status, last)}
        try:
            after = await self._client.patch(
                naming.PODS,
                name,
                patch,
                namespace,
                patch_type=STRATEGIC_MERGE_PATCH,
                subresource="status",
            )
            self._versions[uid] = _version(after)
        except ApiError as error:
            if error.code not in (_GONE, _CONFLICT):
                _log.warning("A pod status was refused", pod=naming.full_name(pod), err=error)
                return False
        except (ConnectionError, TimeoutError):
            return False
        self._written[uid] = status
        if self._wanted.get(uid) is status:
            self._done(uid)
        return True

    def _done(self, uid: str) -> None:
        self._dirty.pop(uid, None)
        if uid in self._idle:
            self._idle.pop(uid).set()


def _patch(pod: Object, status: Object, last: Object) -> Object:
    """The strategic merge patch: our lists replace what is there, conditions merge by type."""
    result = copy.copy(status)
    before = pod.get("status") or {}
    for field in before:
        if field not in result and field in ("podIP", "reason", "message"):
            result[field] = None
    for field in ("podIPs", "hostIPs"):
        if field in result or before.get(field):
            result[field] = [*result.get(field, ()), {"$patch": "replace"}]
    result["conditions"] = [
        {"reason": None, "message": None, **item} for item in status.get("conditions", ())
    ]
    there = {c["type"] for old in (before, last) for c in old.get("conditions", ())}
    for type_ in sorted(there & set(RESIZE) - {c["type"] for c in status.get("conditions", ())}):
        result["conditions"].append({"$patch": "delete", "type": type_})
    return result


def _version(pod: Object) -> int:
    return int(pod["metadata"].get("resourceVersion") or 0)


def _covers(old: Object, new: Object) -> bool:
    """Whether the API has this status already (after a restart)."""
    return all(old.get(key) == value for key, value in new.items())

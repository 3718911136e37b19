# SPDX-License-Identifier: Apache-2.0
"""Writes the bootstrap objects that are missing, and brings the default roles up to date."""

from collections.abc import Iterator, Mapping
from itertools import chain, repeat

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.authorization import bootstrap as policy
from pybernetes.apiserver.bootstrap.objects import CONFIG_MAPS, objects
from pybernetes.apiserver.context import Core
from pybernetes.base import logs
from pybernetes.storage.transaction import portions
from pybernetes.storage.types import Conflict, Op

log = logs.get("apiserver.bootstrap")


async def write_bootstrap(core: Core) -> bool:
    """Transactions with all that is missing; whether the caches lag behind it."""
    for _ in range(5):
        ops = list(_missing(core))
        if not ops:
            return False
        try:
            for some in portions(ops):
                await core.store.write(some)
            return True
        except Conflict as conflict:  # another API server was faster
            log.info("Bootstrap objects were written by another server", key=conflict.key)
            await core.feed.start()
    return True


_FOLLOWING: Mapping[str, tuple[str, ...]] = {
    "configmaps": ("data",),
    "endpoints": ("subsets",),
    "endpointslices": ("addressType", "endpoints", "ports"),
}


def _missing(core: Core) -> Iterator[Op]:
    stamp = timestamps.rfc3339(core.env.clock.now())
    wanted = chain(
        zip(objects(core.config), repeat(_refreshed)), zip(policy.policy(), repeat(_reconciled))
    )
    for (gvr, obj), changed in wanted:
        serving, meta = core.resources.find(gvr), obj["metadata"]
        if serving is None:
            continue
        where = meta.get("namespace", ""), meta["name"]
        entry = serving.entry(*where)
        if entry is None:
            new: Object | None = _new(core, obj, stamp)
        else:
            new = changed(gvr, serving.decode(entry), obj)
        if new is not None:
            yield Op(serving.key(*where), codec.stored(new), entry.revision if entry else 0)


def _new(core: Core, obj: Object, stamp: str) -> Object:
    for condition in (obj.get("status") or {}).get("conditions") or ():
        condition["lastTransitionTime"] = condition.get("lastTransitionTime") or stamp
    system = {"uid": core.env.random.uuid(), "creationTimestamp": stamp}
    return {**obj, "metadata": {**obj["metadata"], **system}}


def _refreshed(gvr: GVR, present: Object, obj: Object) -> Object | None:
    """The authentication ConfigMap and our own endpoints follow the configuration."""
    names = _FOLLOWING.get(gvr.resource, ())
    wanted = {name: obj[name] for name in names if name in obj}
    if gvr == CONFIG_MAPS and wanted:
        wanted = {"data": {**(present.get("data") or {}), **wanted["data"]}}
    return None if all(present.get(k) == v for k, v in wanted.items()) else present | wanted


def _reconciled(_: GVR, present: Object, obj: Object) -> Object | None:
    wanted = policy.reconciled(present, obj)
    if wanted is not None and "uid" not in wanted["metadata"]:
        # another roleRef: a new object in its place
        system = {k: present["metadata"][k] for k in ("uid", "creationTimestamp")}
        wanted = {**wanted, "metadata": {**wanted["metadata"], **system}}
    return wanted

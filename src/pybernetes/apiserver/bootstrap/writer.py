# SPDX-License-Identifier: Apache-2.0
"""Writes the bootstrap objects that are missing, and brings the default roles up to date."""

from collections.abc import Mapping

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apiserver import codec
from pybernetes.apiserver.authorization import bootstrap as policy
from pybernetes.apiserver.bootstrap.objects import CONFIG_MAPS, objects
from pybernetes.apiserver.context import Core
from pybernetes.base import logs
from pybernetes.storage.transaction import PORTABLE_OPS
from pybernetes.storage.types import Conflict, Op

log = logs.get("apiserver.bootstrap")


async def write_bootstrap(core: Core) -> bool:
    """Transactions with all that is missing; whether the caches lag behind it."""
    for _ in range(5):
        ops = list(_missing(core))
        if not ops:
            return False
        try:
            for first in range(0, len(ops), PORTABLE_OPS):
                await core.store.write(ops[first : first + PORTABLE_OPS])
            return True
        except Conflict as conflict:  # another API server was faster
            log.info("Bootstrap objects were written by another server", key=conflict.key)
            await core.feed.start()
    return True


def _missing(core: Core) -> list[Op]:
    stamp = timestamps.rfc3339(core.env.clock.now())
    ops = []
    for gvr, obj in objects(core.config):
        op = _new(core, gvr, obj, stamp) or _refreshed(core, gvr, obj)
        if op is not None:
            ops.append(op)
    for gvr, obj in policy.policy():
        op = _new(core, gvr, obj, stamp) or _reconciled(core, gvr, obj)
        if op is not None:
            ops.append(op)
    return ops


def _new(core: Core, gvr: GVR, obj: Object, stamp: str) -> Op | None:
    serving = core.resources.find(gvr)
    if serving is None:
        return None
    meta = obj["metadata"]
    namespace, name = meta.get("namespace", ""), meta["name"]
    if serving.entry(namespace, name) is not None:
        return None
    obj = {**obj, "metadata": {**meta, "uid": core.env.random.uuid(), "creationTimestamp": stamp}}
    for condition in (obj.get("status") or {}).get("conditions") or ():
        condition["lastTransitionTime"] = condition.get("lastTransitionTime") or stamp
    return Op(serving.key(namespace, name), codec.stored(obj), 0)


_FOLLOWING: Mapping[str, tuple[str, ...]] = {
    "configmaps": ("data",),
    "endpoints": ("subsets",),
    "endpointslices": ("addressType", "endpoints", "ports"),
}


def _refreshed(core: Core, gvr: GVR, obj: Object) -> Op | None:
    """The authentication ConfigMap and our own endpoints follow the configuration."""
    serving = core.resources.find(gvr)
    if gvr.resource not in _FOLLOWING or serving is None:
        return None
    meta = obj["metadata"]
    entry = serving.entry(meta["namespace"], meta["name"])
    assert entry is not None
    present = serving.decode(entry)
    wanted = {name: obj[name] for name in _FOLLOWING[gvr.resource] if name in obj}
    if gvr == CONFIG_MAPS and wanted:
        wanted = {"data": {**(present.get("data") or {}), **wanted["data"]}}
    if all(present.get(name) == value for name, value in wanted.items()):
        return None
    present |= wanted
    key = serving.key(meta["namespace"], meta["name"])
    return Op(key, codec.stored(present), entry.revision)


def _reconciled(core: Core, gvr: GVR, obj: Object) -> Op | None:
    serving = core.resources.find(gvr)
    if serving is None:
        return None
    meta = obj["metadata"]
    namespace = meta.get("namespace", "")
    entry = serving.entry(namespace, meta["name"])
    if entry is None:
        return None
    present = serving.decode(entry)
    wanted = policy.reconciled(present, obj)
    if wanted is None:
        return None
    if "uid" not in wanted["metadata"]:  # another roleRef: a new object in its place
        system = {k: present["metadata"][k] for k in ("uid", "creationTimestamp")}
        wanted = {**wanted, "metadata": {**wanted["metadata"], **system}}
    return Op(serving.key(namespace, meta["name"]), codec.stored(wanted), entry.revision)

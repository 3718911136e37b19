# SPDX-License-Identifier: Apache-2.0
"""The bootstrap objects (objects.json): namespaces, priority classes, service CIDR, CA ConfigMap, and
the kubernetes Service with its endpoints: this server's address. Those that are missing are written at
start, and the default roles brought up to date.

Several API servers over one store (upstream's endpoint leases) are not supported: the server that
starts last is the one in the endpoints.
"""

import json
from collections.abc import Iterator, Mapping
from itertools import chain, repeat
from typing import Any

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.data.sections import document
from pybernetes.apiserver import codec
from pybernetes.apiserver.authentication import x509
from pybernetes.apiserver.authorization import bootstrap as policy
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.context import Core
from pybernetes.apiserver.services.ranges import family_of, parse
from pybernetes.base import logs
from pybernetes.storage.transaction import portions
from pybernetes.storage.types import Conflict, Op

log = logs.get("apiserver.bootstrap")
CONFIG_MAPS = GVR("", "v1", "configmaps")


def objects(config: Config) -> Iterator[tuple[GVR, Object]]:
    """(resource, object) in the order in which they are written."""
    ranges = parse(config.service_cluster_ip_range)
    values = {
        "$address": config.advertise_address,
        "$address_family": family_of(config.advertise_address),
        "$authentication": _authentication(config) or None,
        "$cidrs": [part.strip() for part in config.service_cluster_ip_range.split(",")],
        "$port": config.advertise_port,
        "$service_family": ranges.default,
        "$service_ip": str(ranges.networks[ranges.default][1]),  # the first of the first range
        "$service_port": config.service_port,
    }
    for gvr, template in document("objects.json", __package__):
        yield GVR(*gvr), _filled(template, values)


def _filled(template: Any, values: Mapping[str, Any]) -> Any:
    """The template with its words that start with $ replaced; fields that become None are left out."""
    if isinstance(template, dict):
        filled = {key: _filled(value, values) for key, value in template.items()}
        return {key: value for key, value in filled.items() if value is not None}
    if isinstance(template, list):
        return [_filled(item, values) for item in template]
    return values.get(template, template) if isinstance(template, str) else template


def _authentication(config: Config) -> dict[str, str]:
    """What aggregated API servers need to know to trust our front proxy."""
    data: dict[str, str] = {}
    if config.client_ca:
        data["client-ca-file"] = config.client_ca.decode()
    if config.requestheader_client_ca:
        data["requestheader-client-ca-file"] = config.requestheader_client_ca.decode()
        for key, value in (
            ("allowed-names", x509.ALLOWED_NAME),
            ("username-headers", x509.USERNAME),
            ("group-headers", x509.GROUP),
            ("extra-headers-prefix", x509.EXTRA),
        ):
            data[f"requestheader-{key}"] = json.dumps([value])
    return data


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

# SPDX-License-Identifier: Apache-2.0
"""The built-in resources: published facts (data/), storage layout and rules (registry.py) merged.

Schemas are built from the data file on first use and shared; nothing here may be changed.
"""

from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any

from pybernetes.apimachinery.protobuf import Decoder
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVK, GVR
from pybernetes.apis.data import types
from pybernetes.apis.kind import NO_RULES
from pybernetes.apis.registry import RULES
from pybernetes.apis.resource import Resource, Subresource

MESSAGES = Decoder(types.raw)
"""Decodes protobuf messages of built-in types by name."""
_EVENT_TTL = 3600
# Where a resource is served in several versions, the one it is stored in.
_STORAGE_VERSIONS = {("autoscaling", "horizontalpodautoscalers"): "v2"}
# Kinds that only bodies have: the published documents do not list them.
_UNPUBLISHED = {
    "/v1/DeleteOptions": "io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions",
    "policy/v1beta1/Eviction": "io.k8s.api.policy.v1.Eviction",
}
_EVENTS = ("events.k8s.io", "events")  # stored as the core group's events


@cache
def builtin() -> Mapping[GVR, Resource]:
    """Every built-in resource, in the order of the discovery documents."""
    rows = (_resource(row) for row in types.header()["resources"])
    return MappingProxyType({row.gvr: row for row in rows})


def schema_of(gvk: GVK) -> Schema:
    """The schema of a built-in kind, lists and parameters included. Raises KeyError."""
    key = f"{gvk.group}/{gvk.version}/{gvk.kind}"
    return types.named(_UNPUBLISHED.get(key) or types.header()["kinds"][key])


@cache
def priorities() -> Mapping[tuple[str, str], tuple[int, int]]:
    """(group, version) -> its APIService's groupPriorityMinimum and versionPriority."""
    found = types.header()["priorities"]
    split = {tuple(key.rsplit("/", 1)): tuple(value) for key, value in found.items()}
    return MappingProxyType(split)


def _resource(row: Mapping[str, Any]) -> Resource:
    group, version, plural, kind = row["group"], row["version"], row["resource"], row["kind"]
    shared = (group, plural) == _EVENTS
    events = plural == "events"
    rules = RULES.get((group, kind), NO_RULES)
    return Resource(
        gvr=GVR(group, version, plural),
        kind=kind,
        singular=row["singular"],
        namespaced=row["namespaced"],
        schema=schema_of(GVK(group, version, kind)),
        verbs=tuple(row["verbs"]),
        short_names=tuple(row.get("short", ())),
        categories=tuple(row.get("categories", ())),
        subresources={
            sub["name"]: _subresource(sub, group, version) for sub in row.get("subresources", ())
        },
        storage_version=_STORAGE_VERSIONS.get((group, plural), version),
        storage_group="" if shared else group,
        storage_prefix=f"/registry/{rules.stored_under or plural}/",
        ttl=_EVENT_TTL if events else 0,
        rules=rules,
        storage_version_hash=row.get("hash", ""),
    )


def _subresource(sub: Mapping[str, Any], group: str, version: str) -> Subresource:
    if "version" in sub:
        group, version = sub["group"], sub["version"]
    return Subresource(sub["name"], tuple(sub["verbs"]), GVK(group, version, sub["kind"]))

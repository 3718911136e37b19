# SPDX-License-Identifier: Apache-2.0
"""Discovery documents from resource rows: rows in, documents out.

Legacy: /api, /apis, /apis/GROUP, /api/v1 and /apis/GROUP/VERSION. Aggregated: /api and /apis in one document each. Groups and versions stand in the order of their
APIServices' priorities, resources in the order of their names.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pybernetes.apimachinery.types import Object
from pybernetes.apis.resource import Resource, Subresource

Priorities = Mapping[tuple[str, str], tuple[int, int]]
"""(group, version) -> its APIService's groupPriorityMinimum and versionPriority."""

CUSTOM_PRIORITY = (1000, 100)  # of custom resources

_VERSION = re.compile(r"v([0-9]+)(?:(alpha|beta)([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Group:
    """A group and its served versions, preferred first. `versions` maps to the rows."""

    name: str
    versions: Mapping[str, list[Resource]]


def groups(rows: Iterable[Resource], priorities: Priorities) -> list[Group]:
    """The served groups, most important first; the core group has the name ""."""
    found: dict[str, dict[str, list[Resource]]] = {}
    for row in rows:
        found.setdefault(row.gvr.group, {}).setdefault(row.gvr.version, []).append(row)

    def of(group: str, version: str) -> tuple[int, int]:
        return priorities.get((group, version), CUSTOM_PRIORITY)

    def group_rank(group: str) -> tuple[int, str]:
        return -max(of(group, version)[0] for version in found[group]), group

    ordered = []
    for name in sorted(found, key=group_rank):
        versions = sorted(found[name], key=version_rank)
        versions.sort(key=lambda version: -of(name, version)[1])
        by_version = {version: _by_name(found[name][version]) for version in versions}
        ordered.append(Group(name, by_version))
    return ordered


def version_rank(version: str) -> tuple[int, int, int, str]:
    """Sorts versions as upstream does: v2, v1, v2beta1, v1beta2, v1alpha1, then other names."""
    match = _VERSION.fullmatch(version)
    if match is None:
        return 3, 0, 0, version
    stage = {None: 0, "beta": 1, "alpha": 2}[match[2]]
    return stage, -int(match[1]), -int(match[3] or 0), ""


def api_versions(address: str) -> Object:
    """/api. `address` is host:port of this server."""
    servers = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": servers}


def api_group_list(found: list[Group]) -> Object:
    """/apis."""
    listed = [_api_group(group) for group in found if group.name]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": listed}


def api_group(group: Group) -> Object:
    """/apis/GROUP."""
    return {"kind": "APIGroup", "apiVersion": "v1", **_api_group(group)}


def _api_group(group: Group) -> Object:
    versions = [
        {"groupVersion": f"{group.name}/{version}", "version": version}
        for version in group.versions
    ]
    return {"name": group.name, "versions": versions, "preferredVersion": versions[0]}


def api_resource_list(group: str, version: str, rows: Iterable[Resource]) -> Object:
    """/api/v1 or /apis/GROUP/VERSION."""
    listed: list[Object] = []
    for row in _by_name(rows):
        listed.append(_api_resource(row))
        subs = [row.subresources[name] for name in sorted(row.subresources)]
        listed += [_api_subresource(row, sub) for sub in subs]
    head: Object = {"kind": "APIResourceList"}
    if group:
        head["apiVersion"] = "v1"
    return {**head, "groupVersion": f"{group}/{version}" if group else version, "resources": listed}


def _by_name(rows: Iterable[Resource]) -> list[Resource]:
    return sorted(rows, key=lambda row: row.gvr.resource)


def _other_names(row: Resource) -> Object:
    names = {"shortNames": list(row.short_names), "categories": list(row.categories)}
    return {key: value for key, value in names.items() if value}


def _api_resource(row: Resource) -> Object:
    found: Object = {
        "name": row.gvr.resource,
        "singularName": row.singular,
        "namespaced": row.namespaced,
        "kind": row.kind,
        "verbs": sorted(row.verbs),
        **_other_names(row),
    }
    if row.storage_version_hash:
        found["storageVersionHash"] = row.storage_version_hash
    return found


def _api_subresource(row: Resource, sub: Subresource) -> Object:
    found: Object = {"name": f"{row.gvr.resource}/{sub.name}", "singularName": ""}
    found["namespaced"] = row.namespaced
    group, version = _foreign(row, sub)
    if version:
        found |= {"group": group, "version": version}
    return found | {"kind": sub.kind.kind, "verbs": sorted(sub.verbs)}


def _foreign(row: Resource, sub: Subresource) -> tuple[str, str]:
    """The group version of a subresource's kind where it is not the resource's own."""
    own = (row.gvr.group, row.gvr.version)
    there = (sub.kind.group, sub.kind.version)
    return ("", "") if there == own else there


def aggregated(found: list[Group]) -> Object:
    """The aggregated document: of /api when given the core group, of /apis when given the others."""
    items = []
    for group in found:
        versions = [
            {
                "version": version,
                "resources": [_discovered(row) for row in rows],
                "freshness": "Current",
            }
            for version, rows in group.versions.items()
        ]
        metadata = {"name": group.name} if group.name else {}
        items.append({"metadata": metadata, "versions": versions})
    return {
        "kind": "APIGroupDiscoveryList",
        "apiVersion": "apidiscovery.k8s.io/v2",
        "metadata": {},
        "items": items,
    }


def _discovered(row: Resource) -> Object:
    found: Object = {
        "resource": row.gvr.resource,
        "responseKind": {"group": "", "version": "", "kind": row.kind},
        "scope": "Namespaced" if row.namespaced else "Cluster",
        "singularResource": row.singular,
        "verbs": sorted(row.verbs),
        **_other_names(row),
    }
    if row.subresources:
        subs = [row.subresources[name] for name in sorted(row.subresources)]
        found["subresources"] = [_discovered_subresource(row, sub) for sub in subs]
    return found


def _discovered_subresource(row: Resource, sub: Subresource) -> Object:
    group, version = _foreign(row, sub)
    kind = {"group": group, "version": version, "kind": sub.kind.kind}
    return {"subresource": sub.name, "responseKind": kind, "verbs": sorted(sub.verbs)}

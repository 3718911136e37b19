# SPDX-License-Identifier: Apache-2.0
"""Which group versions are served by default, their priorities and resources."""

import re
from typing import Any

from tools.schema.sources import Sources

GroupVersion = tuple[str, str]

_IMPORT = re.compile(r'^\s*(\w+)\s+"k8s\.io/(?:api|kubernetes/pkg/apis)/([\w/.]+)"$', re.MULTILINE)
_ENABLED = re.compile(r"[sS]tableAPIGroupVersionsEnabledByDefault = \[\][^{]*\{(.*?)\}", re.DOTALL)
_PRIORITY = re.compile(
    r'\{Group: "([^"]*)", Version: "([^"]*)"\}:\s*\{Group: (\d+), Version: (\d+)\}'
)
_GROUP_NAME = re.compile(r'GroupName\s*=\s*"([^"]*)"')
# Served by servers of their own inside kube-apiserver, so not in the lists of instance.go.
_DELEGATED: tuple[GroupVersion, ...] = (
    ("apiextensions.k8s.io", "v1"),
    ("apiregistration.k8s.io", "v1"),
)


def served(sources: Sources) -> list[GroupVersion]:
    """The group versions on by default (pkg/controlplane DefaultAPIResourceConfigSource)."""
    text = sources.text("kubernetes", "pkg/controlplane/instance.go")
    imports = dict(_IMPORT.findall(text))
    found = list(_DELEGATED)
    for block in _ENABLED.findall(text):
        for alias in re.findall(r"(\w+)\.SchemeGroupVersion", block):
            path = imports[alias]
            name = _GROUP_NAME.search(sources.text("api", f"{path}/register.go"))
            assert name is not None, path
            found.append((name[1], path.rpartition("/")[2]))
    return sorted(found)


def priorities(sources: Sources, wanted: list[GroupVersion]) -> dict[str, list[int]]:
    """Group version -> the priorities of its APIService: of the group, of the version in it."""
    text = sources.text("kubernetes", "pkg/controlplane/apiserver/aggregator.go")
    text += sources.text("kubernetes", "cmd/kube-apiserver/app/aggregator.go")
    found = {(row[0], row[1]): [int(row[2]), int(row[3])] for row in _PRIORITY.findall(text)}
    # apiregistration.k8s.io registers itself nowhere; discovery puts it first.
    found["apiregistration.k8s.io", "v1"] = [20000, 100]
    return {f"{group}/{version}": found[group, version] for group, version in wanted}


def resources(sources: Sources, wanted: list[GroupVersion]) -> list[dict[str, Any]]:
    """One row a resource, in the order of the discovery documents."""
    rows: list[dict[str, Any]] = []
    for group, version in wanted:
        by_name: dict[str, dict[str, Any]] = {}
        for entry in sources.discovery(group, version)["resources"]:
            name, _, sub = entry["name"].partition("/")
            if sub:
                by_name[name].setdefault("subresources", []).append(_subresource(sub, entry))
            else:
                by_name[name] = _row(group, version, entry)
        rows += by_name.values()
    return rows


def _row(group: str, version: str, entry: dict[str, Any]) -> dict[str, Any]:
    row = {"group": group, "version": version, "resource": entry["name"], "kind": entry["kind"]}
    row["singular"] = entry["singularName"]
    row["namespaced"] = entry["namespaced"]
    row["verbs"] = entry["verbs"]
    optional = (
        ("shortNames", "short"),
        ("categories", "categories"),
        ("storageVersionHash", "hash"),
    )
    row.update({ours: entry[theirs] for theirs, ours in optional if entry.get(theirs)})
    return row


def _subresource(name: str, entry: dict[str, Any]) -> dict[str, Any]:
    row = {"name": name, "kind": entry["kind"], "verbs": entry["verbs"]}
    if entry.get("version"):  # a kind of another group version
        row |= {"group": entry.get("group", ""), "version": entry["version"]}
    return row

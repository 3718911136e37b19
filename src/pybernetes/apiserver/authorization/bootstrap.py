# SPDX-License-Identifier: Apache-2.0
"""The bootstrap policy: upstream's default roles and bindings, and how they are kept.

The policy itself is bootstrap.json, one rule a row: [verbs, groups, resources, names] or [verbs,
URLs], words separated by spaces, "core" for the core group; a binding is [role, subject, ...].
"""

from collections.abc import Iterator
from typing import Any

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.apis.data.sections import document
from pybernetes.apiserver.authorization.rbac import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    GROUP,
    ROLE_BINDINGS,
    ROLES,
)
from pybernetes.apiserver.authorization.rules import compact, missing

AUTOUPDATE = "rbac.authorization.kubernetes.io/autoupdate"
_AGGREGATE = "rbac.authorization.k8s.io/aggregate-to-"


def policy() -> Iterator[tuple[GVR, Object]]:
    """Every object of the policy, roles before the bindings that name them."""
    table = document("bootstrap.json", __package__)
    for section, gvr in (
        ("clusterRoles", CLUSTER_ROLES),
        ("roles", ROLES),
        ("clusterRoleBindings", CLUSTER_ROLE_BINDINGS),
        ("roleBindings", ROLE_BINDINGS),
    ):
        kind = section[:1].upper() + section[1:-1]
        make = _binding if "Binding" in kind else _role
        for key, row in table[section].items():
            yield gvr, make(kind, key, row)


def cluster_role_rules(name: str) -> list[Object]:
    return [
        _rule(row) for row in document("bootstrap.json", __package__)["clusterRoles"][name]["rules"]
    ]


def _metadata(key: str) -> Object:
    namespace, name = meta.split_key(key)
    labels = {"kubernetes.io/bootstrapping": "rbac-defaults"}
    return meta.new_metadata(name, namespace, labels=labels, annotations={AUTOUPDATE: "true"})


def _role(kind: str, key: str, row: dict[str, Any]) -> Object:
    role: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": _metadata(key),
        "rules": [_rule(item) for item in row["rules"]] or None,
    }
    if "aggregate-to" in row:
        role["metadata"]["labels"][_AGGREGATE + row["aggregate-to"]] = "true"
    if "aggregates" in row:
        selector = {"matchLabels": {_AGGREGATE + row["aggregates"]: "true"}}
        role["aggregationRule"] = {"clusterRoleSelectors": [selector]}
    return role


def _rule(row: list[str]) -> Object:
    verbs = row[0].split()
    if len(row) == 2:
        return {"nonResourceURLs": row[1].split(), "verbs": verbs}
    groups = ["" if group == "core" else group for group in row[1].split()]
    rule: Object = {"apiGroups": groups, "resources": row[2].split(), "verbs": verbs}
    if len(row) == 4:
        rule["resourceNames"] = row[3].split()
    return rule


def _binding(kind: str, key: str, words: list[str]) -> Object:
    role_kind, role = words[0].split()
    binding: Object = {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": _metadata(key),
        "roleRef": {"apiGroup": GROUP, "kind": role_kind, "name": role},
    }
    if len(words) > 1:
        binding["subjects"] = [_subject(word) for word in words[1:]]
    return binding


def _subject(word: str) -> Object:
    kind, name = word.split(" ", 1)
    if kind == "ServiceAccount":
        namespace, name = meta.split_key(name)
        return {"kind": kind, "name": name, "namespace": namespace}
    return {"apiGroup": GROUP, "kind": kind, "name": name}


def reconciled(existing: Object | None, wanted: Object) -> Object | None:
    """What must be written at start so that `wanted` holds; None if it holds already.

    Only adds: rules, subjects, labels, annotations, aggregation. An existing object annotated
    autoupdate: "false" is left alone. A changed roleRef makes a new object without uid (delete
    the old one first).
    """
    if existing is None:
        return wanted
    if meta.annotations(existing).get(AUTOUPDATE) == "false":
        return None
    if existing.get("roleRef") != wanted.get("roleRef"):
        return wanted
    result = {**existing, "metadata": _merged_metadata(existing, wanted)}
    if "subjects" in wanted:
        result["subjects"] = _with(existing.get("subjects"), wanted["subjects"])
    if "aggregationRule" in wanted:
        key = "clusterRoleSelectors"
        have = (existing.get("aggregationRule") or {}).get(key)
        result["aggregationRule"] = {key: _with(have, wanted["aggregationRule"][key])}
    elif wanted.get("rules"):
        have = existing.get("rules") or []
        lacking = compact(missing(have, wanted["rules"]))
        result["rules"] = [*have, *lacking] if lacking else have
    return result if result != existing else None


def _merged_metadata(existing: Object, wanted: Object) -> Object:
    result = dict(existing["metadata"])
    for key in ("labels", "annotations"):
        result[key] = {**wanted["metadata"].get(key, {}), **(result.get(key) or {})}
    return result


def _with(have: list[Object] | None, new: list[Object]) -> list[Object]:
    return [*(have or ()), *(item for item in new if item not in (have or ()))]

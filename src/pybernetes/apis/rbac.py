# SPDX-License-Identifier: Apache-2.0
"""rbac.authorization.k8s.io: what a role allows, and whom a binding gives it (its role is fixed)."""

import datetime

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, CREATED, NAME, Cell
from pybernetes.apis.core.podspec.defaults import fill
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import validate_label_selector
from pybernetes.apis.validation.names import dns1123_subdomain, path_segment
from pybernetes.apis.validation.part import IMMUTABLE, Part, creating, updating

GROUP = "rbac.authorization.k8s.io"


def _rule(rule: Part, *, namespaced: bool) -> None:
    rule.need("verbs", detail="verbs must contain at least one value")
    urls = rule.get("nonResourceURLs")
    if urls:
        if namespaced:
            text = "namespaced rules cannot apply to non-resource URLs"
            rule.invalid("nonResourceURLs", urls, text)
        if rule.get("apiGroups") or rule.get("resources") or rule.get("resourceNames"):
            text = "rules cannot apply to both regular resources and non-resource URLs"
            rule.invalid("nonResourceURLs", urls, text)
    else:
        rule.need("apiGroups", detail="resource rules must supply at least one api group")
        rule.need("resources", detail="resource rules must supply at least one resource")


def _role(role: Part) -> None:
    for rule in role.each("rules"):
        _rule(rule, namespaced=True)


def _cluster_role(role: Part) -> None:
    for rule in role.each("rules"):
        _rule(rule, namespaced=False)
    if role.get("aggregationRule") is not None:
        aggregation = role.child("aggregationRule")
        text = "at least one clusterRoleSelector required if aggregationRule is non-nil"
        aggregation.need("clusterRoleSelectors", detail=text)
        for selector in aggregation.each("clusterRoleSelectors"):
            validate_label_selector(selector)


ROLE, CLUSTER_ROLE = (
    Kind(
        validate_create=creating(check),
        validate_update=updating(check),
        validate_name=path_segment,
        create_on_update=True,
        columns=(NAME, CREATED),
    )
    for check in (_role, _cluster_role)
)


def _default(binding: Object) -> None:
    fill(binding.setdefault("roleRef", {}), {"apiGroup": GROUP})
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"}:
            fill(subject, {"apiGroup": GROUP})


def _binding(binding: Part, kinds: list[str]) -> None:
    role = binding.child("roleRef")
    role.one_of("apiGroup", [GROUP])
    role.one_of("kind", kinds)
    role.need_rule("name", path_segment)
    for subject in binding.each("subjects"):
        _subject(subject, namespaced="Role" in kinds)


def _subject(subject: Part, *, namespaced: bool) -> None:
    kind = subject.get("kind") or ""
    subject.need("name")
    if kind == "ServiceAccount":
        subject.rule("name", dns1123_subdomain)
        if subject.get("apiGroup"):
            subject.choice("apiGroup", [""])
        if not namespaced:
            subject.need("namespace")
    elif kind in {"Group", "User"}:
        subject.one_of("apiGroup", [GROUP])
    else:
        subject.unsupported("kind", kind, ["Group", "ServiceAccount", "User"])


def _subjects(kind: str) -> Cell:
    def cell(binding: Object, _: datetime.datetime) -> str:
        found = [one for one in binding.get("subjects") or () if one.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.get('namespace') or ''}/{one.get('name')}" for one in found)
        return ", ".join(one.get("name") or "" for one in found)

    return cell


def _shown_role(binding: Object, _: datetime.datetime) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind') or ''}/{role.get('name') or ''}"


def _binding_kind(kinds: list[str]) -> Kind:
    def validate_update(new: Object, old: Object) -> Errors:
        part = Part(new)
        _binding(part, kinds)
        if new.get("roleRef") != old.get("roleRef"):
            part.invalid("roleRef", new.get("roleRef"), IMMUTABLE)
        return part.errors

    return Kind(
        default=_default,
        validate_create=creating(lambda binding: _binding(binding, kinds)),
        validate_update=validate_update,
        validate_name=path_segment,
        create_on_update=True,
        columns=(
            NAME,
            Column("Role", _shown_role),
            AGE,
            Column("Users", _subjects("User"), priority=1),
            Column("Groups", _subjects("Group"), priority=1),
            Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
        ),
    )


ROLE_BINDING = _binding_kind(["ClusterRole", "Role"])
CLUSTER_ROLE_BINDING = _binding_kind(["ClusterRole"])

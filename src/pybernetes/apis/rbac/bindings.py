# SPDX-License-Identifier: Apache-2.0
"""RoleBinding and ClusterRoleBinding: who may do what a role says; the role never changes."""

import datetime

from pybernetes.apimachinery.field import Errors, invalid, not_supported, required
from pybernetes.apimachinery.types import Object
from pybernetes.apis.columns import AGE, NAME, Cell
from pybernetes.apis.core.podspec.defaults import fill
from pybernetes.apis.kind import Column, Kind
from pybernetes.apis.validation.meta import IMMUTABLE
from pybernetes.apis.validation.names import dns1123_subdomain, path_segment

GROUP = "rbac.authorization.k8s.io"


def _default(binding: Object) -> None:
    fill(binding.setdefault("roleRef", {}), {"apiGroup": GROUP})
    for subject in binding.get("subjects") or ():
        if subject.get("kind") in {"User", "Group"}:
            fill(subject, {"apiGroup": GROUP})


def _validate(binding: Object, kinds: list[str]) -> Errors:
    errors: Errors = []
    role = binding.get("roleRef") or {}
    if role.get("apiGroup") != GROUP:
        errors.append(not_supported("roleRef.apiGroup", role.get("apiGroup") or "", [GROUP]))
    if role.get("kind") not in kinds:
        errors.append(not_supported("roleRef.kind", role.get("kind") or "", kinds))
    name = role.get("name") or ""
    if not name:
        errors.append(required("roleRef.name"))
    errors.extend(invalid("roleRef.name", name, text) for text in path_segment(name))
    for number, subject in enumerate(binding.get("subjects") or ()):
        _subject(subject, "Role" in kinds, f"subjects[{number}]", errors)
    return errors


_SUBJECTS = ["Group", "ServiceAccount", "User"]


def _subject(subject: Object, namespaced: bool, at: str, errors: Errors) -> None:
    name, kind, group = (subject.get(field) or "" for field in ("name", "kind", "apiGroup"))
    if not name:
        errors.append(required(f"{at}.name"))
    if kind == "ServiceAccount":
        wrong = dns1123_subdomain(name) if name else ()
        errors.extend(invalid(f"{at}.name", name, text) for text in wrong)
        if group:
            errors.append(not_supported(f"{at}.apiGroup", group, [""]))
        if not namespaced and not subject.get("namespace"):
            errors.append(required(f"{at}.namespace"))
    elif kind in _SUBJECTS:
        if group != GROUP:
            errors.append(not_supported(f"{at}.apiGroup", group, [GROUP]))
    else:
        errors.append(not_supported(f"{at}.kind", kind, _SUBJECTS))


def _subjects(kind: str) -> Cell:
    def cell(binding: Object, _: datetime.datetime) -> str:
        found = [one for one in binding.get("subjects") or () if one.get("kind") == kind]
        if kind == "ServiceAccount":
            return ", ".join(f"{one.get('namespace') or ''}/{one.get('name')}" for one in found)
        return ", ".join(one.get("name") or "" for one in found)

    return cell


def _role(binding: Object, _: datetime.datetime) -> str:
    role = binding.get("roleRef") or {}
    return f"{role.get('kind') or ''}/{role.get('name') or ''}"


def _kind(kinds: list[str]) -> Kind:
    def validate_update(new: Object, old: Object) -> Errors:
        errors = _validate(new, kinds)
        if new.get("roleRef") != old.get("roleRef"):
            errors.append(invalid("roleRef", new.get("roleRef"), IMMUTABLE))
        return errors

    return Kind(
        default=_default,
        validate_create=lambda binding: _validate(binding, kinds),
        validate_update=validate_update,
        validate_name=path_segment,
        create_on_update=True,
        columns=(
            NAME,
            Column("Role", _role),
            AGE,
            Column("Users", _subjects("User"), priority=1),
            Column("Groups", _subjects("Group"), priority=1),
            Column("ServiceAccounts", _subjects("ServiceAccount"), priority=1),
        ),
    )


ROLE_BINDING = _kind(["ClusterRole", "Role"])
CLUSTER_ROLE_BINDING = _kind(["ClusterRole"])

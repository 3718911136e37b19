# SPDX-License-Identifier: Apache-2.0
"""RBAC over the watch cache.

- `authorize` never waits; a repeated question is a few dictionary look-ups.
- Bindings are indexed by subject; the index follows `changed` and is built on first use.
- Whatever was worked out for a user is forgotten when any role or binding changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import aggregate
from pybernetes.apimachinery.types import GVR, Object, User
from pybernetes.apiserver.authorization.rules import Rule, compiled
from pybernetes.apiserver.reading import Reader
from pybernetes.apiserver.types import Decision, RequestInfo

GROUP = "rbac.authorization.k8s.io"
ROLES = GVR(GROUP, "v1", "roles")
CLUSTER_ROLES = GVR(GROUP, "v1", "clusterroles")
ROLE_BINDINGS = GVR(GROUP, "v1", "rolebindings")
CLUSTER_ROLE_BINDINGS = GVR(GROUP, "v1", "clusterrolebindings")
WATCHED = (ROLES, CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS)
MAX_CACHED = 20_000

_Key = tuple[str, str]  # (namespace of the binding, subject)
_Question = tuple[str, str, str, str]


_Grant = tuple[Rule, str]  # and the sentence that says where it comes from


@dataclass(slots=True)
class _Profile:
    """All that a user is granted in one namespace, and the answers found so far."""

    grants: list[_Grant]
    errors: list[str]
    answers: dict[_Question, list[_Grant]] = field(default_factory=dict)


class Rbac:
    """Authorizer. Tell it of every change of the four WATCHED resources through `changed`."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._loaded = False
        self._bindings: dict[_Key, dict[str, Object]] = {}
        self._profiles = lru_cache(MAX_CACHED)(self._profile)
        self._rules: dict[int, tuple[Object, list[Rule]]] = {}  # by the role's identity, kept alive

    def changed(self, gvr: GVR, old: Object | None, new: Object | None) -> None:
        """An object of a WATCHED resource came, changed or went."""
        if not self._loaded:
            return
        self._profiles.cache_clear()
        if gvr in (ROLES, CLUSTER_ROLES):
            self._rules.clear()
            return
        if old is not None:
            for key in _keys(old):
                self._bindings.get(key, {}).pop(meta.key(old), None)
        if new is not None:
            self._index(new)

    def authorize(self, user: User, info: RequestInfo) -> tuple[Decision, str]:
        profile = self._profiles(user.name, user.groups, info.namespace)
        if info.is_resource:
            question = (info.verb, info.group, info.resource, info.subresource)
        else:
            question = (info.verb, info.path, "", "/")
        grants = profile.answers.get(question)
        if grants is None:
            if len(profile.answers) >= MAX_CACHED:
                profile.answers.clear()
            grants = [grant for grant in profile.grants if grant[0].covers_request(info)]
            profile.answers[question] = grants
        for rule, source in grants:
            if not rule.names or not info.is_resource or info.name in rule.names:
                return "allow", f"RBAC: allowed by {source}"
        return "no-opinion", f"RBAC: {aggregate(profile.errors)}" if profile.errors else ""

    def rules_for(self, user: User, namespace: str) -> tuple[list[Object], list[str]]:
        """Every PolicyRule that applies to the user, and what could not be resolved."""
        rules: list[Object] = []
        errors: list[str] = []
        for binding, _ in self._applying(user, namespace):
            found = self._role_of(binding)
            if isinstance(found, str):
                errors.append(found)
            else:
                rules += found.get("rules") or []
        return rules, errors

    def role_rules(self, role_ref: Object, namespace: str) -> list[Object] | str:
        """The rules of the role that a binding refers to, or why there are none."""
        found = self._role_of({"roleRef": role_ref, "metadata": {"namespace": namespace}})
        return found if isinstance(found, str) else found.get("rules") or []

    def _profile(self, name: str, groups: tuple[str, ...], namespace: str) -> _Profile:
        profile = _Profile([], [])
        for binding, subject in self._applying(User(name, groups), namespace):
            role = self._role_of(binding)
            if isinstance(role, str):
                profile.errors.append(role)
                continue
            source = _describe(binding, subject)
            profile.grants += [(rule, source) for rule in self._compiled(role)]
        return profile

    def _compiled(self, role: Object) -> list[Rule]:
        known = self._rules.get(id(role))
        if known is None or known[0] is not role:
            known = (role, [compiled(rule) for rule in role.get("rules") or ()])
            self._rules[id(role)] = known
        return known[1]

    def _applying(self, user: User, namespace: str) -> Iterator[tuple[Object, Object]]:
        """(binding, the subject that is this user), cluster-wide bindings first."""
        if not self._loaded:
            self._load()
        names = [f"User {user.name}", *(f"Group {group}" for group in user.groups)]
        for space in ("", namespace) if namespace else ("",):
            found: dict[str, Object] = {}
            for name in names:
                found.update(self._bindings.get((space, name), {}))
            for key in sorted(found):
                subjects = found[key].get("subjects") or ()
                subject = next(item for item in subjects if _subject_key(item, space) in names)
                yield found[key], subject

    def _load(self) -> None:
        self._loaded = True
        for gvr in (ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS):
            for binding in self._reader.list(gvr, ""):
                self._index(binding)

    def _index(self, binding: Object) -> None:
        for key in _keys(binding):
            self._bindings.setdefault(key, {})[meta.key(binding)] = binding

    def _role_of(self, binding: Object) -> Object | str:
        ref = binding.get("roleRef") or {}
        name = ref.get("name") or ""
        if ref.get("kind") == "Role":
            role = self._reader.get(ROLES, meta.namespace(binding), name)
            return role if role is not None else f'role.{GROUP} "{name}" not found'
        if ref.get("kind") == "ClusterRole":
            role = self._reader.get(CLUSTER_ROLES, "", name)
            return role if role is not None else f'clusterrole.{GROUP} "{name}" not found'
        return f'unsupported role reference kind: "{ref.get("kind")}"'


def _keys(binding: Object) -> list[_Key]:
    space = meta.namespace(binding)
    return [(space, _subject_key(item, space)) for item in binding.get("subjects") or ()]


def _subject_key(subject: Object, space: str) -> str:
    """ "User NAME" or "Group NAME"; a service account is the user that it is known as."""
    kind, name = subject.get("kind"), subject.get("name")
    if kind == "ServiceAccount":
        return f"User system:serviceaccount:{subject.get('namespace') or space}:{name}"
    return f"{kind} {name}"


def _describe(binding: Object, subject: Object) -> str:
    ref, space = binding["roleRef"], meta.namespace(binding)
    kind = "RoleBinding" if space else "ClusterRoleBinding"
    label = f"{meta.name(binding)}/{space}" if space else meta.name(binding)
    who = str(subject.get("name"))
    if subject.get("kind") == "ServiceAccount":
        who = f"{who}/{subject.get('namespace') or space}"
    return f'{kind} "{label}" of {ref["kind"]} "{ref["name"]}" to {subject["kind"]} "{who}"'

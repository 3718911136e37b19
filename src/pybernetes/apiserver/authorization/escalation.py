# SPDX-License-Identifier: Apache-2.0
"""Nobody may grant what they do not hold: checks before roles and bindings are written."""

from pybernetes.apimachinery import errors, meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import Object, User
from pybernetes.apiserver.authorization.rbac import GROUP, Rbac
from pybernetes.apiserver.authorization.rules import compact, missing, show, show_list
from pybernetes.apiserver.types import Authorizer, RequestInfo

MASTERS = "system:masters"
_EVERYTHING: list[Object] = [
    {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]},
    {"verbs": ["*"], "nonResourceURLs": ["*"]},
]


class EscalationCheck:
    """Call `check` with every create and update of the four RBAC resources, before it is stored."""

    def __init__(self, rbac: Rbac, authorizer: Authorizer) -> None:
        self._rbac = rbac
        self._authorizer = authorizer

    def check(self, user: User, info: RequestInfo, new: Object, old: Object | None) -> None:
        """Raises ApiError 403. `old` is None on create. Other resources pass."""
        if info.group != GROUP or MASTERS in user.groups:
            return
        if old is not None and only_collection(new, old):
            return
        if info.resource in ("roles", "clusterroles"):
            self._check_role(user, info, new, old)
        elif info.resource in ("rolebindings", "clusterrolebindings"):
            self._check_binding(user, info, new)

    def _check_role(self, user: User, info: RequestInfo, new: Object, old: Object | None) -> None:
        if self._may(user, "escalate", info, resource=info.resource, name=info.name):
            return
        name = meta.name(new)
        self._confirm(user, info, name, new.get("rules") or [])
        if _aggregates(new) or _aggregates(old or {}):
            owned, _ = self._rbac.rules_for(user, info.namespace)
            if missing(owned, _EVERYTHING):
                detail = "must have cluster-admin privileges to use the aggregationRule"
                raise errors.forbidden(info.resource, GROUP, name, detail)

    def _check_binding(self, user: User, info: RequestInfo, new: Object) -> None:
        ref = new.get("roleRef") or {}
        resource = "roles" if ref.get("kind") == "Role" else "clusterroles"
        if self._may(user, "bind", info, resource=resource, name=ref.get("name") or ""):
            return
        rules = self._rbac.role_rules(ref, info.namespace)
        if isinstance(rules, str):
            raise _role_missing(rules, resource, ref)
        self._confirm(user, info, meta.name(new), rules)

    def _may(self, user: User, verb: str, info: RequestInfo, *, resource: str, name: str) -> bool:
        asked = RequestInfo.asking(verb, GROUP, resource, name, namespace=info.namespace)
        return self._authorizer.authorize(user, asked)[0] == "allow"

    def _confirm(self, user: User, info: RequestInfo, name: str, rules: list[Object]) -> None:
        owned, problems = self._rbac.rules_for(user, info.namespace)
        lacking = missing(owned, rules)
        if not lacking:
            return
        shown = "\n".join(sorted({show(rule) for rule in compact(lacking)}))
        detail = (
            f'user "{user.name}" (groups={show_list(user.groups)}) is attempting to grant RBAC '
            f"permissions not currently held:\n{shown}"
        )
        if problems:
            detail += f"; resolution errors: [{' '.join(problems)}]"
        raise errors.forbidden(info.resource, GROUP, name, detail)


def _role_missing(reason: str, resource: str, ref: Object) -> ApiError:
    name = ref.get("name") or ""
    if reason.endswith("not found"):
        return errors.not_found(resource.removesuffix("s"), GROUP, name)
    return ApiError(500, "", reason)


def _aggregates(role: Object) -> bool:
    return bool((role.get("aggregationRule") or {}).get("clusterRoleSelectors"))


def only_collection(new: Object, old: Object) -> bool:
    """True if only finalizers and owner references differ, as garbage collection needs."""
    return _plain(new) == _plain(old)


def _plain(obj: Object) -> Object:
    ignored = ("finalizers", "ownerReferences", "managedFields", "resourceVersion", "selfLink")
    metadata = {key: value for key, value in meta.metadata(obj).items() if key not in ignored}
    return {**obj, "metadata": metadata}

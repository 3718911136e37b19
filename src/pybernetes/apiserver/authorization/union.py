# SPDX-License-Identifier: Apache-2.0
"""The server's authorizer: system:masters may everything, the others decide in order. And the 403."""

from collections.abc import Sequence

from pybernetes.apimachinery.errors import ApiError, forbidden
from pybernetes.apimachinery.field import show
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.authorization.escalation import MASTERS
from pybernetes.apiserver.types import Authorizer, Decision, RequestInfo


class Union:
    """The first authorizer that allows or denies decides; reasons of the others are joined."""

    def __init__(self, members: Sequence[Authorizer]) -> None:
        self._members = tuple(members)

    def authorize(self, user: User, info: RequestInfo) -> tuple[Decision, str]:
        if MASTERS in user.groups:
            return "allow", ""
        reasons = []
        for member in self._members:
            decision, reason = member.authorize(user, info)
            if decision != "no-opinion":
                return decision, reason
            if reason:
                reasons.append(reason)
        return "no-opinion", "\n".join(reasons)


def require(authorizer: Authorizer, user: User, info: RequestInfo) -> None:
    """Raises the 403 if the user may not do it."""
    decision, reason = authorizer.authorize(user, info)
    if decision != "allow":
        raise forbidden_error(user, info, reason)


def forbidden_error(user: User, info: RequestInfo, reason: str = "") -> ApiError:
    """User "x" cannot list resource "pods" in API group "" in the namespace "y": REASON."""
    who, why = f"User {show(user.name)} cannot {info.verb}", f": {reason}" if reason else ""
    if not info.is_resource:
        return ApiError(403, "Forbidden", f"forbidden: {who} path {show(info.path)}{why}")
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    what = f"{who} resource {show(resource)} in API group {show(info.group)}"
    where = f"in the namespace {show(info.namespace)}" if info.namespace else "at the cluster scope"
    return forbidden(info.resource, info.group, info.name, f"{what} {where}{why}")

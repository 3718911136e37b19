# SPDX-License-Identifier: Apache-2.0
"""The server's authorizer: system:masters may everything, then the configured modes in order."""

from collections.abc import Sequence

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


class AlwaysAllow:
    """--authorization-mode=AlwaysAllow."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[Decision, str]:
        return "allow", ""


class AlwaysDeny:
    """--authorization-mode=AlwaysDeny."""

    def authorize(self, user: User, info: RequestInfo) -> tuple[Decision, str]:
        return "no-opinion", "Everything is forbidden."


def build(modes: Sequence[str], known: dict[str, Authorizer]) -> Union:
    """`modes` as in --authorization-mode; `known` holds those that need parts: Node, RBAC."""
    table: dict[str, Authorizer] = {
        "AlwaysAllow": AlwaysAllow(),
        "AlwaysDeny": AlwaysDeny(),
        **known,
    }
    unknown = [mode for mode in modes if mode not in table]
    if unknown:
        raise ValueError(f"unsupported authorization mode: {', '.join(unknown)}")
    return Union([table[mode] for mode in modes])

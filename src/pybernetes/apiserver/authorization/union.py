# SPDX-License-Identifier: Apache-2.0
"""The server's authorizer: system:masters may everything, the others decide in order."""

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

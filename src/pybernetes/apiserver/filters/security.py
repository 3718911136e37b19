# SPDX-License-Identifier: Apache-2.0
"""Who calls, as whom they act, and whether they may: authentication, impersonation, authorization."""

from pybernetes.apiserver.authentication.impersonation import impersonate
from pybernetes.apiserver.authorization.union import require
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.types import Filter
from pybernetes.apiserver.security import Security


class Authentication(Filter):
    """Sets `ctx.user`: who calls, or as whom they act. In-process callers say who they are."""

    def __init__(self, security: Security) -> None:
        self._security = security

    def enter(self, ctx: Context) -> None:
        ctx.user = self._security.authenticator.authenticate(ctx.request)
        ctx.user = impersonate(ctx.request, ctx.user, self._security.authorizer)


class Authorization(Filter):
    def __init__(self, security: Security) -> None:
        self._authorizer = security.authorizer

    def enter(self, ctx: Context) -> None:
        require(self._authorizer, ctx.user, ctx.info)

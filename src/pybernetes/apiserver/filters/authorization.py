# SPDX-License-Identifier: Apache-2.0
"""Impersonation and authorization: as whom the caller acts, and whether they may."""

from pybernetes.apiserver.authentication.impersonation import impersonate
from pybernetes.apiserver.authorization.forbidden import forbidden_error
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.types import Authorizer
from pybernetes.wire.types import Reply


class Impersonation:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, ctx: Context) -> None:
        headers = ctx.request.headers
        for name in headers:
            if name.startswith("impersonate-"):
                ctx.user = impersonate(ctx.request, ctx.user, self._authorizer)
                return

    def leave(self, ctx: Context, reply: Reply) -> None:
        """Nothing to do."""


class Authorization:
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, ctx: Context) -> None:
        decision, reason = self._authorizer.authorize(ctx.user, ctx.info)
        if decision != "allow":
            raise forbidden_error(ctx.user, ctx.info, reason)

    def leave(self, ctx: Context, reply: Reply) -> None:
        """Nothing to do."""

# SPDX-License-Identifier: Apache-2.0
"""Who calls, as whom they act, and whether they may: authentication, impersonation, authorization."""

from pybernetes.apimachinery.errors import unauthorized
from pybernetes.apiserver.authentication.impersonation import impersonate
from pybernetes.apiserver.authorization.forbidden import require
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.filters.types import Filter
from pybernetes.apiserver.types import Authenticator, Authorizer


class Authentication(Filter):
    """Sets `ctx.user`. In-process callers say who they are; the authenticator knows them too."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def enter(self, ctx: Context) -> None:
        user = self._authenticator.authenticate(ctx.request)
        if user is None:
            raise unauthorized()
        ctx.user = user


class Impersonation(Filter):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, ctx: Context) -> None:
        headers = ctx.request.headers
        for name in headers:
            if name.startswith("impersonate-"):
                ctx.user = impersonate(ctx.request, ctx.user, self._authorizer)
                return


class Authorization(Filter):
    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    def enter(self, ctx: Context) -> None:
        require(self._authorizer, ctx.user, ctx.info)

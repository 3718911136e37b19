# SPDX-License-Identifier: Apache-2.0
"""Authentication: who calls."""

from collections.abc import Awaitable

from pybernetes.apimachinery.errors import unauthorized
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.types import Authenticator
from pybernetes.wire.types import Reply


class Authentication:
    """Sets `ctx.user`. In-process callers say who they are; the authenticator knows them too."""

    def __init__(self, authenticator: Authenticator) -> None:
        self._authenticator = authenticator

    def enter(self, ctx: Context) -> Awaitable[None] | None:
        found = self._authenticator.authenticate(ctx.request)
        if isinstance(found, User):
            ctx.user = found
            return None
        if found is None:
            raise unauthorized()
        return self._wait(ctx, found)

    @staticmethod
    async def _wait(ctx: Context, waiting: Awaitable[User | None]) -> None:
        user = await waiting
        if user is None:
            raise unauthorized()
        ctx.user = user

    def leave(self, ctx: Context, reply: Reply) -> None:
        """Nothing to do."""

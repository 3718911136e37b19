# SPDX-License-Identifier: Apache-2.0
"""Authentication: who calls. In-process callers say so themselves; others are asked in turn."""

from collections.abc import Awaitable, Sequence

from pybernetes.apimachinery.errors import unauthorized
from pybernetes.apimachinery.types import User
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.types import Authenticator
from pybernetes.wire.types import Reply


class Authentication:
    """Asks `authenticators` until one knows the caller."""

    def __init__(self, authenticators: Sequence[Authenticator]) -> None:
        self._authenticators = authenticators

    def enter(self, ctx: Context) -> Awaitable[None] | None:
        identity = ctx.request.identity
        if isinstance(identity, User):
            ctx.user = identity
            return None
        return self._ask(ctx, 0)

    def _ask(self, ctx: Context, start: int) -> Awaitable[None] | None:
        for index in range(start, len(self._authenticators)):
            found = self._authenticators[index].authenticate(ctx.request)
            if isinstance(found, User):
                ctx.user = found
                return None
            if found is not None:
                return self._ask_later(ctx, index, found)
        raise unauthorized()

    async def _ask_later(self, ctx: Context, index: int, waiting: Awaitable[User | None]) -> None:
        user = await waiting
        if user is not None:
            ctx.user = user
            return
        more = self._ask(ctx, index + 1)
        if more is not None:
            await more

    def leave(self, ctx: Context, reply: Reply) -> None:
        """Nothing to do."""

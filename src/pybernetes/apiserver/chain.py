# SPDX-License-Identifier: Apache-2.0
"""Runs a request through the filters to its answer: at once where nothing has to be waited for."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from inspect import isawaitable

from pybernetes.apimachinery.errors import ApiError, internal, timeout
from pybernetes.apiserver import codec
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.filters.inflight import is_long_running
from pybernetes.apiserver.filters.types import Filter
from pybernetes.base import logs
from pybernetes.wire.types import Reply, Request, Response

Dispatch = Callable[[Context], Reply | Awaitable[Reply]]
log = logs.get("apiserver")


def error_response(error: ApiError) -> Response:
    """The Status of a failure."""
    headers: tuple[tuple[str, str], ...] = ()
    retry = error.details.get("retryAfterSeconds")
    if retry and error.code in (429, 503, 504, 500):
        headers = (("Retry-After", str(retry)),)
    return Response(error.code, codec.dumps(error.status()), headers=headers)


class Chain:
    """The wire Handler: every error becomes a Status, and nothing is raised to the listener."""

    def __init__(self, filters: Sequence[Filter], dispatch: Dispatch, core: Core) -> None:
        self._filters = filters
        self._dispatch = dispatch
        self._core = core

    def handle(self, request: Request) -> Reply | Awaitable[Reply]:
        ctx = Context(request, self._core)
        entered = 0
        try:
            for step in self._filters:
                entered += 1
                step.enter(ctx)
            reply = self._dispatch(ctx)
            if type(reply) is not Response and isawaitable(reply):
                return self._answer_later(ctx, reply)
        except Exception as error:  # noqa: BLE001 - the last resort: every error becomes a Status
            reply = self._failed(ctx, error)
        return self._leave(ctx, entered, reply)

    async def _answer_later(self, ctx: Context, waiting: Awaitable[Reply]) -> Reply:
        """Within the request timeout, unless it is meant to take long."""
        try:
            async with asyncio.timeout(
                None if is_long_running(ctx) else self._core.config.request_timeout
            ):
                reply = await waiting
        except TimeoutError:
            message = "Timeout: request did not complete within requested timeout"
            reply = error_response(timeout(f"{message} - context deadline exceeded"))
        except Exception as error:  # noqa: BLE001 - the last resort: every error becomes a Status
            reply = self._failed(ctx, error)
        return self._leave(ctx, len(self._filters), reply)

    def _failed(self, ctx: Context, error: Exception) -> Reply:
        if not isinstance(error, ApiError):
            log.error("A request broke", error=error, path=ctx.info.path, verb=ctx.info.verb)
            error = internal(f"{type(error).__name__}: {error}")
        return error_response(error)

    def _leave(self, ctx: Context, entered: int, reply: Reply) -> Reply:
        for step in reversed(self._filters[:entered]):
            step.leave(ctx, reply)
        return reply

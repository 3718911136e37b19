# SPDX-License-Identifier: Apache-2.0
"""From a request to the code that answers it: a resource's verb, a subresource, or an endpoint."""

from collections.abc import Awaitable, Callable, Mapping

from pybernetes.apimachinery.errors import ApiError, method_not_allowed, too_large
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.registry import VERBS, Verb
from pybernetes.apiserver.rest.reply import check_plain
from pybernetes.wire.types import Reply

Endpoint = Callable[[Context], Reply | Awaitable[Reply] | None]
"""Answers paths outside the resources; None: not mine."""


class Dispatcher:
    """`subresources`: (group, resource or "*", subresource) -> verb -> code."""

    def __init__(
        self,
        core: Core,
        subresources: Mapping[tuple[str, str, str], Mapping[str, Verb]],
        virtual: Mapping[tuple[str, str], Verb],
        endpoints: list[Endpoint],
    ) -> None:
        self._core = core
        self._subresources = subresources
        self._virtual = virtual
        self._endpoints = endpoints

    def dispatch(self, ctx: Context) -> Reply | Awaitable[Reply]:
        info = ctx.info
        if not info.is_resource:
            return self._endpoint(ctx)
        serving = self._core.resources.find(info.gvr)
        if serving is None:
            raise no_such_path()
        limit = self._core.config.max_request_body_bytes
        if len(ctx.request.body) > limit and info.subresource != "proxy":
            raise too_large(limit)
        ctx.serving = serving
        if info.subresource:
            return self._subresource(ctx)
        verb = None if serving.stored else self._virtual.get((info.group, info.resource))
        if verb is not None:
            check_plain(ctx.request.headers.get("accept", ""))
            return verb(ctx)
        found = VERBS.get(info.verb)
        if found is None or info.verb not in serving.row.verbs:
            raise not_allowed(ctx)
        collection = info.verb in ("list", "watch")  # `name`: from a selector
        if serving.row.namespaced and not info.namespace and info.name and not collection:
            raise no_such_path()
        return found(ctx)

    def _endpoint(self, ctx: Context) -> Reply | Awaitable[Reply]:
        for endpoint in self._endpoints:
            reply = endpoint(ctx)
            if reply is not None:
                return reply
        raise no_such_path()

    def _subresource(self, ctx: Context) -> Reply | Awaitable[Reply]:
        info = ctx.info
        sub = ctx.serving.row.subresources.get(info.subresource)
        if sub is None:
            raise no_such_path()
        table = self._subresources.get((info.group, info.resource, info.subresource))
        if table is None:
            table = self._subresources.get(("*", "*", info.subresource), {})
        verb = table.get(info.verb)
        if verb is None:
            raise not_allowed(ctx)
        return verb(ctx)


def no_such_path() -> ApiError:
    """What upstream answers for a path that nothing serves."""
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def not_allowed(ctx: Context) -> ApiError:
    info = ctx.info
    return method_not_allowed(info.resource, info.group, info.verb)

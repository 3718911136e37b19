# SPDX-License-Identifier: Apache-2.0
"""Virtual resources, of which nothing is stored: most are posted and come back with their answer."""

from collections.abc import Callable

from pybernetes.apimachinery.errors import not_found
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.dispatch import not_allowed
from pybernetes.apiserver.rest.body import read_object
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.wire.types import Response

Answer = Callable[[Context, Object], Object]


def reviewing(answer: Answer) -> Verb:
    """The verb of a resource that only knows create."""

    async def review(ctx: Context) -> Response:
        if ctx.info.verb != "create":
            raise not_allowed(ctx)
        set_options(ctx, "CreateOptions")
        row = ctx.serving.row
        own = row.subresources.get(ctx.info.subresource)  # serviceaccounts/token has its own kind
        obj = read_object(ctx, own.kind if own else row.gvk)
        request = ctx.admission("CREATE", obj, None)
        await ctx.core.admission.both(request)
        return object_reply(ctx, answer(ctx, request.obj), 201)

    return review


def component_statuses(ctx: Context) -> Response:
    """componentstatuses (deprecated upstream): the store's health, which is the server's own."""
    ctx.warnings.append("v1 ComponentStatus is deprecated in v1.19+")
    healthy = {"type": "Healthy", "status": "True", "message": "ok"}
    store = {"metadata": {"name": "etcd-0"}, "conditions": [healthy]}
    if ctx.info.verb == "get":
        if ctx.info.name != "etcd-0":
            raise not_found("componentstatuses", "", ctx.info.name)
        return object_reply(ctx, {"kind": "ComponentStatus", "apiVersion": "v1", **store})
    if ctx.info.verb != "list":
        raise not_allowed(ctx)
    meta = {"resourceVersion": str(ctx.core.feed.revision)}
    head = {"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": meta}
    return object_reply(ctx, {**head, "items": [store]})

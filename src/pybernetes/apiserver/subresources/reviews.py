# SPDX-License-Identifier: Apache-2.0
"""Virtual resources: an object is posted and comes back with its answer; nothing is stored."""

from collections.abc import Callable

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

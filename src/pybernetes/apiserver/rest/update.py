# SPDX-License-Identifier: Apache-2.0
"""UPDATE: the object (or its status) is replaced; missing ones are created where the kind allows."""

from pybernetes.apimachinery.errors import bad_request
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import metadata
from pybernetes.apiserver.rest.body import read_object
from pybernetes.apiserver.rest.create import create_object
from pybernetes.apiserver.rest.modify import Modification, Part, modify
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.wire.types import Response


async def update(ctx: Context, rules: Part | None = None) -> Response:
    """PUT of an object, of its status, or of the part that `rules` are about."""
    set_options(ctx, "UpdateOptions")
    serving, info = ctx.serving, ctx.info
    obj = read_object(ctx, serving.row.gvk)
    meta = obj["metadata"]
    check_name(meta, info.name)
    metadata.match_namespace(meta, ctx.namespace, namespaced=serving.row.namespaced)
    await ctx.core.feed.wait_fresh()
    missing = serving.entry(info.namespace, info.name) is None and not meta.get("uid")
    if missing and not info.subresource and serving.row.rules.create_on_update:
        meta.pop("resourceVersion", None)
        return entry_reply(ctx, await create_object(ctx, obj), 201)

    def replace(old: Object) -> Object:
        return metadata.record_update(ctx, obj, old)

    named = (meta.get("resourceVersion") or "0") != "0"
    what = Modification(replace, info.subresource, named, rules)
    return entry_reply(ctx, await modify(ctx, what))


def check_name(meta: Object, name: str) -> None:
    """The object's name is the URL's. Raises 400."""
    given = meta.get("name") or ""
    if given and given != name:
        raise bad_request(
            f"the name of the object ({given}) does not match the name on the URL ({name})"
        )

# SPDX-License-Identifier: Apache-2.0
"""Update and patch of a subresource that takes the whole object and lets a part of it change."""

from collections.abc import Callable

from pybernetes.apimachinery.field import Errors
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.body import read_object
from pybernetes.apiserver.rest.managed import record_update
from pybernetes.apiserver.rest.modify import Modification, modify
from pybernetes.apiserver.rest.options import write_options
from pybernetes.apiserver.rest.patch import patched, read_patch
from pybernetes.apiserver.rest.registry import Verb
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.apiserver.rest.update import check_name
from pybernetes.wire.types import Response

Prepare = Callable[[Object, Object], Object]
Check = Callable[[Object, Object], Errors]


def no_findings(_new: Object, _old: Object) -> Errors:
    return []


def updating(prepare: Prepare, check: Check = no_findings) -> Verb:
    """PUT whose effect `prepare(new, old)` decides."""

    async def update(core: Core, ctx: Context) -> Response:
        options = write_options(ctx, "UpdateOptions")
        obj = read_object(ctx, ctx.serving.row.gvk, options.validation)
        check_name(obj["metadata"], ctx.info.name)

        def replace(old: Object) -> Object:
            return record_update(core, ctx, obj, old, options=options)

        named = bool(obj["metadata"].get("resourceVersion"))
        part = ctx.info.subresource
        what = Modification(replace, options, part, named, prepare=prepare, check=check)
        return entry_reply(ctx, await modify(core, ctx, what))

    return update


def patching(prepare: Prepare, check: Check = no_findings) -> Verb:
    """PATCH whose effect `prepare(new, old)` decides."""

    async def patch(core: Core, ctx: Context) -> Response:
        options = write_options(ctx, "PatchOptions")
        document = read_patch(ctx)

        def change(old: Object) -> Object:
            return patched(core, ctx, old, document, options=options)

        part = ctx.info.subresource
        what = Modification(change, options, part, prepare=prepare, check=check)
        return entry_reply(ctx, await modify(core, ctx, what))

    return patch

# SPDX-License-Identifier: Apache-2.0
"""managedFields of a write: who set which field."""

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.patch import managedfields
from pybernetes.apimachinery.patch.managedfields import Writer
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.options import WriteOptions

_MAIN: Object = {"f:status": {}}
_STATUS: Object = {"f:spec": {}}


def writer(core: Core, ctx: Context, options: WriteOptions) -> Writer:
    """This request as an author of fields."""
    row, subresource = ctx.serving.row, ctx.info.subresource
    reset = None
    if "status" in row.subresources and subresource in ("", "status"):
        reset = _STATUS if subresource == "status" else _MAIN
    return Writer(
        manager=options.manager,
        api_version=row.gvr.api_version,
        schema=row.schema,
        time=timestamps.rfc3339(core.env.clock.now()),
        subresource=subresource,
        reset=reset,
    )


def record_update(
    core: Core, ctx: Context, new: Object, old: Object | None, *, options: WriteOptions
) -> Object:
    """`new` with the manager of a create, update or patch entered; both in the served version."""
    recorded = managedfields.update(old, new, writer(core, ctx, options))
    return managedfields.keep_times(old, recorded)

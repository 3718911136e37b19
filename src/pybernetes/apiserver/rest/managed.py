# SPDX-License-Identifier: Apache-2.0
"""managedFields of a write: who set which field."""

from pybernetes.apimachinery import timestamps
from pybernetes.apimachinery.patch import managedfields
from pybernetes.apimachinery.patch.managedfields import Writer
from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context

_MAIN: Object = {"f:status": {}}
_STATUS: Object = {"f:spec": {}}


def writer(ctx: Context) -> Writer:
    """This request as an author of fields."""
    row, subresource = ctx.serving.row, ctx.info.subresource
    reset = None
    if "status" in row.subresources and subresource in ("", "status"):
        reset = _STATUS if subresource == "status" else _MAIN
    return Writer(
        manager=ctx.manager,
        api_version=row.gvr.api_version,
        schema=row.schema,
        time=timestamps.rfc3339(ctx.core.env.clock.now()),
        subresource=subresource,
        reset=reset,
    )


def record_update(ctx: Context, new: Object, old: Object | None) -> Object:
    """`new` with the manager of a create, update or patch entered; both in the served version."""
    recorded = managedfields.update(old, new, writer(ctx))
    return managedfields.keep_times(old, recorded)

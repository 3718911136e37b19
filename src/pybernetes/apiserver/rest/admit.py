# SPDX-License-Identifier: Apache-2.0
"""Runs the admission plugins: all mutating ones, then all validating ones."""

from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.options import WriteOptions
from pybernetes.apiserver.types import AdmissionRequest, Operation


async def mutate(core: Core, request: AdmissionRequest) -> None:
    for plugin in core.admission:
        await plugin.admit(request)


async def validate(core: Core, ctx: Context, request: AdmissionRequest) -> None:
    for plugin in core.admission:
        await plugin.validate(request)
    ctx.warnings += [w for w in request.warnings if w not in ctx.warnings]


async def both(core: Core, ctx: Context, request: AdmissionRequest) -> None:
    """One after the other, where nothing happens between them."""
    await mutate(core, request)
    await validate(core, ctx, request)


def asking(
    ctx: Context,
    operation: Operation,
    obj: Object | None,
    old: Object | None,
    *,
    options: WriteOptions,
) -> AdmissionRequest:
    """What a write asks of admission."""
    row, info = ctx.serving.row, ctx.info
    subject = obj or old or {}
    meta = subject.get("metadata") or {}
    name = info.name or meta.get("name", "")
    kinds = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}
    return AdmissionRequest(
        operation=operation,
        resource=row,
        gvk=GVK(*row.gvk),
        name=name,
        namespace=info.namespace or (meta.get("namespace", "") if row.namespaced else ""),
        subresource=info.subresource,
        obj=obj,
        old=old,
        user=ctx.user,
        dry_run=options.dry_run,
        options=options.as_object(kinds[operation]),
    )

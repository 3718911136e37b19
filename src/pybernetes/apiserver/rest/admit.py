# SPDX-License-Identifier: Apache-2.0
"""What a write asks of admission."""

from pybernetes.apimachinery.types import Object
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.types import AdmissionRequest, Operation


def asking(
    ctx: Context,
    operation: Operation,
    obj: Object | None,
    old: Object | None,
    *,
    dry_run: bool,
) -> AdmissionRequest:
    """What a write asks of admission."""
    row, info = ctx.serving.row, ctx.info
    subject = obj or old or {}
    meta = subject.get("metadata") or {}
    name = info.name or meta.get("name", "")
    return AdmissionRequest(
        operation=operation,
        resource=row,
        name=name,
        namespace=info.namespace or (meta.get("namespace", "") if row.namespaced else ""),
        subresource=info.subresource,
        obj=obj or {},
        old=old or {},
        user=ctx.user,
        dry_run=dry_run,
    )

# SPDX-License-Identifier: Apache-2.0
"""CREATE: decode, default, admit, prepare, validate, store; with generated names tried again."""

import contextlib

from pybernetes.apimachinery.errors import already_exists, bad_request, forgiving, invalid
from pybernetes.apimachinery.schema import check
from pybernetes.apimachinery.types import Object
from pybernetes.apis.validation.meta import validate_meta
from pybernetes.apiserver import codec
from pybernetes.apiserver.cache.entry import Entry
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest import metadata
from pybernetes.apiserver.rest.body import read_object
from pybernetes.apiserver.rest.commit import write
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.reply import entry_reply
from pybernetes.storage.types import Conflict
from pybernetes.wire.types import Response

_NOT_ACTED_ON = {  # generic objects so far
    "apiextensions.k8s.io": "custom resources are not supported yet",
    "apiregistration.k8s.io": "aggregated API servers are not supported yet",
    "admissionregistration.k8s.io": "admission webhooks and policies are not supported yet",
    "flowcontrol.apiserver.k8s.io": "priority and fairness is not supported yet",
}
_NAME_TRIES = 8


async def create(ctx: Context) -> Response:
    """POST on a collection."""
    set_options(ctx, "CreateOptions")
    obj = read_object(ctx, ctx.serving.row.gvk)
    await ctx.core.feed.wait_fresh()  # its namespace may be another API server's work
    entry = await create_object(ctx, obj)
    return entry_reply(ctx, entry, 201)


async def create_object(ctx: Context, obj: Object, *, recorded: bool = False) -> Entry:
    """Store a decoded, defaulted object (in the served version). The caller owns `obj`, and has waited
    for the caches.

    `recorded`: its managedFields are written already (apply).
    """
    serving = ctx.serving
    row = serving.row
    meta = obj["metadata"]
    if meta.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")
    metadata.match_namespace(meta, ctx.namespace, namespaced=row.namespaced)
    metadata.fill_system_fields(ctx.core.env, meta)
    generated = bool(meta.get("generateName")) and not meta.get("name")
    if not recorded:
        obj = metadata.record_update(ctx, obj, None)
    obj = serving.store(obj)
    row.rules.default(obj)
    original = codec.dumps(obj) if generated else b""
    for left in range(_NAME_TRIES if generated else 1, 0, -1):
        obj = codec.loads(original) if generated else obj
        metadata.generate_name(ctx.core.env, obj["metadata"])
        with forgiving("AlreadyExists") if left > 1 else contextlib.nullcontext():
            return await _create_named(ctx, obj)
    raise AssertionError("unreachable")


async def _create_named(ctx: Context, obj: Object) -> Entry:
    row = ctx.serving.row
    request = ctx.admission("CREATE", obj, None)
    await ctx.core.admission.admit(request)
    obj = request.obj
    prepare(ctx, obj)
    ctx.core.check_write(ctx.user, ctx.info, obj, None)
    errors = validate_meta(obj["metadata"], row.namespaced, row.rules.validate_name)
    errors += row.rules.validate_create(obj)
    if errors:
        raise invalid(row.kind, row.gvr.group, obj["metadata"].get("name", ""), errors)
    await ctx.core.admission.validate(request)
    if row.gvr.group in _NOT_ACTED_ON:
        ctx.warnings.append(
            f"{row.kind} is stored but not acted on: {_NOT_ACTED_ON[row.gvr.group]}"
        )
    gvr, name = row.gvr, obj["metadata"]["name"]
    if ctx.serving.entry(obj["metadata"].get("namespace", ""), name) is None:
        with contextlib.suppress(Conflict):
            return await write(ctx, obj)
    raise already_exists(gvr.resource, gvr.group, name)


def prepare(ctx: Context, obj: Object) -> None:
    """The generic part of PrepareForCreate, then the kind's."""
    row = ctx.serving.row
    if row.rules.generation:
        obj["metadata"]["generation"] = 1
    else:
        obj["metadata"].pop("generation", None)
    if "status" in row.subresources and not row.rules.status_on_create:
        obj.pop("status", None)
    row.rules.prepare_create(obj)
    status = row.schema.properties.get("status") if "status" in row.subresources else None
    if status is not None and status.name:  # a built-in kind's is never absent
        obj.setdefault("status", check.zero(status))
    if row.rules.requestor is not None:
        row.rules.requestor(obj, ctx.user)

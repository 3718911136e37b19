# SPDX-License-Identifier: Apache-2.0
"""The scale of deployments, replica sets, stateful sets and replication controllers (autoscaling/v1)."""

from pybernetes.apimachinery import field, selectors
from pybernetes.apimachinery.errors import invalid
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.catalog import schema_of
from pybernetes.apiserver.context import Context, Core
from pybernetes.apiserver.rest.body import check_type, read_object
from pybernetes.apiserver.rest.get import find
from pybernetes.apiserver.rest.managed import record_update
from pybernetes.apiserver.rest.modify import Modification, modify
from pybernetes.apiserver.rest.options import WriteOptions, write_options
from pybernetes.apiserver.rest.patch import apply_patch, read_patch
from pybernetes.apiserver.rest.reply import object_reply
from pybernetes.apiserver.rest.update import check_name
from pybernetes.wire.types import Response

SCALE = GVK("autoscaling", "v1", "Scale")


def scale_of(obj: Object) -> Object:
    """The Scale of a workload."""
    meta = obj["metadata"]
    spec, status = obj.get("spec") or {}, obj.get("status") or {}
    kept = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    scale: Object = {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: meta[key] for key in kept if key in meta},
        "spec": {},
        "status": {"replicas": status.get("replicas", 0)},
    }
    if spec.get("replicas"):
        scale["spec"]["replicas"] = spec["replicas"]
    selector = _selector(obj)
    if selector:
        scale["status"]["selector"] = selector
    return scale


def _selector(obj: Object) -> str:
    selector = (obj.get("spec") or {}).get("selector")
    if obj["kind"] == "ReplicationController":
        return str(selectors.from_set(selector))
    return str(selectors.from_label_selector(selector)) if selector is not None else ""


async def get_scale(core: Core, ctx: Context) -> Response:
    await core.feed.wait_fresh()
    return object_reply(ctx, scale_of(ctx.serving.decode(find(ctx))))


async def update_scale(core: Core, ctx: Context) -> Response:
    options = write_options(ctx, "UpdateOptions")
    scale = read_object(ctx, SCALE, options.validation)
    check_name(scale["metadata"], ctx.info.name)

    def change(old: Object) -> Object:
        return _rescaled(core, ctx, old, scale, options=options)

    named = bool(scale["metadata"].get("resourceVersion"))
    what = Modification(change, options, named=named)
    entry = await modify(core, ctx, what)
    return object_reply(ctx, scale_of(ctx.serving.decode(entry)))


async def patch_scale(core: Core, ctx: Context) -> Response:
    options = write_options(ctx, "PatchOptions")
    document = read_patch(ctx)

    def change(old: Object) -> Object:
        present = scale_of(old)
        scale = check_type(apply_patch(document, present, schema_of(SCALE)), SCALE)
        if scale["metadata"].get("resourceVersion") == present["metadata"]["resourceVersion"]:
            del scale["metadata"]["resourceVersion"]
        return _rescaled(core, ctx, old, scale, options=options)

    entry = await modify(core, ctx, Modification(change, options))
    return object_reply(ctx, scale_of(ctx.serving.decode(entry)))


def _rescaled(
    core: Core, ctx: Context, old: Object, scale: Object, *, options: WriteOptions
) -> Object:
    """`old` with the scale's replicas; its resourceVersion and UID are the scale's conditions."""
    replicas = (scale.get("spec") or {}).get("replicas") or 0
    if not isinstance(replicas, int) or replicas < 0:
        path = "spec.replicas"
        finding = field.invalid(path, replicas, "must be greater than or equal to 0")
        raise invalid("Scale", "autoscaling", ctx.info.name, [finding])
    meta = dict(old["metadata"])
    meta["resourceVersion"] = scale["metadata"].get("resourceVersion") or meta["resourceVersion"]
    meta["uid"] = scale["metadata"].get("uid") or meta["uid"]
    new = {**old, "metadata": meta, "spec": {**old["spec"], "replicas": replicas}}
    return record_update(core, ctx, new, old, options=options)

# SPDX-License-Identifier: Apache-2.0
"""The scale of deployments, replica sets, stateful sets and replication controllers (autoscaling/v1)."""

from pybernetes.apimachinery import field, selectors
from pybernetes.apimachinery.errors import invalid
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.catalog import schema_of
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest.body import check_type, read_object
from pybernetes.apiserver.rest.get import find
from pybernetes.apiserver.rest.metadata import record_update
from pybernetes.apiserver.rest.modify import Modification, modify
from pybernetes.apiserver.rest.options import set_options
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


async def get_scale(ctx: Context) -> Response:
    await ctx.core.feed.wait_fresh()
    return object_reply(ctx, scale_of(ctx.serving.decode(find(ctx))))


async def update_scale(ctx: Context) -> Response:
    set_options(ctx, "UpdateOptions")
    scale = read_object(ctx, SCALE)
    check_name(scale["metadata"], ctx.info.name)

    def change(old: Object) -> Object:
        return _rescaled(ctx, old, scale)

    named = bool(scale["metadata"].get("resourceVersion"))
    return await _changed(ctx, Modification(change, named=named))


async def patch_scale(ctx: Context) -> Response:
    set_options(ctx, "PatchOptions")
    document = read_patch(ctx)

    def change(old: Object) -> Object:
        present = scale_of(old)
        scale = check_type(apply_patch(document, present, schema_of(SCALE)), SCALE)
        if scale["metadata"].get("resourceVersion") == present["metadata"]["resourceVersion"]:
            del scale["metadata"]["resourceVersion"]
        return _rescaled(ctx, old, scale)

    return await _changed(ctx, Modification(change))


async def _changed(ctx: Context, what: Modification) -> Response:
    await ctx.core.feed.wait_fresh()
    return object_reply(ctx, scale_of(ctx.serving.decode(await modify(ctx, what))))


def _rescaled(ctx: Context, old: Object, scale: Object) -> Object:
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
    return record_update(ctx, new, old)

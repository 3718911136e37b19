# SPDX-License-Identifier: Apache-2.0
"""pods/binding and bindings: the scheduler gives a pod its node. One write, no validation of the pod."""

from pybernetes.apimachinery import field, timestamps
from pybernetes.apimachinery.errors import ApiError, bad_request, conflict, invalid
from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis import conditions
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.reading import PODS
from pybernetes.apiserver.rest.body import read_object
from pybernetes.apiserver.rest.commit import change
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.reply import object_reply, success
from pybernetes.wire.types import Response

BINDING = GVK("", "v1", "Binding")


async def bind(ctx: Context) -> Response:
    """POST of a Binding on a pod, or on bindings."""
    set_options(ctx, "CreateOptions")
    binding = read_object(ctx, BINDING)
    name = ctx.info.name or binding["metadata"].get("name", "")
    if ctx.info.name and binding["metadata"].get("name") not in (None, "", name):
        raise bad_request("name in URL does not match name in Binding object")
    _check_target(binding)
    pods = ctx.core.resources.find(PODS)
    assert pods is not None
    request = ctx.admission("CREATE", binding, None)
    await ctx.core.admission.both(request)
    await ctx.core.feed.wait_fresh()

    def bound(pod: Object) -> bool:
        _check_versions(binding["metadata"], pod["metadata"], name)
        assign(pod, binding, timestamps.rfc3339(ctx.core.env.clock.now()))
        return not ctx.dry_run

    await change(ctx.core, pods, (ctx.info.namespace, name), bound)
    return object_reply(ctx, success({}), 201)


def _check_target(binding: Object) -> None:
    target = binding.get("target") or {}
    kind = target.get("kind") or ""
    errors = []
    if kind not in ("", "Node"):
        errors.append(field.not_supported("target.kind", kind, ["Node", "<empty>"]))
    if not target.get("name"):
        errors.append(field.required("target.name"))
    if errors:
        raise invalid("Binding", "", binding["metadata"].get("name", ""), errors)


def _check_versions(wanted: Object, current: Object, name: str) -> None:
    for key, word in (("uid", "UID"), ("resourceVersion", "ResourceVersion")):
        if wanted.get(key) and wanted[key] != current[key]:
            detail = (
                f"Precondition failed: {word} in precondition: {wanted[key]},"
                f" {word} in object meta: {current[key]}"
            )
            raise conflict("pods", "", name, detail)


def _refuse(pod: Object, detail: str) -> ApiError:
    return conflict("pods/binding", "", pod["metadata"]["name"], detail)


def assign(pod: Object, binding: Object, now: str) -> None:
    """Give `pod` its node, in place. Raises 409."""
    meta, spec = pod["metadata"], pod["spec"]
    name = meta["name"]
    if meta.get("deletionTimestamp"):
        raise _refuse(pod, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise _refuse(pod, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    if spec.get("schedulingGates"):
        raise _refuse(pod, f"pod {name} has non-empty .spec.schedulingGates")
    spec["nodeName"] = binding["target"]["name"]
    for key in ("annotations", "labels"):
        more = binding["metadata"].get(key)
        if more:
            meta[key] = {**(meta.get(key) or {}), **more}
    status = pod.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    set_condition(status, {"type": "PodScheduled", "status": "True"}, now)


def set_condition(status: Object, condition: Object, now: str) -> None:
    """Enter a condition in a pod's status; its transition time moves only with its status."""
    present = status.get("conditions") or []
    old = conditions.find(present, condition["type"]) or {}
    same = old.get("status") == condition["status"]
    since = old.get("lastTransitionTime") if same else now
    kept = {k: old[k] for k in ("observedGeneration",) if k in old}
    new = {**kept, "lastProbeTime": None, "lastTransitionTime": since, **condition}
    replaced = [new if one is old else one for one in present]
    status["conditions"] = replaced if old else [*present, new]

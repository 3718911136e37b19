# SPDX-License-Identifier: Apache-2.0
"""pods/eviction: delete a pod if its disruption budget allows it."""

import datetime
from dataclasses import replace

from pybernetes.apimachinery import meta, selectors, timestamps
from pybernetes.apimachinery.errors import (
    ApiError,
    bad_request,
    forbidden,
    too_many_requests,
)
from pybernetes.apimachinery.types import GVK, GVR, Object
from pybernetes.apis import conditions
from pybernetes.apis.core.pod.status import is_finished, is_ready, phase
from pybernetes.apiserver.cache.entry import EVERYTHING
from pybernetes.apiserver.context import Context
from pybernetes.apiserver.rest.body import decode_body, read_object
from pybernetes.apiserver.rest.commit import change
from pybernetes.apiserver.rest.delete import DeleteOptions, delete_object, options_of
from pybernetes.apiserver.rest.get import find
from pybernetes.apiserver.rest.options import set_options
from pybernetes.apiserver.rest.reply import object_reply, success
from pybernetes.apiserver.subresources.binding import set_condition
from pybernetes.wire.types import Response

BUDGETS = GVR("policy", "v1", "poddisruptionbudgets")
_REFUSED = "Cannot evict pod as it would violate the pod's disruption budget."
_MAX_DISRUPTED = 2000
_TARGET = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "Eviction API: evicting",
}
_SEVERAL = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."


async def evict(ctx: Context) -> Response:
    """POST of an Eviction on a pod."""
    set_options(ctx, "CreateOptions")
    expected = GVK("policy", "v1", "Eviction")
    if decode_body(ctx, expected).get("apiVersion") == "policy/v1beta1":
        expected = expected._replace(version="v1beta1")
    eviction = read_object(ctx, expected)
    if eviction["metadata"].get("name") != ctx.info.name:
        raise bad_request("name in URL does not match name in Eviction object")
    options = options_of(ctx, eviction.get("deleteOptions") or {})
    request = ctx.admission("CREATE", eviction, None)
    await ctx.core.admission.both(request)
    await ctx.core.feed.wait_fresh()
    pod = ctx.serving.decode(find(ctx))
    if not _beyond_budgets(pod):
        version_needed = await _ask_budget(ctx, pod)
        if version_needed and not options.version:
            options = replace(options, version=pod["metadata"]["resourceVersion"])
    await _delete(ctx, options)
    return object_reply(ctx, success({}), 201)


def _beyond_budgets(pod: Object) -> bool:
    return is_finished(pod) or phase(pod) == "Pending" or meta.is_deleting(pod)


async def _ask_budget(ctx: Context, pod: Object) -> bool:
    """Take one disruption from the pod's budget. True: the pod must not change meanwhile."""
    budgets = ctx.core.resources.find(BUDGETS)
    if budgets is None:
        return False
    entries = budgets.cache.select(ctx.info.namespace, EVERYTHING)
    matching = [one for one in map(budgets.decode, entries) if _selects(one, pod)]
    if not matching:
        return False
    if len(matching) > 1:
        raise ApiError(500, "", _SEVERAL)
    if not is_ready(pod) and _may_drop_unhealthy(matching[0]):
        return True

    def taken(budget: Object) -> bool:
        decrement(budget, ctx.info.name, ctx.core.env.clock.now())
        return not ctx.dry_run

    await change(ctx.core, budgets, (ctx.info.namespace, matching[0]["metadata"]["name"]), taken)
    return False


def _selects(budget: Object, pod: Object) -> bool:
    selector = selectors.from_label_selector(budget["spec"].get("selector"))
    return selector.matches(meta.labels(pod))


def _may_drop_unhealthy(budget: Object) -> bool:
    if budget["spec"].get("unhealthyPodEvictionPolicy") == "AlwaysAllow":
        return True
    status = budget.get("status") or {}
    desired = status.get("desiredHealthy", 0)
    return bool(desired > 0 and status.get("currentHealthy", 0) >= desired)


def _caused(error: ApiError, message: str) -> ApiError:
    causes = error.details.setdefault("causes", [])
    causes.append({"reason": "DisruptionBudget", "message": message})
    return error


def decrement(budget: Object, pod: str, now: datetime.datetime) -> None:
    """Count one disruption in the budget's status, in place. Raises 403 and 429."""
    status, name = budget.setdefault("status", {}), meta.name(budget)
    generation = budget["metadata"].get("generation", 0)
    allowed = status.get("disruptionsAllowed", 0)
    if status.get("observedGeneration", 0) < generation:
        text = f"The disruption budget {name} is still being processed by the server."
        raise _caused(too_many_requests(_REFUSED, 10), text)
    prefix = f"The disruption budget {name} does not allow evicting pods currently"
    if allowed < 0:
        detail = "pdb disruptions allowed is negative"
        error = forbidden("poddisruptionbudget", "policy", name, detail)
        raise _caused(error, f"{prefix}: {detail}")
    disrupted = status.get("disruptedPods") or {}
    if len(disrupted) > _MAX_DISRUPTED:
        detail = "DisruptedPods map too big - too many evictions not confirmed by PDB controller"
        error = forbidden("poddisruptionbudget", "policy", name, detail)
        raise _caused(
            error, f"{prefix}: too many pending evictions not confirmed by PDB controller"
        )
    if allowed == 0:
        error = ApiError(429, "TooManyRequests", _REFUSED)
        raise _caused(error, _why_none(status, name, prefix))
    status["disruptionsAllowed"] = allowed - 1
    status["disruptedPods"] = {**disrupted, pod: timestamps.rfc3339(now)}
    if allowed == 1:
        kind, words = "DisruptionAllowed", ("InsufficientPods", "")
        condition = conditions.new(kind, "False", words, now, observedGeneration=generation)
        status["conditions"] = [*conditions.without(status.get("conditions"), kind), condition]


def _why_none(status: Object, name: str, prefix: str) -> str:
    known = conditions.find(status.get("conditions"), "DisruptionAllowed") or {}
    failed = known if known.get("status") == "False" else {}
    message, reason = failed.get("message"), failed.get("reason")
    if message and reason == "SyncFailed":
        return f"{prefix} because it failed sync: {message}"
    desired, current = status.get("desiredHealthy", 0), status.get("currentHealthy", 0)
    if current <= desired:
        return (
            f"The disruption budget {name} needs {desired} healthy pods and has {current} currently"
        )
    return f"{prefix} ({reason}): {message}" if message else prefix


async def _delete(ctx: Context, options: DeleteOptions) -> None:
    def marked(pod: Object) -> bool:
        if options.version and options.version != pod["metadata"]["resourceVersion"]:
            raise too_many_requests(_REFUSED, 10)
        now = timestamps.rfc3339(ctx.core.env.clock.now())
        set_condition(pod.setdefault("status", {}), _TARGET, now)
        return True

    if not ctx.dry_run:
        await change(ctx.core, ctx.serving, (ctx.info.namespace, ctx.info.name), marked)
        options = replace(options, version="")
    await delete_object(ctx.instead("delete"), options)

# SPDX-License-Identifier: Apache-2.0
"""The DisruptionTarget condition: says on a pod that the cluster, not the pod, ends it."""

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.client.types import STRATEGIC_MERGE_PATCH
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import PODS


async def mark_disrupted(
    context: Context, pod: Object, words: tuple[str, str] | None, phase: str = ""
) -> None:
    """Set the condition (reason, message) and, if given, the phase. Raises ApiError."""
    status: Object = {"phase": phase} if phase else {}
    if words is not None:
        condition = {
            "type": "DisruptionTarget",
            "status": "True",
            "reason": words[0],
            "message": words[1],
            "lastTransitionTime": rfc3339(context.env.clock.now()),
        }
        generation = pod["metadata"].get("generation")
        if generation:
            condition["observedGeneration"] = generation
        status["conditions"] = [condition]
    await context.client.patch(
        PODS,
        meta.name(pod),
        {"metadata": {"uid": meta.uid(pod)}, "status": status},
        meta.namespace(pod),
        patch_type=STRATEGIC_MERGE_PATCH,
        subresource="status",
    )

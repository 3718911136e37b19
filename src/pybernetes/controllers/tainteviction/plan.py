# SPDX-License-Identifier: Apache-2.0
"""Decides when a pod must leave its node. Pure."""

from collections.abc import Sequence

from pybernetes.apimachinery.types import Object
from pybernetes.apis.core.taints import no_execute_seconds


def eviction_time(
    taints: Sequence[Object], pod: Object, since: float | None, now: float
) -> float | None:
    """The time at which the pod must go; None: it may stay.

    `since`: when the clock of its tolerations began to run, if it runs already.
    """
    no_execute = [taint for taint in taints if taint.get("effect") == "NoExecute"]
    if not no_execute:
        return None
    seconds = no_execute_seconds(no_execute, pod["spec"].get("tolerations") or [])
    if seconds is None:
        return None
    if seconds == 0:
        return now
    return (now if since is None else since) + seconds

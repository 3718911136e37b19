# SPDX-License-Identifier: Apache-2.0
"""How long a finished Job may still stay. Pure."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object

_FINAL = {"Complete", "Failed"}


def left(job: Object, now: datetime.datetime) -> float | None:
    """Seconds (0 or less: now); None for a job without a limit, unfinished, or going already."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or meta.is_deleting(job):
        return None
    for condition in (job.get("status") or {}).get("conditions") or ():
        if condition["type"] in _FINAL and condition["status"] == "True":
            ended = parse(condition["lastTransitionTime"])
            return float(seconds - (now - ended).total_seconds())
    return None

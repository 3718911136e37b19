# SPDX-License-Identifier: Apache-2.0
"""Finished Jobs with ttlSecondsAfterFinished are deleted when their time is over."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.timestamps import parse
from pybernetes.apimachinery.types import Object
from pybernetes.apis.batch.job import end_of
from pybernetes.controllers.runtime.batches import delete_if_there
from pybernetes.controllers.runtime.controller import Context, Keyed
from pybernetes.controllers.runtime.resources import JOBS


def left(job: Object, now: datetime.datetime) -> float | None:
    """Seconds (0 or less: now); None for a job without a limit, unfinished, or going already."""
    seconds = job["spec"].get("ttlSecondsAfterFinished")
    if seconds is None or meta.is_deleting(job):
        return None
    end = end_of(job)
    if end is None:
        return None
    return float(seconds - (now - parse(end["lastTransitionTime"])).total_seconds())


class TtlAfterFinishedController(Keyed):
    def __init__(self, context: Context) -> None:
        super().__init__(context, context.informers.get(JOBS))
        self._follow(self._objects)

    async def _sync(self, key: str, job: Object) -> None:
        wait = left(job, self._now())
        if wait is None:
            return
        if wait > 0:
            self._queue.add_after(key, wait)
            return
        preconditions = {"uid": meta.uid(job), "resourceVersion": meta.resource_version(job)}
        options = {"propagationPolicy": "Foreground", "preconditions": preconditions}
        await delete_if_there(self._client, JOBS, job, **options)

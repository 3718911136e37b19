# SPDX-License-Identifier: Apache-2.0
"""Acts for CronJobs: makes Jobs when they are due, keeps status.active right, removes old Jobs."""

import datetime

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import Object
from pybernetes.client.frozen import copy_object
from pybernetes.controllers.cronjob import plan, schedule
from pybernetes.controllers.runtime import owners
from pybernetes.controllers.runtime.batches import delete_if_there, is_terminating_namespace
from pybernetes.controllers.runtime.controller import Context
from pybernetes.controllers.runtime.resources import CRON_JOBS, JOBS
from pybernetes.controllers.runtime.workload import Owning


class CronJobController(Owning):
    def __init__(self, context: Context) -> None:
        super().__init__(context, CRON_JOBS, "CronJob", JOBS)

    async def _sync(self, key: str, owner: Object) -> None:
        cron_job = copy_object(owner)
        jobs = self._owned.by_index(owners.BY_CONTROLLER, meta.uid(cron_job))
        status = cron_job.setdefault("status", {})
        self._look_at(cron_job, jobs)
        wait = None
        try:
            if not meta.is_deleting(cron_job) and not cron_job["spec"].get("suspend"):
                wait = await self._run_if_due(cron_job)
        except (ApiError, ConnectionError):
            await self._write_status(owner, status)
            raise
        await self._write_status(owner, status)
        for job in plan.too_old(cron_job, jobs):
            await self._delete(cron_job, job)
        if wait is not None:
            self._queue.add_after(key, wait)

    def _look_at(self, cron_job: Object, jobs: list[Object]) -> None:
        """Take what finished or went out of status.active."""
        status, by_uid = cron_job["status"], {meta.uid(job): job for job in jobs}
        kept = []
        for reference in status.get("active") or ():
            job = by_uid.get(reference.get("uid", ""))
            how = plan.finished(job) if job is not None else ""
            if how and job is not None:
                text = f"Saw completed job: {meta.name(job)}, condition: {how}"
                self._event(cron_job, "Normal", "SawCompletedJob", text)
            elif job is not None or self._is_new(reference):
                kept.append(reference)
            else:
                text = f"Active job went missing: {reference['name']}"
                self._event(cron_job, "Normal", "MissingJob", text)
        status["active"] = kept
        good = [job for job in jobs if plan.finished(job) == "Complete"]
        newest = plan.last_success(status, good)
        if newest:
            status["lastSuccessfulTime"] = newest

    def _is_new(self, reference: Object) -> bool:
        """True if the cache has not come as far as the job's creation."""
        seen, made = self._owned.resource_version, reference.get("resourceVersion", "")
        return seen.isdigit() and made.isdigit() and int(seen) < int(made)

    async def _run_if_due(self, cron_job: Object) -> float | None:
        """Seconds until the next run. Raises ApiError."""
        spec, status = cron_job["spec"], cron_job["status"]
        try:
            times = schedule.parse(spec["schedule"], spec.get("timeZone") or "")
        except schedule.ScheduleError as error:
            self._event(cron_job, "Warning", *error.args)
            return None
        due = plan.due(cron_job, times, self._now())
        if due.missed:
            text = "too many missed start times. Set or decrease .spec.startingDeadlineSeconds"
            self._event(cron_job, "Warning", "TooManyMissedTimes", f"{text} or check clock skew")
        if due.too_late:
            when = due.too_late.strftime("%a, %d %b %Y %H:%M:%S +0000")
            text = f"Missed scheduled time to start a job: {when}"
            self._event(cron_job, "Warning", "MissSchedule", text)
        if due.time is None:
            return due.next
        if spec.get("concurrencyPolicy") == "Forbid" and status["active"]:
            text = "Not starting job because prior execution is running and concurrency policy is Forbid"
            self._event(cron_job, "Normal", "JobAlreadyActive", text)
            return due.next
        if spec.get("concurrencyPolicy") == "Replace":
            for reference in list(status["active"]):
                job = self._owned.find(meta.namespace(cron_job), reference["name"])
                if job is not None:
                    await self._delete(cron_job, job)
                status["active"].remove(reference)
        await self._start(cron_job, due.time)
        return due.next

    async def _start(self, cron_job: Object, moment: datetime.datetime) -> None:
        wanted, namespace = plan.new_job(cron_job, moment), meta.namespace(cron_job)
        try:
            job = await self._client.create(JOBS, wanted, namespace)
        except ApiError as error:
            if is_terminating_namespace(error):
                return
            if error.reason != "AlreadyExists":
                self._event(cron_job, "Warning", "FailedCreate", f"Error creating job: {error}")
                raise
            job = await self._client.get(JOBS, meta.name(wanted), namespace)
            known = [one["uid"] for one in cron_job["status"]["active"]]
            if not meta.is_controlled_by(job, cron_job) or meta.uid(job) in known:
                return
        else:
            text = f"Created job {meta.name(job)}"
            self._event(cron_job, "Normal", "SuccessfulCreate", text)
        if not plan.finished(job):
            cron_job["status"]["active"].append(meta.object_reference(job))
        cron_job["status"]["lastScheduleTime"] = rfc3339(moment)

    async def _delete(self, cron_job: Object, job: Object) -> None:
        try:
            there = await delete_if_there(self._client, JOBS, job, propagationPolicy="Background")
        except ApiError as error:
            self._event(cron_job, "Warning", "FailedDelete", f"Deleted job: {error}")
            raise
        if there:
            self._event(cron_job, "Normal", "SuccessfulDelete", f"Deleted job {meta.name(job)}")

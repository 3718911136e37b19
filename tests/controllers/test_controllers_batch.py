# SPDX-License-Identifier: Apache-2.0
"""Jobs and CronJobs over the real API server, in virtual time; the test decides how pods end."""

import asyncio
import datetime

from pybernetes.apimachinery.timestamps import rfc3339
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.controllers.cronjob import schedule
from pybernetes.controllers.job import indexes

JOBS = GVR("batch", "v1", "jobs")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
PODS = GVR("", "v1", "pods")


def job(name: str = "work", restart: str = "Never", **spec: object) -> Object:
    template = {
        "spec": {"restartPolicy": restart, "containers": [{"name": "c", "image": "i"}]},
    }
    metadata = {"name": name}
    spec = {"template": template, **spec}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": spec}


async def end(cluster, pod: Object, phase: str, code: int = 0) -> None:
    now = rfc3339(cluster.env.clock.now())
    state = {"terminated": {"exitCode": code, "startedAt": now, "finishedAt": now}}
    container = {"name": "c", "image": "i", "imageID": "", "ready": False, "restartCount": 0}
    status = {"phase": phase, "containerStatuses": [container | {"state": state}]}
    name = pod["metadata"]["name"]
    await cluster.client.patch(PODS, name, {"status": status}, "default", subresource="status")


async def live(cluster) -> list[Object]:
    pods = await cluster.list(PODS)
    over = ("Succeeded", "Failed")
    return [pod for pod in pods if (pod.get("status") or {}).get("phase") not in over]


async def some(cluster, count: int) -> list[Object]:
    async def check() -> list[Object]:
        pods = await live(cluster)
        running = [pod for pod in pods if pod.get("status", {}).get("phase") == "Running"]
        return running if len(running) == count == len(pods) else []

    return await cluster.eventually(check)


async def condition(cluster, kind: str, name: str = "work") -> Object:
    async def check() -> Object | None:
        status = (await cluster.client.get(JOBS, name, "default")).get("status") or {}
        for one in status.get("conditions") or ():
            if one["type"] == kind and one["status"] == "True":
                return status | {"reason": one["reason"], "message": one["message"]}
        return None

    return await cluster.eventually(check)


def test_a_job_counts_its_pods_once_and_completes(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(JOBS, job(completions=3, parallelism=2))
        for _ in range(2):
            await end(cluster, (await some(cluster, 2))[0], "Succeeded")
        await end(cluster, (await some(cluster, 1))[0], "Succeeded")
        status = await condition(cluster, "Complete")
        assert status["succeeded"] == 3
        assert status["completionTime"]
        assert status["reason"] == "CompletionsReached"
        assert not status.get("uncountedTerminatedPods")
        pods = await cluster.list(PODS)
        assert len(pods) == 3
        assert not any(pod["metadata"].get("finalizers") for pod in pods)

    in_cluster(main)


def test_failures_back_off_until_the_limit(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(JOBS, job(backoffLimit=1))
        start = cluster.env.clock.monotonic()
        await end(cluster, (await some(cluster, 1))[0], "Failed", 3)
        (second,) = await some(cluster, 1)
        assert cluster.env.clock.monotonic() - start >= 10
        await end(cluster, second, "Failed", 3)
        status = await condition(cluster, "Failed")
        assert (status["failed"], status["reason"]) == (2, "BackoffLimitExceeded")
        assert await live(cluster) == []

    in_cluster(main)


def test_an_indexed_job_runs_every_index_once(in_cluster) -> None:
    async def main(cluster) -> None:
        spec = {"completions": 4, "parallelism": 4, "completionMode": "Indexed"}
        await cluster.create(JOBS, job(**spec))
        pods = await some(cluster, 4)
        numbers = sorted(indexes.index_of(pod) for pod in pods)
        assert numbers == [0, 1, 2, 3]
        first = next(pod for pod in pods if indexes.index_of(pod) == 0)
        assert first["spec"]["hostname"] == "work-0"
        assert first["metadata"]["name"].startswith("work-0-")
        names = [one["name"] for one in first["spec"]["containers"][0]["env"]]
        assert names == ["JOB_COMPLETION_INDEX"]
        for pod in pods:
            await end(cluster, pod, "Succeeded")
        status = await condition(cluster, "Complete")
        assert status["completedIndexes"] == "0-3"

    in_cluster(main)


def test_a_limit_per_index_fails_that_index_and_the_job_at_its_end(in_cluster) -> None:
    async def main(cluster) -> None:
        spec = {"completions": 2, "parallelism": 2, "completionMode": "Indexed"}
        await cluster.create(JOBS, job(**spec, backoffLimitPerIndex=0))
        for pod in await some(cluster, 2):
            await end(cluster, pod, "Failed" if indexes.index_of(pod) else "Succeeded", 1)
        status = await condition(cluster, "Failed")
        assert status["reason"] == "FailedIndexes"
        assert (status["completedIndexes"], status["failedIndexes"]) == ("0", "1")

    in_cluster(main)


def test_pod_failure_policy_ends_the_job_or_ignores(in_cluster) -> None:
    rules = [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onExitCodes": {"operator": "In", "values": [7]}},
    ]

    async def main(cluster) -> None:
        policy = {"rules": rules}
        await cluster.create(JOBS, job(backoffLimit=0, podFailurePolicy=policy))
        await end(cluster, (await some(cluster, 1))[0], "Failed", 7)
        (second,) = await some(cluster, 1)
        await end(cluster, second, "Failed", 42)
        status = await condition(cluster, "Failed")
        assert status["reason"] == "PodFailurePolicy"
        assert "failed with exit code 42 matching FailJob rule at index 0" in status["message"]
        assert status["failed"] == 1

    in_cluster(main)


def test_a_success_policy_ends_the_job_early(in_cluster) -> None:
    async def main(cluster) -> None:
        spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed"}
        policy = {"rules": [{"succeededIndexes": "1"}]}
        await cluster.create(JOBS, job(**spec, successPolicy=policy))
        pods = await some(cluster, 3)
        await end(cluster, next(p for p in pods if indexes.index_of(p) == 1), "Succeeded")
        status = await condition(cluster, "Complete")
        assert status["reason"] == "SuccessPolicy"
        assert await live(cluster) == []

    in_cluster(main)


def test_suspended_jobs_have_no_pods_and_no_start(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(JOBS, job(suspend=True))
        status = await condition(cluster, "Suspended")
        assert "startTime" not in status
        assert await live(cluster) == []
        await cluster.client.patch(JOBS, "work", {"spec": {"suspend": False}}, "default")
        await some(cluster, 1)
        status = (await cluster.client.get(JOBS, "work", "default"))["status"]
        assert status["startTime"]

    in_cluster(main)


def test_the_deadline_ends_a_job_and_its_time_to_live_removes_it(in_cluster) -> None:
    async def main(cluster) -> None:
        spec = {"activeDeadlineSeconds": 30, "ttlSecondsAfterFinished": 100}
        cluster.grace = 5.0  # meanwhile the controller waits too
        bound = job(**spec)
        bound["spec"]["template"]["spec"]["nodeName"] = "n1"
        await cluster.create(JOBS, bound)
        await some(cluster, 1)
        status = await condition(cluster, "Failed")
        assert status["reason"] == "DeadlineExceeded"
        queue = {"name": "job-controller"}
        adds = cluster.env.metrics.get_sample_value("workqueue_adds_total", queue)
        assert adds < 30, "it does not run in circles while pods end"
        await asyncio.sleep(50)
        assert not await cluster.gone(JOBS, "work")
        await cluster.eventually(lambda: cluster.gone(JOBS, "work"))

    in_cluster(main)


def cron_job(expression: str, **spec: object) -> Object:
    template = {"spec": job()["spec"]}
    spec = {"schedule": expression, "jobTemplate": template, **spec}
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": {"name": "tick"},
        "spec": spec,
    }


def test_a_cron_job_runs_every_minute_and_keeps_a_short_history(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(CRON_JOBS, cron_job("*/1 * * * *", successfulJobsHistoryLimit=2))
        for _ in range(4):
            (pod,) = await some(cluster, 1)
            tick = await cluster.client.get(CRON_JOBS, "tick", "default")
            assert len(tick["status"]["active"]) == 1
            await end(cluster, pod, "Succeeded")
        await asyncio.sleep(5)
        jobs = await cluster.list(JOBS)
        assert len(jobs) == 2
        tick = await cluster.client.get(CRON_JOBS, "tick", "default")
        assert tick["status"]["lastScheduleTime"]
        assert tick["status"]["lastSuccessfulTime"]
        assert not tick["status"].get("active")

    in_cluster(main)


def test_concurrency_forbid_waits_and_replace_replaces(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(CRON_JOBS, cron_job("*/1 * * * *", concurrencyPolicy="Forbid"))
        await some(cluster, 1)
        await asyncio.sleep(180)
        (first,) = await cluster.list(JOBS)
        patch = {"spec": {"concurrencyPolicy": "Replace"}}
        await cluster.client.patch(CRON_JOBS, "tick", patch, "default")
        await asyncio.sleep(70)
        (other,) = await cluster.list(JOBS)
        assert other["metadata"]["uid"] != first["metadata"]["uid"]

    in_cluster(main)


def test_schedules_are_read_as_upstream_reads_them() -> None:
    start = datetime.datetime(2026, 3, 28, 23, 30, tzinfo=datetime.UTC)

    def times(text: str, zone: str = "", count: int = 2) -> list[str]:
        found = schedule.parse(text, zone).after(start)
        return [next(found).strftime("%d %H:%M") for _ in range(count)]

    assert times("0 * * * *") == ["29 00:00", "29 01:00"]
    assert times("@daily") == ["29 00:00", "30 00:00"]
    assert times("@every 1h30m") == ["29 01:00", "29 02:30"]
    assert times("30 6 ? * 1-5") == ["30 06:30", "31 06:30"]
    assert times("0 12 * * *", "Asia/Seoul") == ["29 03:00", "30 03:00"]
    for wrong in ("* * * *", "61 * * * *", "@never", "0 0 * * * *"):
        try:
            schedule.parse(wrong)
        except schedule.ScheduleError:
            continue
        raise AssertionError(wrong)


def test_indexes_are_written_as_ranges() -> None:
    assert indexes.render({0, 1, 3, 4, 5, 9}) == "0,1,3-5,9"
    assert indexes.parse("0,1,3-5,9", 9) == {0, 1, 3, 4, 5}
    assert indexes.render(()) == ""

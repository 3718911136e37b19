# SPDX-License-Identifier: Apache-2.0
"""Forks of a running cluster: the same at first, then each on its own."""

import asyncio
import shutil
import ssl
import threading
from collections.abc import AsyncIterator
from typing import Any
from urllib.request import urlopen

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.types import GVR, User
from pybernetes.base.env import Env
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from pybernetes.client.types import Client
from pybernetes.simulation.world import World, simulate
from pybernetes.storage.types import Op
from pybernetes.testing.cluster import Cluster, parse_stages, served
from pybernetes.wire.types import Request

CONFIG_MAPS = GVR("", "v1", "configmaps")
DEPLOYMENTS = GVR("apps", "v1", "deployments")
CRON_JOBS = GVR("batch", "v1", "cronjobs")
JOBS = GVR("batch", "v1", "jobs")
NAMESPACES = GVR("", "v1", "namespaces")
NODES = GVR("", "v1", "nodes")
PODS = GVR("", "v1", "pods")


def named(name: str, **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, **more}


def pod(name: str) -> dict[str, Any]:
    return named(name, spec={"containers": [{"name": "web", "image": "example.org/web:1"}]})


def bound(name: str, node: str) -> dict[str, Any]:
    made = pod(name)
    made["spec"]["nodeName"] = node
    return made


def deployment(replicas: int) -> dict[str, Any]:
    template = {"metadata": {"labels": {"app": "web"}}, "spec": pod("web")["spec"]}
    spec = {"replicas": replicas, "selector": {"matchLabels": {"app": "web"}}, "template": template}
    return named("web", spec=spec)


async def running(client: Client, name: str = "p") -> dict[str, Any]:
    async with asyncio.timeout(20):
        async for event in client.watch(PODS, "default"):
            found = event.object
            if found["metadata"]["name"] == name and found["status"].get("phase") == "Running":
                return found
    raise AssertionError


async def available(client: Client, count: int, namespace: str = "default") -> None:
    async with asyncio.timeout(20):
        async for event in client.watch(DEPLOYMENTS, namespace):
            if event.object.get("status", {}).get("availableReplicas") == count:
                return


@pytest.fixture
async def origin() -> AsyncIterator[Cluster]:
    async with Cluster(nodes=2) as cluster:
        await cluster.wait_working()
        yield cluster


async def everything(cluster: Cluster) -> dict[str, tuple[int, bytes]]:
    page = await cluster.store.list("/")
    return {record.key: (record.revision, record.value) for record in page.records}


async def test_a_fork_has_the_same_objects_at_the_same_revisions(origin: Cluster) -> None:
    await origin.client().create(PODS, pod("p"), "default")
    before = await running(origin.client())
    fork = origin.fork()
    assert await everything(fork) == await everything(origin)
    assert fork.store.revision == origin.store.revision
    # answered without a running task of its own
    assert await fork.client().get(PODS, "p", "default") == before
    listed = await fork.client().list(PODS, "default", label_selector="x=y")
    assert listed.items == []
    await fork.store.close()


async def test_a_fork_knows_what_its_origins_cache_has_still_to_see(origin: Cluster) -> None:
    record = await origin.store.get("/registry/namespaces/default")
    assert record is not None
    value = record.value.replace(b'"metadata":{', b'"metadata":{"labels":{"a":"b"},', 1)
    writing = asyncio.ensure_future(origin.store.write([Op(record.key, value)]))
    while (now := await origin.store.get(record.key)) == record:  # noqa: ASYNC110  (one turn)
        await asyncio.sleep(0)
    assert now is not None
    assert origin.control_plane.api.core.feed.revision < now.revision
    fork = origin.fork()
    found = await fork.client().get(NAMESPACES, "default")
    assert found["metadata"]["resourceVersion"] == str(now.revision)
    await writing
    await fork.store.close()


async def test_writes_revisions_and_watches_stay_on_their_side(origin: Cluster) -> None:
    client = origin.client()
    await client.create(CONFIG_MAPS, named("both", data={"side": "none"}), "default")
    async with origin.fork() as fork:
        sides = {"origin": client, "fork": fork.client()}
        seen: dict[str, list[tuple[str, str]]] = {side: [] for side in sides}

        async def follow(side: str) -> None:
            async for event in sides[side].watch(CONFIG_MAPS, "default"):
                data = event.object.get("data") or {}
                seen[side].append((event.object["metadata"]["name"], data.get("side", "")))
                if ("last", side) in seen[side]:
                    return

        watching = [asyncio.ensure_future(follow(side)) for side in sides]
        made: dict[str, list[str]] = {side: [] for side in sides}
        for side, its in sides.items():
            await its.patch(CONFIG_MAPS, "both", {"data": {"side": side}}, "default")
            for name in (f"only-{side}", "last"):
                obj = await its.create(CONFIG_MAPS, named(name, data={"side": side}), "default")
                made[side].append(obj["metadata"]["uid"])
            await its.delete(CONFIG_MAPS, f"only-{side}", "default")
        async with asyncio.timeout(10):
            await asyncio.gather(*watching)
        for side, other in (("origin", "fork"), ("fork", "origin")):
            assert (await sides[side].get(CONFIG_MAPS, "both", "default"))["data"]["side"] == side
            assert ("both", side) in seen[side]
            assert other not in {found for _, found in seen[side]}
            with pytest.raises(ApiError, match="not found"):
                await sides[side].get(CONFIG_MAPS, f"only-{other}", "default")
        assert not set(made["origin"]) & set(made["fork"])


async def test_nothing_runs_in_a_fork_until_somebody_writes_or_watches(origin: Cluster) -> None:
    async with origin.fork() as fork:
        asked: list[Request] = []
        handler = fork.control_plane.api.handler
        revision = fork.store.revision

        def recorded(request: Request) -> Any:
            asked.append(request)
            return handler(request)

        await fork.client().list(PODS)
        await asyncio.sleep(0.1)
        assert not fork.control_plane.awake.is_set()
        assert (fork.store.revision, fork.fleet.kubelets) == (revision, {})
        fork.control_plane.handler = recorded
        fork.control_plane.awake.set()
        await fork.client().create(DEPLOYMENTS, deployment(3), "default")
        await available(fork.client(), 3)
        watches = [request for request in asked if "watch=" in request.query]
        assert watches
        relisted = [r.path for r in watches if "sendInitialEvents" in r.query]
        lists = [r.path for r in asked if r.method == "GET" and "watch=" not in r.query]
        assert relisted == []
        assert {path for path in lists if path.endswith("s")} <= {
            "/apis"
        }  # the garbage collector's
    with pytest.raises(ApiError, match="not found"):
        await origin.client().get(DEPLOYMENTS, "web", "default")


async def test_a_fork_does_nothing_per_object(origin: Cluster) -> None:
    await origin.client().create(PODS, pod("p"), "default")
    await running(origin.client())
    fork = origin.fork()
    pairs: list[tuple[Any, Any]] = [(origin.store, fork.store)]
    ours, theirs = (cluster.control_plane.api.resources for cluster in (origin, fork))
    pairs += [
        (one.cache, other.cache) for one, other in zip(ours, theirs, strict=True) if one.stored
    ]
    for which in (lambda plane: plane.manager.informers, lambda plane: plane._watched):
        known = which(fork.control_plane)._known
        for scope, informer in which(origin.control_plane)._informers.items():
            copy = known[scope]
            pairs.append((informer, copy))
            pairs += [
                (informer._indexes[name].keys, index.keys) for name, index in copy._indexes.items()
            ]
    assert len(pairs) > 100
    for one, other in pairs:
        for name in one._COMMON:
            assert getattr(other, name) is getattr(one, name), (one, name)
    await fork.store.close()


async def test_controllers_with_nothing_to_do_have_no_tasks(origin: Cluster) -> None:
    before = asyncio.all_tasks()
    async with origin.fork() as fork:
        manager = fork.control_plane.manager
        await fork.wait_working()
        assert len(manager.asleep) >= 20
        await fork.client().create(DEPLOYMENTS, deployment(1), "default")
        await available(fork.client(), 1)
        assert {"deployment-controller", "replicaset-controller"} <= set(manager.running)
        idle = {"cronjob-controller", "token-cleaner-controller"}
        assert idle <= set(manager.asleep)
        assert not idle & {task.get_name() for task in asyncio.all_tasks() - before}
    assert asyncio.all_tasks() <= before


async def test_who_sleeps_in_a_fork_wakes_for_what_it_looks_at(origin: Cluster) -> None:
    async def gone(gvr: GVR, namespace: str, name: str = "") -> None:
        async with asyncio.timeout(20):
            while True:
                found = (await client.list(gvr, namespace)).items
                if not [one for one in found if name in ("", one["metadata"]["name"])]:
                    return
                await asyncio.sleep(0.02)

    async with origin.fork() as fork:
        client = fork.client()
        await client.create(NAMESPACES, named("other"))
        await client.create(DEPLOYMENTS, deployment(2), "other")
        await available(client, 2, "other")
        await client.delete(DEPLOYMENTS, "web", "other")
        await gone(PODS, "other")  # by the garbage collector
        await client.delete(NAMESPACES, "other")
        await gone(NAMESPACES, "", "other")


async def test_work_that_was_begun_is_done_on_both_sides(origin: Cluster) -> None:
    picky = pod("picky")
    picky["spec"]["nodeSelector"] = {"disk": "ssd"}
    await origin.client().create(PODS, picky, "default")
    await origin.client().create(DEPLOYMENTS, deployment(2), "default")
    async with origin.fork() as fork:  # before anybody has looked at them
        await available(fork.client(), 2)
        await fork.client().patch(NODES, "hollow-1", {"metadata": {"labels": {"disk": "ssd"}}})
        assert (await running(fork.client(), "picky"))["spec"]["nodeName"] == "hollow-1"
    await available(origin.client(), 2)
    assert "nodeName" not in (await origin.client().get(PODS, "picky", "default"))["spec"]


def test_what_waits_for_its_time_comes_in_the_fork_too() -> None:
    """A finished Job's time to live ends, and a CronJob is due, while their controllers sleep."""

    async def scenario(world: World) -> list[Any]:
        never = {"containers": pod("p")["spec"]["containers"], "restartPolicy": "Never"}
        job = {"ttlSecondsAfterFinished": 100, "template": {"spec": never}}
        await world.client.create(JOBS, named("once", spec=job), "default")
        every = {"schedule": "*/20 * * * *", "jobTemplate": {"spec": {"template": {"spec": never}}}}
        await world.client.create(CRON_JOBS, named("often", spec=every), "default")
        await asyncio.sleep(60)
        async with world.cluster.fork() as fork:
            await fork.wait_working()
            found: list[Any] = [sorted(fork.control_plane.manager.asleep)]
            for seconds in (0, 100, 1200):
                await asyncio.sleep(seconds)
                for client in (world.client, fork.client()):
                    jobs = (await client.list(JOBS, "default")).items
                    found.append([job["metadata"]["name"].split("-")[0] for job in jobs])
        return found

    stages = parse_stages("stages:\n- run: {for: 5s}\n")
    asleep, *found = simulate(scenario, seed=4, stages=stages)
    assert {"ttl-after-finished-controller", "cronjob-controller"} <= set(asleep)
    assert found == [["once"], ["once"], [], [], ["often"], ["often"]]


async def test_what_did_not_change_is_shared_and_what_changes_is_not(origin: Cluster) -> None:
    client = origin.client()
    for number in range(20):
        name = f"c{number}"
        made = {"metadata": {"name": name, "labels": {"parity": str(number % 2)}}}
        await client.create(CONFIG_MAPS, made, "default")
    await client.list(CONFIG_MAPS, label_selector="parity=1")  # makes the index
    async with origin.fork() as fork:
        ours, theirs = (
            cluster.control_plane.api.resources.find(CONFIG_MAPS).cache
            for cluster in (origin, fork)
        )
        assert theirs.entries is ours.entries
        await fork.client().delete(CONFIG_MAPS, "c1", "default")
        await client.patch(CONFIG_MAPS, "c2", {"metadata": {"labels": {"parity": "1"}}}, "default")

        async def odd(cluster: Cluster) -> list[str]:
            found = await cluster.client().list(CONFIG_MAPS, label_selector="parity=1")
            return sorted(item["metadata"]["name"] for item in found.items)

        odds = sorted(f"c{number}" for number in range(1, 20, 2))
        assert await odd(origin) == sorted([*odds, "c2"])
        assert await odd(fork) == [name for name in odds if name != "c1"]
        assert theirs.entries is not ours.entries
        assert theirs.entries["default/c3"] is ours.entries["default/c3"]


async def test_pods_go_on_and_nodes_are_each_sides_own(origin: Cluster) -> None:
    await origin.client().create(PODS, pod("p"), "default")
    before = await running(origin.client())
    async with origin.fork() as fork:
        await fork.wait_working()
        fork.fleet.stop("hollow-0")
        assert ("hollow-0" in fork.fleet.kubelets, len(origin.fleet.kubelets)) == (False, 2)
        async with fork.fork() as second:
            await second.client().create(PODS, bound("r", "hollow-1"), "default")
            await running(second.client(), "r")
            assert list(second.fleet.kubelets) == ["hollow-1"]
        await origin.client().delete(PODS, "p", "default", options={"gracePeriodSeconds": 0})
        await fork.client().create(PODS, bound("q", "hollow-1"), "default")
        await running(fork.client(), "q")
        after = await fork.client().get(PODS, "p", "default")
        assert after["metadata"]["uid"] == before["metadata"]["uid"]
        assert after["status"]["containerStatuses"] == before["status"]["containerStatuses"]


def test_nodes_with_nothing_to_do_sleep_and_are_not_missed() -> None:
    async def scenario(world: World) -> Any:
        await world.client.create(PODS, bound("q", "hollow-5"), "default")
        await world.client.create(PODS, bound("r", "hollow-7"), "default")
        await running(world.client, "q")
        await running(world.client, "r")
        await world.client.create(PODS, bound("s", "hollow-8"), "default")
        async with world.cluster.fork() as fork:
            await fork.client().create(PODS, bound("p", "hollow-3"), "default")
            await fork.client().delete(PODS, "q", "default")
            await running(fork.client())
            await running(fork.client(), "s")
            names = [pod["metadata"]["name"] for pod in (await fork.client().list(PODS)).items]
            woken = sorted(fork.fleet.kubelets)
            await asyncio.sleep(100)  # a node that says nothing is NotReady after 40 s
            nodes = (await fork.client().list(NODES)).items
            taints = {str(one["spec"].get("taints")) for one in nodes}
            return names, woken, len(fork.fleet.kubelets), taints

    names, woken, count, taints = simulate(scenario, nodes=10)
    assert names == ["p", "r", "s"]
    assert woken == ["hollow-3", "hollow-5", "hollow-8"]
    assert (count, taints) == (10, {"None"})


def test_containers_that_were_to_end_do_in_the_fork_too() -> None:
    async def scenario(world: World) -> list[Any]:
        never = pod("p")
        never["spec"]["restartPolicy"] = "Never"
        await world.client.create(PODS, never, "default")
        await asyncio.sleep(20)
        found = []
        async with world.cluster.fork() as fork:
            await fork.wait_working()
            for seconds in (0, 25):
                await asyncio.sleep(seconds)
                for client in (world.client, fork.client()):
                    status = (await client.get(PODS, "p", "default"))["status"]
                    ended = status["containerStatuses"][0]["state"].get("terminated", {})
                    found.append((status["phase"], ended.get("finishedAt"), fork.store.revision))
        return found

    stages = parse_stages("stages:\n- run: {for: 30s}\n")
    runs = [simulate(scenario, seed=4, stages=stages) for _ in range(2)]
    phases = [phase for phase, *_ in runs[0]]
    assert phases == ["Running", "Running", "Succeeded", "Succeeded"]
    assert runs[0][2] == runs[0][3]  # at the same moment
    assert runs[0] == runs[1]


def test_a_fork_may_live_on_another_loop() -> None:
    with asyncio.Runner() as first, asyncio.Runner() as second:
        origin = Cluster(nodes=1)
        first.run(origin.__aenter__())
        first.run(origin.wait_working())

        async def use() -> str:
            async with origin.fork() as fork:
                await fork.client().create(PODS, pod("p"), "default")
                return str((await running(fork.client()))["spec"]["nodeName"])

        assert second.run(use()) == "hollow"
        assert first.run(origin.client().list(PODS)).items == []
        first.run(origin.__aexit__(None, None, None))


async def test_a_cluster_is_not_used_on_another_loop(origin: Cluster) -> None:
    async def use() -> None:
        origin.client()

    with pytest.raises(RuntimeError, match="another event loop"):
        await asyncio.to_thread(asyncio.run, use())


def test_a_fork_in_a_thread_for_programs_that_wait() -> None:
    with asyncio.Runner() as runner:
        origin = Cluster(nodes=1)
        runner.run(origin.__aenter__())
        runner.run(origin.wait_working())
        threads = threading.active_count()
        for _ in range(2):
            with served(origin.fork()) as path:  # it answers while no loop runs here
                server = kubeconfig.load(path).server
                insecure = ssl.create_default_context()
                insecure.check_hostname, insecure.verify_mode = False, ssl.CERT_NONE
                assert urlopen(f"{server}/readyz", context=insecure).read() == b"ok"
            assert not path.exists()
        used = origin.fork()
        with served(used), pytest.raises(RuntimeError, match="before"), served(used):
            pass
        assert threading.active_count() == threads
        runner.run(origin.__aexit__(None, None, None))


async def test_rbac_and_logs_work_in_a_fork() -> None:
    stages = parse_stages("stages:\n- logs: [hello]\n")
    async with Cluster(nodes=1, stages=stages) as origin:
        await origin.wait_working()
        await origin.client().create(PODS, pod("p"), "default")
        await running(origin.client())
        async with origin.fork() as fork:
            nobody = fork.client(User("alice", ("system:authenticated",)))
            with pytest.raises(ApiError, match="forbidden"):
                await nobody.list(PODS)
            path = "/api/v1/namespaces/default/pods/p/log"
            reply = await fork.client().send(Request("GET", path, path))
            text = b"".join([chunk async for chunk in reply.chunks])  # type: ignore[union-attr]
            assert text == b"hello\n"


async def test_only_a_cluster_that_serves_is_forked() -> None:
    with pytest.raises(RuntimeError, match="only a cluster that serves"):
        Cluster().fork()


async def test_a_kubeconfig_for_programs(origin: Cluster) -> None:
    async with origin.fork() as fork:
        path = await fork.kubeconfig()
        assert path == await fork.kubeconfig()
        assert path.stat().st_mode & 0o77 == 0
        client = Https(Env(), kubeconfig.load(path))
        try:
            await client.create(CONFIG_MAPS, named("over-https"), "default")
            wrong = Https(Env(), kubeconfig.load(await origin.kubeconfig()))
            with pytest.raises(ApiError, match="not found"):
                await wrong.get(CONFIG_MAPS, "over-https", "default")
            await wrong.close()
        finally:
            await client.close()
    assert not path.exists()


@pytest.mark.kubectl
async def test_kubectl_works_with_a_fork(origin: Cluster) -> None:
    await origin.client().create(PODS, pod("p"), "default")
    await running(origin.client())
    async with origin.fork() as fork:
        kubectl = shutil.which("kubectl")
        assert kubectl
        words = ("--kubeconfig", str(await fork.kubeconfig()), "get", "pods,nodes", "-o", "name")
        process = await asyncio.create_subprocess_exec(
            kubectl, *words, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert out.decode().split() == ["pod/p", "node/hollow-0", "node/hollow-1"]

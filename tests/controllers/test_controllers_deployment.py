# SPDX-License-Identifier: Apache-2.0
"""Deployments over the real API server: rollouts, scaling, revisions, deadlines."""

from pybernetes.apimachinery.types import GVR, Object

DEPLOYMENTS = GVR("apps", "v1", "deployments")
REPLICA_SETS = GVR("apps", "v1", "replicasets")
PODS = GVR("", "v1", "pods")
EVENTS = GVR("", "v1", "events")


def deployment(image: str = "one", replicas: int = 3, **spec: object) -> Object:
    labels = {"app": "web"}
    containers = [{"name": "web", "image": image}]
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "web"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": containers}},
            **spec,
        },
    }


def condition(obj: Object, kind: str) -> Object:
    found = [one for one in obj["status"].get("conditions", []) if one["type"] == kind]
    return found[0] if found else {}


def image_patch(image: str) -> Object:
    containers = [{"name": "web", "image": image}]
    return {"spec": {"template": {"spec": {"containers": containers}}}}


async def complete(cluster, replicas: int):
    async def check():
        found = await cluster.client.get(DEPLOYMENTS, "web", "default")
        status = found.get("status", {})
        if status.get("observedGeneration") != found["metadata"]["generation"]:
            return None
        counts = {status.get(key, 0) for key in ("replicas", "updatedReplicas", "readyReplicas")}
        done = condition(found, "Progressing").get("reason") == "NewReplicaSetAvailable"
        return found if counts == {replicas} and done else None

    return await cluster.eventually(check)


def test_rolls_out_rolls_on_and_rolls_back(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(DEPLOYMENTS, deployment())
        found = await complete(cluster, 3)
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "1"
        assert condition(found, "Available")["reason"] == "MinimumReplicasAvailable"
        sizes: list[int] = []

        async def watch_sizes():
            pods = await cluster.list(PODS)
            sizes.append(len([pod for pod in pods if not pod["metadata"].get("deletionTimestamp")]))
            return await second()

        async def second():
            found = await cluster.client.get(DEPLOYMENTS, "web", "default")
            return found["status"].get("updatedReplicas") == found["status"].get("replicas") == 3

        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
        await cluster.eventually(watch_sizes)
        await complete(cluster, 3)
        assert max(sizes) <= 4  # maxSurge 25 % of 3, rounded up
        assert min(sizes) >= 3  # maxUnavailable 25 % of 3, rounded down
        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("one"), "default")
        found = await complete(cluster, 3)
        assert found["metadata"]["annotations"]["deployment.kubernetes.io/revision"] == "3"
        sets = await cluster.list(REPLICA_SETS)
        assert sorted(one["spec"]["replicas"] for one in sets) == [0, 3]
        history = [
            one["metadata"]["annotations"].get("deployment.kubernetes.io/revision-history")
            for one in sets
        ]
        assert "1" in history
        messages = [event["message"] for event in await cluster.list(EVENTS)]
        first = next(one for one in sets if one["spec"]["replicas"] == 3)
        name = first["metadata"]["name"]
        assert f"Scaled up replica set {name} from 0 to 3" in messages

    in_cluster(main)


def test_recreate_waits_for_old_pods(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.grace = 20.0
        await cluster.create(DEPLOYMENTS, deployment(strategy={"type": "Recreate"}))
        await complete(cluster, 3)
        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("two"), "default")
        images: list[set[str]] = []

        async def check():
            pods = await cluster.list(PODS)
            images.append({pod["spec"]["containers"][0]["image"] for pod in pods})
            return images[-1] == {"two"}

        await cluster.eventually(check)
        assert {"one", "two"} not in images
        await complete(cluster, 3)

    in_cluster(main)


def test_reports_a_deadline_that_passed_and_recovers(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.ready = lambda pod: pod["spec"]["containers"][0]["image"] != "broken"
        await cluster.create(DEPLOYMENTS, deployment(progressDeadlineSeconds=60))
        await complete(cluster, 3)
        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("broken"), "default")

        async def timed_out():
            found = await cluster.client.get(DEPLOYMENTS, "web", "default")
            return condition(found, "Progressing").get("reason") == "ProgressDeadlineExceeded"

        await cluster.eventually(timed_out, 90)
        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("fine"), "default")
        await complete(cluster, 3)

    in_cluster(main)


def test_scales_proportionally_in_the_middle_of_a_rollout(in_cluster) -> None:
    async def main(cluster) -> None:
        cluster.ready = lambda pod: pod["spec"]["containers"][0]["image"] != "broken"
        rolling = {"rollingUpdate": {"maxSurge": 3, "maxUnavailable": 2}}
        await cluster.create(DEPLOYMENTS, deployment(replicas=10, strategy=rolling))
        await complete(cluster, 10)
        await cluster.client.patch(DEPLOYMENTS, "web", image_patch("broken"), "default")

        async def sizes():
            return sorted(one["spec"]["replicas"] for one in await cluster.list(REPLICA_SETS))

        async def sizes_are(*expected):
            return await sizes() == list(expected)

        await cluster.eventually(lambda: sizes_are(5, 8))
        await cluster.client.patch(DEPLOYMENTS, "web", {"spec": {"replicas": 30}}, "default")
        await cluster.eventually(lambda: sizes_are(13, 20))

    in_cluster(main)


def test_deleted_pods_are_replaced_and_history_is_limited(in_cluster) -> None:
    async def main(cluster) -> None:
        await cluster.create(DEPLOYMENTS, deployment(replicas=1, revisionHistoryLimit=1))
        for image in ("two", "three", "four"):
            await complete(cluster, 1)
            await cluster.client.patch(DEPLOYMENTS, "web", image_patch(image), "default")

        async def two_sets():
            return len(await cluster.list(REPLICA_SETS)) == 2

        await cluster.eventually(two_sets)
        await complete(cluster, 1)
        (pod,) = await cluster.list(PODS)
        await cluster.client.delete(PODS, pod["metadata"]["name"], "default")

        async def replaced():
            pods = await cluster.list(PODS)
            return len(pods) == 1 and pods[0]["metadata"]["uid"] != pod["metadata"]["uid"]

        await cluster.eventually(replaced)

    in_cluster(main)

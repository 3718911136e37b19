# SPDX-License-Identifier: Apache-2.0
"""A real node's own pods, its restarts and its shutdown."""

import asyncio
import dataclasses
import json

import pytest

from pybernetes.kubelet.naming import NODES, PODS

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
SLEEP = "trap exit TERM; while :; do sleep 0.1; done"


def running(status):
    return "running" in status["state"]


def phase(pod):
    return pod["status"].get("phase")


def manifest(name, grace=0):
    container = {"name": "c", "image": "busybox:1", "command": ["sh", "-c", SLEEP]}
    spec = {"containers": [container], "terminationGracePeriodSeconds": grace}
    return json.dumps({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec})


async def mirror(node, name, condition):
    """The mirror pod once it meets the condition; it may come and go meanwhile."""
    for _ in range(600):
        pods = {pod["metadata"]["name"]: pod for pod in (await node.client.list(PODS)).items}
        if condition(pods.get(name)):
            return pods.get(name)
        await asyncio.sleep(0.05)
    raise AssertionError(pods.get(name))


def runs(pod):
    return pod and any(running(s) for s in pod["status"].get("containerStatuses", ()))


async def test_static_pods_run_change_and_go_with_their_files(node, tmp_path):
    await node.restart(static_pod_path=tmp_path, file_check_frequency=0.1)
    file = tmp_path / "web.yaml"
    file.write_text(manifest("web"))
    (tmp_path / "broken.yaml").write_text("kind: Pod")
    pod = await mirror(node, "web-real", runs)
    notes = pod["metadata"]["annotations"]
    assert notes["kubernetes.io/config.mirror"] == notes["kubernetes.io/config.hash"]
    assert notes["kubernetes.io/config.source"] == "file"
    assert pod["metadata"]["ownerReferences"][0]["kind"] == "Node"
    first = pod["status"]["containerStatuses"][0]["containerID"]

    await node.client.delete(PODS, "web-real", "default")  # ends nothing
    uid = pod["metadata"]["uid"]
    pod = await mirror(node, "web-real", lambda p: p and p["metadata"]["uid"] != uid and runs(p))
    assert pod["status"]["containerStatuses"][0]["containerID"] == first

    await node.stop()
    await node.start()
    await asyncio.sleep(0.5)
    again = await mirror(node, "web-real", runs)
    assert again["status"]["containerStatuses"][0]["containerID"] == first

    file.write_text(manifest("web", grace=1))
    await mirror(
        node, "web-real",
        lambda p: runs(p) and p["status"]["containerStatuses"][0]["containerID"] != first,
    )  # fmt: skip
    assert len([s for s in await node.runtime.list_sandboxes() if s.ready]) == 1
    file.unlink()
    await mirror(node, "web-real", lambda p: p is None)
    await node.wait_gone()


async def test_static_pods_need_no_api_server(node, tmp_path, monkeypatch):
    async def down(request, *, stream):
        raise ConnectionError("there is none")

    async def there():
        for _ in range(600):
            if up := [c for c in await node.runtime.list_containers() if c.state == "running"]:
                return up[0]
            await asyncio.sleep(0.05)
        raise AssertionError("it does not start")

    await node.run("bound", {"command": SLEEP})
    await node.wait("bound", running)
    await node.stop()
    for sandbox in await node.runtime.list_sandboxes():
        await node.runtime.stop_sandbox(sandbox.id)
    (tmp_path / "web.yaml").write_text(manifest("web"))
    changed = {"static_pod_path": tmp_path, "file_check_frequency": 0.1}
    node.config = dataclasses.replace(node.config, **changed)
    with monkeypatch.context() as patch:
        patch.setattr(node.user, "exchange", down)
        node.launch()
        found = await there()
        await asyncio.sleep(1)
        names = [c.labels["io.kubernetes.pod.name"] for c in await node.runtime.list_containers()]
        assert (found.name, names.count("web-real")) == ("c", 1)
        assert not node.kubelet.workers.synced
    await node.kubelet.wait_ready()
    pod = await mirror(node, "web-real", runs)
    assert pod["status"]["containerStatuses"][0]["containerID"].endswith(found.id)
    await node.wait("bound", running)
    (tmp_path / "web.yaml").unlink()
    await mirror(node, "web-real", lambda p: p is None)


async def test_a_restarted_kubelet_remembers_what_pods_were_given_and_their_back_off(node):
    resources = {"requests": {"cpu": "100m"}}
    await node.run("kept", {"command": SLEEP, "resources": resources})
    await node.run("crash", {"command": "exit 1"})
    before = await node.wait("kept", running)
    await node.wait("crash", lambda s: s["restartCount"] >= 1)
    await asyncio.sleep(0.6)
    patch = {"spec": {"containers": [{"name": "c", "resources": {"requests": {"cpu": "1000"}}}]}}
    await node.stop()  # the wish comes while nobody listens
    await node.client.patch(PODS, "kept", patch, "default", subresource="resize",
        patch_type="application/strategic-merge-patch+json")  # fmt: skip
    await node.start()
    pod = await node.wait_pod(
        "kept", lambda p: any(c["type"] == "PodResizePending" for c in p["status"]["conditions"])
    )
    status = pod["status"]["containerStatuses"][0]
    assert status["containerID"] == before["containerID"]
    assert status["allocatedResources"] == {"cpu": "100m"}
    uid = (await node.client.get(PODS, "crash", "default"))["metadata"]["uid"]
    assert node.kubelet.tools.checkpoint.get(uid)["backoff"]["c"][0] >= 0.5


async def test_a_node_that_shuts_down_ends_its_pods_critical_ones_last(node):
    ends = {"command": "trap 'sleep 0.5; exit 0' TERM; while :; do sleep 0.1; done"}
    await node.run("plain", ends, terminationGracePeriodSeconds=30)
    await node.run(
        "critical", ends, terminationGracePeriodSeconds=30,
        priorityClassName="system-node-critical",
    )  # fmt: skip
    for name in ("plain", "critical"):
        await node.wait(name, running)
    await node.kubelet.shutdown(8, 4)
    text = "Pod was terminated in response to imminent node shutdown."
    ended = []
    for name in ("plain", "critical"):
        pod = await node.client.get(PODS, name, "default")
        status = pod["status"]
        assert (status["phase"], status["reason"], status["message"]) == (
            "Failed",
            "Terminated",
            text,
        )
        assert any(c["type"] == "DisruptionTarget" for c in status["conditions"])
        state = status["containerStatuses"][0]["state"]["terminated"]
        assert state["exitCode"] == 0  # it was given its time
        ended.append(state["finishedAt"])
    assert ended == sorted(ended)
    ready = (await node.client.get(NODES, "real"))["status"]["conditions"][-1]
    assert (ready["status"], ready["reason"]) == ("False", "KubeletNotReady")
    assert ready["message"] == "node is shutting down"
    await node.run("late", {"command": SLEEP})
    late = await node.wait_pod("late", lambda pod: phase(pod) == "Failed")
    assert late["status"]["reason"] == "NodeShutdown"
    await node.restart()
    assert (await node.client.get(NODES, "real"))["status"]["conditions"][-1]["status"] == "True"

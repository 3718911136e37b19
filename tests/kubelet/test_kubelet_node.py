# SPDX-License-Identifier: Apache-2.0
"""The kubelet on a real private containerd: one walk through a pod's life, then nothing is left."""

import asyncio

import pytest

from pybernetes.kubelet.naming import CONFIG_MAPS, PODS

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
SCRIPT = "echo started $FROM; while :; do cat /config/key; echo; sleep 0.2; done"


async def test_a_pod_with_volumes_probe_and_log_survives_the_kubelet(node):
    await node.create(CONFIG_MAPS, "ConfigMap", "m", data={"key": "one"})
    container = {
        "command": ["sh", "-c", SCRIPT],
        "env": [{"name": "FROM", "valueFrom": {"configMapKeyRef": {"name": "m", "key": "key"}}}],
        "readinessProbe": {"exec": {"command": ["cat", "/work/ready"]}, "periodSeconds": 1},
        "volumeMounts": [
            {"name": "config", "mountPath": "/config"},
            {"name": "work", "mountPath": "/work"},
        ],
        "resources": {"limits": {"memory": "64Mi"}},
    }
    volumes = [
        {"name": "config", "configMap": {"name": "m"}},
        {"name": "work", "emptyDir": {"medium": "Memory"}},
    ]
    await node.run("a", container, volumes=volumes)
    running = await node.wait("a", lambda status: "running" in status["state"])
    assert not running["ready"]
    container_id = running["containerID"].removeprefix("containerd://")
    result = await node.runtime.exec_sync(
        container_id, ["sh", "-c", "touch /work/ready; mount | grep /work; cat /etc/hosts"], 5
    )
    assert b"tmpfs on /work" in result.stdout
    assert b"# Kubernetes-managed hosts file" in result.stdout
    await node.wait("a", lambda status: status["ready"])

    await node.client.patch(CONFIG_MAPS, "m", {"data": {"key": "two"}}, "default")
    for _ in range(600):
        if b"two" in await node.log("a", "tailLines=3"):
            break
        await asyncio.sleep(0.1)
    assert b"two" in await node.log("a", "tailLines=3")
    assert (await node.log("a")).startswith(b"started one\none\n")

    await node.stop()
    await node.start()
    await asyncio.sleep(0.5)
    again = await node.wait("a", lambda status: status["ready"])
    assert (again["containerID"], again["restartCount"]) == (running["containerID"], 0)
    await node.client.delete(PODS, "a", "default")
    await node.wait_gone()


async def test_probes_crashes_and_images(node):
    command = ["sh", "-c", "echo last words > /dev/termination-log; sleep 100"]
    liveness = {"exec": {"command": ["false"]}, "periodSeconds": 1, "failureThreshold": 1}
    await node.run("sick", {"command": command, "livenessProbe": liveness})
    await node.run("never", {"image": "no/such", "imagePullPolicy": "Never"})
    await node.run("once", {"command": ["sh", "-c", "exit 3"]}, restartPolicy="Never")
    dead = await node.wait("once", lambda status: "terminated" in status["state"])
    assert dead["state"]["terminated"]["exitCode"] == 3
    waiting = (await node.wait("never", lambda status: True))["state"]["waiting"]
    while waiting["reason"] == "ContainerCreating":
        await asyncio.sleep(0.1)
        waiting = (await node.wait("never", lambda status: True))["state"]["waiting"]
    assert waiting["reason"] == "ErrImageNeverPull"
    sick = await node.wait("sick", lambda status: status["restartCount"] >= 1)
    assert sick["lastState"]["terminated"]["message"] == "last words\n"
    for name in ("sick", "never", "once"):
        await node.client.delete(PODS, name, "default")
    await node.wait_gone()

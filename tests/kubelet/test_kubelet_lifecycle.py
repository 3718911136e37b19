# SPDX-License-Identifier: Apache-2.0
"""Order, hooks, restarts, signals and messages of containers, on the real node. Many pods at a time."""

import asyncio
import time

import pytest

from pybernetes.kubelet.naming import PODS

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
ON_TERM = "trap 'echo {0} ends >> /log/all; exit 0' TERM; echo {0} >> /log/all; {1} while :; do sleep 0.05; done"


def host(folder):
    return [{"name": "log", "hostPath": {"path": str(folder)}}]


LOG = {"volumeMounts": [{"name": "log", "mountPath": "/log"}]}


async def read(folder, *, until=""):
    """The lines of the shared log, once there are `until`."""
    file = folder / "all"
    for _ in range(200):
        text = await asyncio.to_thread(lambda: file.read_text() if file.exists() else "")
        if until in text:
            return text.split("\n")[:-1]
        await asyncio.sleep(0.05)
    raise AssertionError(f"{until!r} is not in {text!r}")


async def test_init_containers_and_sidecars_in_order(node, tmp_path):
    ready = {"exec": {"command": ["test", "-e", "/log/up-{}"]}, "periodSeconds": 1}

    def sidecar(name):
        probe = {**ready, "exec": {"command": ["test", "-e", f"/log/up-{name}"]}}
        late = f"(sleep 0.3; echo {name} is up >> /log/all; touch /log/up-{name}) &"
        return {**LOG, "name": name, "restartPolicy": "Always", "startupProbe": probe,
                "command": ON_TERM.format(name, late)}  # fmt: skip

    fails = "test -e /log/failed && { echo i >> /log/all; exit 0; }; touch /log/failed; exit 1"
    await node.run(
        "order", {**LOG, "command": ON_TERM.format("c", "")}, volumes=host(tmp_path),
        initContainers=[sidecar("s1"), {**LOG, "command": fails}, sidecar("s2")],
        terminationGracePeriodSeconds=10,
    )  # fmt: skip
    pod = await node.wait_pod("order", lambda pod: len(pod["status"].get("containerStatuses", [{}])[0].get("state", {}).get("running", "")) > 0)  # fmt: skip
    first = pod["status"]["initContainerStatuses"]
    assert [(one["restartCount"], one["ready"]) for one in first] == [
        (0, True),
        (1, True),
        (0, True),
    ]
    await read(tmp_path, until="\nc\n")
    await node.delete("order")
    lines = await read(tmp_path, until="s1 ends")
    assert lines == ["s1", "s1 is up", "i", "s2", "s2 is up", "c", "c ends", "s2 ends", "s1 ends"]

    job = {**LOG, "command": "echo done >> /log/all; exit 0"}
    await node.run("job", job, volumes=host(tmp_path), restartPolicy="Never",
                   initContainers=[sidecar("s3")], terminationGracePeriodSeconds=10)  # fmt: skip
    await node.wait_pod("job", lambda pod: pod["status"]["phase"] == "Succeeded")
    assert (await read(tmp_path))[-1] == "s3 ends"


async def test_restart_rules(node, tmp_path):
    once = "test -e /log/{0} || {{ touch /log/{0}; exit {1}; }}; sleep 100"
    rules = [{"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}]
    everything = [{**rules[0], "action": "RestartAllContainers"}]
    never = {"restartPolicy": "Never", "restartPolicyRules": rules}
    await node.run("rule", {**LOG, **never, "command": once.format("r", 42)},
                   {"command": "sleep 100"}, volumes=host(tmp_path))  # fmt: skip
    await node.run("other", {**LOG, **never, "command": once.format("o", 41)},
                   volumes=host(tmp_path), restartPolicy="Never")  # fmt: skip
    await node.run(
        "all", {**LOG, **never, "restartPolicyRules": everything, "command": once.format("a", 42)},
        {"command": "sleep 100"}, volumes=host(tmp_path), restartPolicy="Never",
        initContainers=[{**LOG, "command": "echo init >> /log/all"}],
    )  # fmt: skip
    again = await node.wait("rule", lambda one: one["restartCount"] == 1 and one["ready"])
    assert again["lastState"]["terminated"]["exitCode"] == 42
    await node.wait("rule", lambda one: one["restartCount"] == 0, index=1)
    await node.wait_pod("other", lambda pod: pod["status"]["phase"] == "Failed")
    for index in (0, 1):
        one = await node.wait(
            "all", lambda one: one["restartCount"] == 1 and one["ready"], index=index
        )
        assert one["lastState"]["terminated"]["reason"] == "RestartingAllContainers"
    assert (await read(tmp_path)).count("init") == 2
    pod = await node.wait_pod("all", lambda pod: pod["status"]["phase"] == "Running")
    assert {"AllContainersRestarting": "False"}.items() <= {
        one["type"]: one["status"] for one in pod["status"]["conditions"]
    }.items()


async def test_hooks_signals_and_grace(node, tmp_path):
    sleep = "trap 'exit 0' TERM; while :; do sleep 0.05; done"
    say = {"exec": {"command": ["sh", "-c", "echo hook >> /log/all"]}}
    await node.run(
        "hooks", {**LOG, "command": sleep, "lifecycle": {"postStart": say, "preStop": say}},
        volumes=host(tmp_path), terminationGracePeriodSeconds=5,
    )  # fmt: skip
    await node.run("bad", {"command": sleep, "lifecycle": {"postStart": {"exec": {"command": ["false"]}}}},
                   restartPolicy="Never", terminationGracePeriodSeconds=1)  # fmt: skip
    await node.run(
        "tcp", {"command": sleep, "lifecycle": {"postStart": {"tcpSocket": {"port": 1}}}}
    )
    signal = "trap 'echo usr1 >> /log/all; exit 0' USR1; trap '' TERM; while :; do sleep 0.05; done"
    await node.run(
        "signal", {**LOG, "command": signal, "lifecycle": {"stopSignal": "SIGUSR1"}},
        volumes=host(tmp_path), os={"name": "linux"}, terminationGracePeriodSeconds=20,
    )  # fmt: skip
    await node.run("slow", {"command": sleep, "lifecycle": {"preStop": {"exec": {"command": ["sleep", "60"]}}}},
                   terminationGracePeriodSeconds=2)  # fmt: skip
    status = await node.wait("signal", lambda one: "running" in one["state"])
    assert status["stopSignal"] == "SIGUSR1"
    for name in ("hooks", "slow"):
        await node.wait(name, lambda one: one["ready"])
    await node.wait_event("bad", "FailedPostStartHook", "PostStartHook failed")
    await node.wait_event("tcp", "FailedPostStartHook", "PostStartHook failed")
    await node.wait("bad", lambda one: "terminated" in one["state"])
    before = time.monotonic()
    await node.delete("hooks", "signal", "slow")
    await read(tmp_path, until="usr1")
    for name in ("hooks", "signal", "slow"):
        for _ in range(200):
            if name not in {p["metadata"]["name"] for p in (await node.client.list(PODS)).items}:
                break
            await asyncio.sleep(0.05)
    assert (await read(tmp_path)).count("hook") == 2
    assert 2 <= time.monotonic() - before < 9  # the sleeping hook was cut off by the grace period


async def test_messages_deadlines_and_what_a_dead_container_leaves(node):
    talk = "seq 1 2000; sleep 0.3; echo bye >&2"
    both = {"terminationMessagePolicy": "FallbackToLogsOnError"}
    pods = {
        "file": {"command": "printf full > /dev/termination-log"},
        "path": {"command": "printf own > /tmp/here", "terminationMessagePath": "/tmp/here",
                 "securityContext": {"runAsUser": 1000}},
        "log": {"command": f"{talk}; exit 1", **both},
        "fine": {"command": f"{talk}; exit 0", **both},
        "huge": {"command": "head -c 9000 /dev/zero | tr '\\0' x > /dev/termination-log"},
    }  # fmt: skip
    for name, container in pods.items():
        await node.run(name, container, restartPolicy="Never")
    await node.run("late", {"command": "sleep 100"}, activeDeadlineSeconds=1)
    found = {}
    for name in pods:
        status = await node.wait(name, lambda one: "terminated" in one["state"])
        found[name] = status["state"]["terminated"].get("message", "")
    assert (found["file"], found["path"], found["fine"]) == ("full", "own", "")
    assert "\n2000\n" in found["log"]
    assert "bye\n" in found["log"]
    assert len(found["log"].splitlines()) == 80
    assert found["huge"] == "x" * 4096
    pod = await node.wait_pod("late", lambda pod: pod["status"]["phase"] == "Failed")
    assert pod["status"]["reason"] == "DeadlineExceeded"


async def test_environment_of_every_source(node):
    from pybernetes.kubelet.naming import CONFIG_MAPS, SECRETS, SERVICES

    await node.create(CONFIG_MAPS, "ConfigMap", "m", data={"a": "one"})
    await node.create(SECRETS, "Secret", "s", stringData={"k": "hidden"})
    ports = [{"port": 5432, "name": "sql"}]
    await node.create(SERVICES, "Service", "my-db", spec={"ports": ports})
    volumes = [{"name": "v", "emptyDir": {}}]
    at = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
    write = "printf \"# c\\nA='first'\\nTWO='a\\nb' # c\\nE= x\\n\" > /v/env"
    key = {"volumeName": "v", "path": "env", "key": "TWO"}
    fields = ("metadata.name", "status.podIP", "status.hostIPs", "metadata.labels['x']")
    env = [
        {"name": "FILE", "valueFrom": {"fileKeyRef": key}},
        {"name": "NONE", "valueFrom": {"fileKeyRef": {**key, "key": "ABSENT", "optional": True}}},
        {"name": "K", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
        {"name": "ALL", "value": "$(K) $(P_a) $$(K) $(MY_DB_SERVICE_PORT_SQL) $(UNKNOWN)"},
        *({"name": f"F{i}", "valueFrom": {"fieldRef": {"fieldPath": f}}} for i, f in enumerate(fields)),
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}},
    ]  # fmt: skip
    container = {
        "command": ["sh", "-c", "echo \"$0\"; env; echo 'arg $(K)'", "$(ALL)"], "env": env,
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "m"}}],
        "resources": {"limits": {"cpu": "1500m"}},
    }  # fmt: skip
    await node.run("env", container, volumes=volumes, restartPolicy="Never",
                   initContainers=[{**at, "command": write}], metadata={"labels": {"x": "y"}})  # fmt: skip
    bad = {**key, "key": "ABSENT"}
    await node.run("bad", {"env": [{"name": "X", "valueFrom": {"fileKeyRef": bad}}]},
                   volumes=volumes, initContainers=[{**at, "command": write}])  # fmt: skip
    await node.run("links", {"command": "env"}, enableServiceLinks=False, restartPolicy="Never")
    found = await node.output("env")
    lines = found.splitlines()
    assert lines[0] == "hidden $(P_a) $(K) 5432 $(UNKNOWN)"
    assert {"P_a=one", "K=hidden", "F0=env", "F2=10.201.0.1", "F3=y", "CPU=1500"} <= set(lines)
    assert "FILE=a\nb\n" in found
    assert "NONE=" not in found
    assert "\narg hidden\n" in found
    waiting = await node.wait("bad", lambda one: "message" in one["state"].get("waiting", {}))
    assert 'environment variable key "ABSENT" not found' in waiting["state"]["waiting"]["message"]
    assert "MY_DB" not in await node.output("links")


async def test_an_ephemeral_container_sees_its_target(node):
    await node.run("target", {"command": "sleep 4711"})
    await node.wait("target", lambda one: one["ready"])

    async def add(name, target):
        pod = await node.client.get(PODS, "target", "default")
        spec = pod["spec"].setdefault("ephemeralContainers", [])
        spec.append({"name": name, "image": "busybox", "targetContainerName": target,
                     "imagePullPolicy": "IfNotPresent", "command": ["sh", "-c", "ps; sleep 100"]})  # fmt: skip
        await node.client.update(PODS, pod, "default", subresource="ephemeralcontainers")

    await add("debug", "c")
    group = "ephemeralContainerStatuses"
    await node.wait("target", lambda one: "running" in one["state"], group=group)
    assert "sleep 4711" in await node.wait_log("target", "ps", container="debug")
    ended = await node.wait("target", lambda one: one["ready"])
    assert ended["restartCount"] == 0

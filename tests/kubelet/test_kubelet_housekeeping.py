# SPDX-License-Identifier: Apache-2.0
"""Node status, garbage, log rotation and termination messages."""

import asyncio
import gzip
import os
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest

from pybernetes.base import virtualtime
from pybernetes.cri.types import Container, CriError, Image, Sandbox, Version
from pybernetes.kubelet import gc, naming
from pybernetes.kubelet.atomicwriter import File, write
from pybernetes.kubelet.checkpoint import Checkpoint
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.logs.rotation import _move, rotate_all
from pybernetes.kubelet.node import plan
from pybernetes.kubelet.node.controller import NodeController
from pybernetes.kubelet.node.machine import Machine
from pybernetes.kubelet.objects import Objects
from pybernetes.kubelet.pleg import Pleg
from pybernetes.kubelet.pods import killer, messages
from pybernetes.kubelet.podstate import PodState

FACTS = plan.Facts("T1", Version("containerd", "1.6"), [Image("i", tags=("web:1",), size=5)])


def test_node_status_keeps_extended_resources_and_heartbeats_are_no_change():
    config = Config(node_name="n", node_ips=["192.0.2.1"])
    machine = Machine(cpus=2, memory=4 << 30)
    old = {"status": {"capacity": {"example.com/gpu": "3"}}}
    status = plan.status(old, config, machine, FACTS)
    assert status["capacity"]["example.com/gpu"] == "3"
    assert status["allocatable"]["example.com/gpu"] == "3"
    assert status["allocatable"]["memory"] == "3996Mi"
    assert status["conditions"][-1]["reason"] == "KubeletReady"
    later = plan.Facts("T2", FACTS.version, FACTS.images)
    again = plan.status({"status": status}, config, machine, later)
    assert not plan.changed(status, again)
    assert again["conditions"][-1]["lastTransitionTime"] == "T1"
    broken = plan.Facts("T3", FACTS.version, FACTS.images, trouble="network not ready")
    assert plan.changed(status, plan.status({"status": status}, config, machine, broken))


def dead(number, sandbox="s1", **notes):
    return Container(
        f"c{number}", sandbox, "a", number, "i", "", "exited", number, annotations=notes
    )


def running(number, log_path):
    path = f"{log_path}/{number}/0.log"
    return Container(f"c{number}", "s1", "a", 0, "i", "", "running", 1, log_path=path)


def test_only_the_newest_dead_containers_are_kept():
    boxes = tuple(Sandbox(f"s{n}", "p", "n", "u", n, n == 1, n) for n in (1, 0))
    state = PodState("u", "p", "n", boxes, (dead(3), dead(2), dead(1, "s0"), dead(0, "s0")))
    containers, sandboxes = gc.doomed(state, keep=1)
    assert [item.id for item in containers] == ["c1", "c0"]
    assert [item.id for item in sandboxes] == ["s0"]


def test_rotated_logs_are_compressed_and_counted(tmp_path):
    log = tmp_path / "0.log"
    for number in range(5):
        log.write_text(f"log {number}")
        _move(log, f"2026010{number}-000000", keep=3)
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["0.log.20260103-000000.gz", "0.log.20260104-000000"]
    assert gzip.decompress((tmp_path / names[0]).read_bytes()) == b"log 3"


def test_termination_message_falls_back_to_the_log(tmp_path):
    log = tmp_path / "0.log"
    log.write_bytes(b"2026-01-01T00:00:01Z stderr F oh no\n")
    file = tmp_path / "message"
    notes = {naming.MESSAGE_FILE: str(file), naming.TERMINATION_POLICY: "FallbackToLogsOnError"}
    failed = Container(
        "c", "s", "a", 0, "i", "", "exited", 1, {}, notes, 1, 2, 7, log_path=str(log)
    )
    assert messages.read(failed) == "oh no\n"
    file.write_bytes(b"x" * 5000)
    assert messages.read(failed) == "x" * 4096


def test_folders_of_pods_long_gone(tmp_path):
    config = Config(node_name="n", data=tmp_path, gc_interval=60.0)
    for name in ("a", "b"):
        (config.pods_dir / name / "volumes").mkdir(parents=True)
        (config.pod_logs_dir / f"ns_pod_{name}" / "c").mkdir(parents=True)
    now = time.time()
    assert gc._folders(config, {"a"}, now) == []  # too young
    (config.pods_dir / "c").symlink_to("nowhere")  # as if it went between two looks
    assert gc._folders(config, {"a"}, now + 61) == ["b"]
    assert [path.name for path in config.pod_logs_dir.iterdir()] == ["ns_pod_a"]
    assert (config.pods_dir / "b").exists()  # its volumes are the volume manager's


class Stubborn:
    """A runtime of three images and containers, whose second refuses whatever is asked of it."""

    hollow = None

    def __init__(self):
        self.gone = []

    async def list_images(self):
        return [Image(f"i{n}", size=10) for n in (1, 2, 3)]

    async def list_containers(self):
        return [running(n, "") for n in (1, 2, 3)]

    async def _remove(self, id_):
        if id_.endswith("2"):
            raise CriError(f"{id_} is busy")
        self.gone.append(id_)

    remove_image = remove_container = stop_sandbox = remove_sandbox = reopen_log = _remove


def test_what_cannot_be_removed_keeps_nothing_else():
    async def main(env):
        runtime = Stubborn()
        states = [PodState("u", containers=tuple(dead(n) for n in (4, 3, 2, 1)))]
        pleg = SimpleNamespace(states=lambda: states)
        config = Config(node_name="n", keep_dead_containers=0)
        images = SimpleNamespace(viewed={})
        tools = SimpleNamespace(env=env, runtime=runtime, pleg=pleg, config=config, images=images)
        failed = await gc.containers(tools, SimpleNamespace(records=list))
        assert (runtime.gone, failed) == (["c3", "c1"], ["c2: c2 is busy"])
        with pytest.raises(CriError, match=r"freed 20 bytes .* image deletion: \[i2 is busy\]"):
            await gc.images(tools)
        assert runtime.gone[2:] == ["i1", "i3"]

    virtualtime.run(main)


def test_a_container_that_does_not_end_holds_up_no_other():
    class Runtime:
        hollow = None

        async def stop_container(self, id_, timeout):
            if id_ == "c2":
                raise CriError("it hangs")
            await asyncio.sleep(10)
            ended.append(id_)

        async def stop_sandbox(self, id_):
            ended.append(id_)

    async def main(env):
        pleg = SimpleNamespace(state=lambda uid: state)
        tools = SimpleNamespace(
            env=env, runtime=Runtime(), pleg=pleg, event=lambda *_, **__: None,
            address=lambda _: "192.0.2.1",
        )  # fmt: skip
        with pytest.raises(CriError, match="it hangs"):
            await killer.kill_pod(tools, pod, state, 30)

    ended = []
    containers = tuple(replace(running(n, ""), name=f"n{n}") for n in (1, 2, 3))
    state = PodState("u", "p", "n", (Sandbox("s1", "p", "n", "u", 0, True, 1),), containers)
    spec = {"containers": [{"name": f"n{n}"} for n in (1, 2, 3)]}
    pod = {"metadata": {"name": "p", "namespace": "n", "uid": "u"}, "spec": spec}
    virtualtime.run(main)
    assert sorted(ended) == ["c1", "c3", "s1"]


def test_a_log_that_is_not_opened_anew_is_moved_back_and_tried_again(tmp_path):
    config = Config(node_name="n", data=tmp_path, container_log_max_size=3)
    for number in (1, 2, 3):
        folder = config.pod_logs_dir / "pod" / str(number)
        folder.mkdir(parents=True)
        (folder / "0.log").write_text("long")
    runtime, logs = Stubborn(), str(config.pod_logs_dir / "pod")
    states = [PodState("u", containers=tuple(running(n, logs) for n in (1, 2, 3)))]
    pleg = SimpleNamespace(states=lambda: states)
    virtualtime.run(
        lambda env: rotate_all(SimpleNamespace(env=env, runtime=runtime, config=config, pleg=pleg))
    )
    assert runtime.gone == ["c1", "c3"]
    assert [(config.pod_logs_dir / f"pod/{n}/0.log").exists() for n in (1, 2, 3)] == [
        False, True, False,
    ]  # fmt: skip


def test_a_version_of_files_that_was_not_finished_is_taken_away(tmp_path):
    for number in range(3):
        with pytest.raises(FileExistsError):
            write(tmp_path, {"a": File(b"1"), "a/b": File(b"2")}, f"s{number}")
    write(tmp_path, {"a": File(b"1")}, "s")
    write(tmp_path, {"a": File(b"2")}, "s")
    assert (tmp_path / "a").read_bytes() == b"2"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["..data", "..s.1", "a"]


def test_objects_nobody_asks_for_are_forgotten():
    class Client:
        async def get(self, gvr, name, namespace):
            return {"metadata": {"name": name}}

    async def main(env):
        objects = Objects(env, Client(), 10.0)
        await objects.fresh(naming.SECRETS, "ns", "old")
        await asyncio.sleep(11)
        await objects.fresh(naming.SECRETS, "ns", "new")
        assert [key[2] for key in objects._cache._known] == ["new"]

    virtualtime.run(main)


def test_a_machine_that_was_started_anew_is_told():
    async def main(env):
        config, runtime = Config(node_name="n"), SimpleNamespace(hollow=None)
        controller, told = NodeController(env, None, runtime, config, machine=Machine()), []
        controller.event = lambda *event: told.append(event)
        for old, new in (("", "a"), ("a", "a"), ("a", "b")):
            status = {"conditions": [], "nodeInfo": {"bootID": new}}
            controller._tell({"nodeInfo": {"bootID": old}}, status)
        assert told == [("Warning", "Rebooted", "Node n has been rebooted, boot id: b")]

    virtualtime.run(main)


def test_nothing_is_garbage_before_all_pods_are_known(tmp_path):
    async def main(env):
        async def share_cpu():
            raise OSError("no room")  # ends no collector

        config = Config(node_name="n", data=tmp_path, gc_interval=60.0)
        (config.pods_dir / "u").mkdir(parents=True)
        os.utime(config.pods_dir / "u", (0, 0))
        tools = SimpleNamespace(
            env=env, config=config, pleg=SimpleNamespace(states=list), runtime=Stubborn()
        )
        workers = SimpleNamespace(synced=False, records=list, share_cpu=share_cpu)
        running = asyncio.ensure_future(gc.run(tools, workers))
        await asyncio.sleep(150)
        workers.synced = True
        await asyncio.sleep(60)
        assert ((config.pods_dir / "u").exists(), running.done()) == (True, False)
        workers.share_cpu = lambda: asyncio.sleep(0)
        await asyncio.sleep(60)
        assert not (config.pods_dir / "u").exists()
        running.cancel()

    virtualtime.run(main)


def test_a_full_disk_does_not_end_the_kubelet(tmp_path):
    async def main(env):
        place = tmp_path / "data"
        place.write_text("no folder")
        checkpoint = Checkpoint(env, place / "state.json")
        running = asyncio.ensure_future(checkpoint.run())
        checkpoint.put("u", {"a": "b"})
        await asyncio.sleep(5)
        assert not running.done()
        place.unlink()
        await asyncio.sleep(20)
        assert Checkpoint(env, place / "state.json").get("u") == {"a": "b"}
        running.cancel()

    virtualtime.run(main)


def test_what_changes_while_the_node_status_is_written_is_not_missed():
    class Looking(NodeController):
        async def _register(self):
            self._was_ready = True

        async def _keep_lease(self):
            await asyncio.Event().wait()

        async def report(self):
            looks.append(asyncio.get_running_loop().time())
            if len(looks) == 1:
                self.wake()

    async def main(env):
        config, runtime = Config(node_name="n"), SimpleNamespace(hollow=None)
        controller = Looking(env, None, runtime, config, machine=Machine())
        running = asyncio.ensure_future(controller.run())
        await asyncio.sleep(15)
        running.cancel()
        assert looks[0] == looks[1] < looks[2]

    looks = []
    virtualtime.run(main)


def test_a_pod_that_cannot_be_looked_at_hides_no_other():
    class Runtime:
        hollow = None

        async def list_sandboxes(self):
            return [Sandbox(f"s{n}", "p", "n", f"u{n}", 0, False, 1) for n in (1, 2, 3)]

        async def list_containers(self):
            return []

        async def sandbox_status(self, id_):
            if id_ == "s2":
                raise CriError("corrupt")
            return (await self.list_sandboxes())[int(id_[1:]) - 1]

    async def main(env):
        changed = []
        pleg = Pleg(env, Runtime(), 1.0, changed.append)
        running = asyncio.ensure_future(pleg.run())
        await pleg.refresh()
        assert changed == ["u1", "u3"]
        running.cancel()

    virtualtime.run(main)

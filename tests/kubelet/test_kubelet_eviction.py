# SPDX-License-Identifier: Apache-2.0
"""Under pressure: thresholds, who goes first, what pods are told, images; decisions by tables."""

from types import SimpleNamespace

import pytest

from pybernetes.base.env import Env
from pybernetes.cri.types import Container, Image, Stats
from pybernetes.kubelet import gc
from pybernetes.kubelet.config import Config
from pybernetes.kubelet.eviction import ranking
from pybernetes.kubelet.eviction.thresholds import Observation, Pressure, Threshold, met, parse
from pybernetes.kubelet.podstate import PodState
from pybernetes.kubelet.stats import ContainerStats, Disk, PodStats, used
from pybernetes.linux.cgroups import Usage

MI = 1 << 20


def config(**settings):
    return Config(node_name="n", **settings)


def test_thresholds_are_upstreams_defaults():
    found = {item.signal: item.value for item in parse(config())}
    assert found["memory.available"] == found["allocatableMemory.available"] == "100Mi"
    assert (found["nodefs.available"], found["imagefs.inodesFree"]) == ("10%", "5%")


@pytest.mark.parametrize(
    ("value", "available", "expected"),
    [("100", 100, False), ("100", 99, True), ("10%", 99, True), ("10%", 101, False)],
)
def test_a_threshold_is_met(value, available, expected):
    threshold = Threshold("memory.available", value)
    seen = {"memory.available": Observation(available, 1000)}
    assert bool(met([threshold], seen)) == expected


def test_pressure_remembers():
    """Memory comes first; conditions linger."""
    disk, memory = Threshold("nodefs.available", "100"), Threshold("memory.available", "100")
    pressure = Pressure([disk, memory], transition=60.0)

    def at(now, memory, disk):
        seen = {"memory.available": Observation(memory, 1000)}
        seen["nodefs.available"] = Observation(disk, 1000)
        found = [item.signal for item in pressure.observe(seen, now)]
        return found, sorted(pressure.conditions)

    both = ["DiskPressure", "MemoryPressure"]
    assert at(0, 500, 500) == ([], [])
    assert at(10, 50, 50) == (["memory.available", "nodefs.available"], both)
    assert at(20, 50, 120) == (["memory.available"], both)
    assert at(69, 50, 500) == (["memory.available"], both)
    assert at(70, 500, 500) == ([], ["MemoryPressure"])
    assert at(128, 500, 500)[1] == ["MemoryPressure"]
    assert at(129, 500, 500)[1] == []


def stats(name, memory=0, disk=0, priority=0, requests=None, limits=None, volumes=None, sizes=None):
    container = {"name": "c", "resources": {"requests": requests or {}, "limits": limits or {}}}
    spec = {"containers": [container], "priority": priority}
    spec["volumes"] = [{"name": k, "emptyDir": {"sizeLimit": v}} for k, v in (sizes or {}).items()]
    pod = {"metadata": {"name": name, "namespace": "n", "uid": name}, "spec": spec}
    running = Container(name, "s", "c", 0, "i", "", "running", 1)
    one = ContainerStats(running, Stats(name, 0, working_set=memory, disk_bytes=disk), Disk())
    return PodStats(
        pod, PodState(name), Usage(working_set=memory), (one,), volumes=volumes or {}, other=Disk()
    )


def test_who_goes_first():
    pods = [
        stats("within", memory=900, requests={"memory": "1000"}),
        stats("important", memory=900, priority=10),
        stats("beyond", memory=600, requests={"memory": "100"}),
        stats("far beyond", memory=700, requests={"memory": "100"}),
    ]
    order = [item.pod["metadata"]["name"] for item in ranking.rank("memory", pods)]
    assert order == ["far beyond", "beyond", "important", "within"]


def test_what_an_evicted_pod_is_told():
    threshold = Threshold("memory.available", "100Mi")
    seen = {"memory.available": Observation(50 * MI, 1000 * MI)}
    text = ranking.message(threshold, stats("a", memory=8 * MI, requests={"memory": "1Mi"}), seen)
    assert text == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "
        "Container c was using 8Mi, request is 1Mi, has larger consumption of memory. "
    )


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        (stats("a", disk=5 * MI), None),
        (stats("a", volumes={"v": Disk(2 * MI)}, sizes={"v": "2Mi"}), None),
        (
            stats("a", volumes={"v": Disk(3 * MI)}, sizes={"v": "2Mi"}),
            ("emptydirfs.limit", 'Usage of EmptyDir volume "v" exceeds the limit "2Mi". '),
        ),
        (
            stats("a", disk=3 * MI, limits={"ephemeral-storage": "2Mi"}),
            (
                "ephemeralpodfs.limit",
                "Pod ephemeral local storage usage exceeds the total limit of containers 2Mi. ",
            ),
        ),
    ],
)
def test_local_storage_limits(item, expected):
    assert ranking.beyond_limits(item) == expected


def test_disk_usage_counts_links_once(tmp_path):
    (tmp_path / "a").write_bytes(b"x" * 100_000)
    alone = used(tmp_path)
    (tmp_path / "b").hardlink_to(tmp_path / "a")
    assert alone.bytes >= 100_000
    assert used(tmp_path) == alone
    assert used(tmp_path / "none") == Disk()


class Runtime:
    def __init__(self):
        self.images = {
            name: Image(name, tags=(f"{name}:1",), size=10)
            for name in ("old", "new", "busy", "viewed")
        }
        self.images["pinned"] = Image("pinned", size=10, pinned=True)
        self.images["pause"] = Image("pause", tags=("registry.k8s.io/pause:3.10",), size=10)

    async def list_images(self):
        return list(self.images.values())

    async def list_containers(self):
        return [Container("c", "s", "c", 0, "busy:1", "busy", "exited", 1)]

    async def remove_image(self, name):
        del self.images[name]


async def test_unused_images_go_but_never_pinned_or_busy_ones():
    runtime = Runtime()
    images = SimpleNamespace(viewed={"v": "viewed"})
    tools = SimpleNamespace(env=Env(), runtime=runtime, images=images)
    await gc.images(tools)
    assert sorted(runtime.images) == ["busy", "pause", "pinned", "viewed"]

# SPDX-License-Identifier: Apache-2.0
"""How fast pods start on this machine's node, their image present: python -m benchmarks.pods (root).

From sending the create until a watch says Ready: one pod after the other, all at once, 100 at
five a second, then as many as the node takes; and how long deleting takes. The cluster is a
temporary one with ranges of its own.
"""

import asyncio
import tempfile
import time
from pathlib import Path

from benchmarks.figures import say
from benchmarks.startup import command
from pybernetes.apimachinery.types import GVR, Object
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client import kubeconfig
from pybernetes.client.https import Https
from pybernetes.client.informer import Informers

PODS = GVR("", "v1", "pods")
COUNT = 20
RATE, STREAM = 5.0, 100  # pods a second, pods
FULL = 110  # the node's maxPods
RANGES = ("--cluster-cidr", "10.70.0.0/16", "--service-cidr", "10.71.0.0/16")


def pod(name: str) -> Object:
    container = {"name": "c", "image": "pybernetes/web:1"}
    spec = {"containers": [container], "terminationGracePeriodSeconds": 1}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


class Stopwatch:
    """When each pod was created, Ready and gone, as a watch tells it."""

    def __init__(self, env: Env, client: Https) -> None:
        self.client = client
        self.informers = Informers(env, client)
        self.ready: dict[str, float] = {}
        self.gone: dict[str, float] = {}
        self._changed = asyncio.Event()
        self.informers.get(PODS, namespace="default").on_change(self._note)

    def _note(self, old: Object | None, new: Object | None) -> None:
        if new is None and old is not None:
            self.gone[old["metadata"]["name"]] = time.perf_counter()
        conditions = ((new or {}).get("status") or {}).get("conditions") or ()
        if new and any(one["type"] == "Ready" and one["status"] == "True" for one in conditions):
            self.ready.setdefault(new["metadata"]["name"], time.perf_counter())
        self._changed.set()

    async def until(self, names: list[str], noted: dict[str, float]) -> None:
        async with asyncio.timeout(180):
            while not all(name in noted for name in names):
                self._changed.clear()
                await self._changed.wait()

    async def start(self, names: list[str], rate: float = 0.0) -> list[float]:
        """Seconds until each was ready. `rate`: so many a second; 0: all at once."""
        begun, first = {}, time.perf_counter()
        for index, name in enumerate(names):
            if rate:
                await asyncio.sleep(first + index / rate - time.perf_counter())
            begun[name] = time.perf_counter()
            await self.client.create(PODS, pod(name), "default")
        await self.until(names, self.ready)
        return [self.ready[name] - begun[name] for name in names]

    async def delete(self, names: list[str]) -> list[float]:
        begun = time.perf_counter()
        for name in names:
            await self.client.delete(PODS, name, "default")
        await self.until(names, self.gone)
        return [self.gone[name] - begun for name in names]


def tell(what: str, times: list[float]) -> None:
    times = sorted(times)
    p50, p99 = (times[int(len(times) * part)] * 1000 for part in (0.5, 0.99))
    say(what, f"p50 {p50:6.0f} ms  p99 {p99:6.0f} ms")


async def measure(config: kubeconfig.ClusterConfig) -> None:
    env = Env()
    client = Https(env, config)
    watch = Stopwatch(env, client)
    async with TaskGroup("benchmark") as group:
        group.start(watch.informers.run(), "informers")
        await watch.informers.wait_synced()
        await watch.start(["warm"])
        alone = [f"alone-{index}" for index in range(COUNT)]
        tell(f"{COUNT} pods one by one", [(await watch.start([name]))[0] for name in alone])
        tell(f"{COUNT} pods deleted at once", await watch.delete(alone))
        together = [f"together-{index}" for index in range(COUNT)]
        tell(f"{COUNT} pods at once", await watch.start(together))
        await watch.delete([*together, "warm"])
        stream = [f"stream-{index}" for index in range(STREAM)]
        tell(f"{STREAM} pods at {RATE:.0f}/s", await watch.start(stream, RATE))
        rest = [f"rest-{index}" for index in range(FULL - STREAM)]
        begun = time.perf_counter()
        await watch.start(rest)
        say(
            f"{FULL} pods on one node",
            f"the last {len(rest)} in {time.perf_counter() - begun:.1f} s",
        )
        tell(f"{FULL} pods deleted at once", await watch.delete([*stream, *rest]))
        group.cancel()
    await client.close()


def main() -> None:
    with tempfile.TemporaryDirectory(prefix="pods") as folder:
        where = ("--data-dir", str(Path(folder) / "c"))
        flags = ("--node", "containerd", "--port", "0", "--no-kubeconfig")
        command("up", *flags, *RANGES, *where)
        try:
            asyncio.run(measure(kubeconfig.load(Path(folder) / "c" / "admin.kubeconfig")))
        finally:
            command("delete", *where)


if __name__ == "__main__":
    main()

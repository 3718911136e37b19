# SPDX-License-Identifier: Apache-2.0
"""The service proxy at many services, in a network namespace of its own: python -m benchmarks.proxy.

`python -m benchmarks.proxy [SERVICES [ENDPOINTS]]`; needs root and nft. Changes are given to the
proxy's informers as the watch would; visible means that the kernel took the transaction.
"""

import asyncio
import ctypes
import os
import random
import resource
import statistics
import sys
import time
from typing import Any, cast

import uvloop

from benchmarks.figures import pss, say
from pybernetes.base import gcpolicy
from pybernetes.base.env import Env
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.linux.commands import run
from pybernetes.proxy.config import ProxyConfig
from pybernetes.proxy.proxy import NODES, SERVICES, SLICES, Proxy

Object = dict[str, Any]
NEW_NETWORK = 0x40000000
CHANGES, PAUSE = 100, 0.1
STORM = 1000


def address(base: int, number: int) -> str:
    return f"10.{base + (number >> 16)}.{number >> 8 & 255}.{number & 255}"


def service(number: int) -> Object:
    """As the API server hands it out, with what applied it."""
    ip = address(96, number)
    port = {"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": f"service-{number}",
            "namespace": f"namespace-{number % 100}",
            "uid": f"s{number}",
            "resourceVersion": "1",
            "creationTimestamp": "2026-01-01T00:00:00Z",
            "labels": {"app": f"service-{number}"},
        },
        "spec": {
            "clusterIP": ip,
            "clusterIPs": [ip],
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
            "internalTrafficPolicy": "Cluster",
            "ports": [port],
            "selector": {"app": f"service-{number}"},
            "sessionAffinity": "None",
            "type": "ClusterIP",
        },
        "status": {"loadBalancer": {}},
    }


def slice_of(number: int, count: int, revision: int = 1) -> Object:
    name, namespace = f"service-{number}", f"namespace-{number % 100}"
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": f"{name}-x",
            "namespace": namespace,
            "uid": f"e{number}",
            "resourceVersion": str(revision),
            "labels": {"kubernetes.io/service-name": name},
        },
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
        "endpoints": [
            {
                "addresses": [address(128, (number * 8 + at) % (1 << 22))],
                "nodeName": f"node-{at}",
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "name": f"{name}-{at}", "namespace": namespace},
            }
            for at in range(count)
        ],
    }


class Bench:
    """A proxy on informers that are filled by hand."""

    def __init__(self, services: int, endpoints: int) -> None:
        self.services, self.endpoints = services, endpoints
        self.informers = Informers(Env(), cast(Client, None))
        numbers = range(services)
        self.informers.get(SERVICES).replace([service(one) for one in numbers], "1")
        slices = [slice_of(one, endpoints) for one in numbers]
        self.informers.get(SLICES).replace(slices, "1")
        self.informers.get(NODES, field_selector="metadata.name=node-0").replace([], "1")
        config = ProxyConfig("node-0", table="bench", health_port=0)
        self.proxy = Proxy(Env(), cast(Client, None), config, self.informers)
        self.written = asyncio.Event()
        health = self.proxy.health
        tell = health.written

        def written() -> None:
            tell()
            self.written.set()

        health.written = written  # type: ignore[method-assign]
        self.revision = 1
        self.counts = [endpoints] * services

    def change(self, number: int) -> None:
        """One endpoint comes or goes."""
        self.revision += 1
        count = self.counts[number] = 2 * self.endpoints + 1 - self.counts[number]
        self.informers.get(SLICES).apply("MODIFIED", slice_of(number, count, self.revision))

    async def wait_written(self) -> None:
        self.written.clear()
        await self.written.wait()


def cpu() -> float:
    return sum(
        one.ru_utime + one.ru_stime
        for one in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


async def one_at_a_time(bench: Bench) -> None:
    took = []
    pick = random.Random(1)
    used = 0.0
    for _ in range(CHANGES):
        before, begun = cpu(), time.perf_counter()
        bench.change(pick.randrange(bench.services))
        await bench.wait_written()
        took.append(time.perf_counter() - begun)
        used += cpu() - before
        await asyncio.sleep(PAUSE)
    took.sort()
    p50, p99 = statistics.median(took) * 1000, took[CHANGES * 99 // 100] * 1000
    say("a change is visible after", f"{p50:8.1f} ms p50 {p99:8.1f} ms p99")
    say("processor time a change, nft's included", f"{used / CHANGES * 1000:8.1f} ms")


async def all_at_once(bench: Bench) -> None:
    before, begun = cpu(), time.perf_counter()
    pick = random.Random(2)
    for _ in range(STORM):
        bench.change(pick.randrange(bench.services))
    await bench.wait_written()
    took = time.perf_counter() - begun
    say(f"{STORM} changes at once are visible after", f"{took * 1000:8.1f} ms")
    say("processor time of these", f"{(cpu() - before) * 1000:8.1f} ms")


async def main(services: int, endpoints: int) -> None:
    gcpolicy.tune()
    empty = pss()
    bench = Bench(services, endpoints)
    filled = pss()
    before, begun = cpu(), time.perf_counter()
    running = asyncio.get_running_loop().create_task(bench.proxy.run())
    await bench.proxy.wait_ready()
    took = time.perf_counter() - begun
    say(f"{services} services of {endpoints} written first", f"{took:8.2f} s")
    say("processor time of that", f"{cpu() - before:8.2f} s")
    say("memory of informers", f"{filled - empty:8.1f} MB")
    say("memory of the proxy besides (PSS)", f"{pss() - filled:8.1f} MB, {pss():.0f} MB in all")
    nft = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
    say("largest nft process", f"{nft:8.1f} MB for a moment")
    await one_at_a_time(bench)
    await all_at_once(bench)
    found = await run(["nft", "list", "map", "ip", "bench", "service-ips"])
    assert found.count("goto balance-tcp-") == services, found[:500]
    before = cpu()
    await asyncio.sleep(5)
    say("idle", f"{(cpu() - before) / 5 * 100:8.2f} % of one core")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    if os.geteuid() != 0 or ctypes.CDLL(None).unshare(NEW_NETWORK):
        sys.exit("benchmarks.proxy needs root")
    words = [int(word) for word in sys.argv[1:]] or [10_000]
    uvloop.run(main(words[0], words[1] if len(words) > 1 else 3))

# SPDX-License-Identifier: Apache-2.0
"""Cluster DNS at many services, in a network namespace of its own: python -m benchmarks.dns.

`python -m benchmarks.dns [SERVICES]`; needs root for the namespace. The client is a second process
on the same processors: it keeps a window of questions under way over UDP.
"""

import asyncio
import ctypes
import os
import random
import resource
import select
import socket
import subprocess
import sys
import time
from typing import Any, cast

import uvloop

from benchmarks.figures import pss, say
from benchmarks.proxy import NEW_NETWORK, service, slice_of
from pybernetes.apimachinery.types import GVR
from pybernetes.base import gcpolicy
from pybernetes.base.env import Env
from pybernetes.client.informer import Informers
from pybernetes.client.types import Client
from pybernetes.dns.cluster import NAMESPACES, SERVICES, SLICES
from pybernetes.dns.config import DnsConfig
from pybernetes.dns.server import Dns

Object = dict[str, Any]
HERE, PORT = "127.0.0.1", 5353
SECONDS, WINDOW = 4.0, 64


def question(name: str, kind: int = 1) -> bytes:
    labels = b"".join(bytes((len(one),)) + one.encode() for one in name.split("."))
    return b"\1\0\0\1\0\0\0\0\0\0" + labels + b"\0" + kind.to_bytes(2, "big") + b"\0\1"


def names(services: int, mode: str) -> list[bytes]:
    """What is asked for: everything once, or a few again and again, or nothing that exists."""
    pick = random.Random(1)
    numbers = [pick.randrange(services) for _ in range(100)] if mode == "few" else range(services)
    suffix = ".svc.cluster.local"
    if mode == "absent":
        return [question(f"example-{one}.org.namespace-1{suffix}") for one in range(2000)]
    return [question(f"service-{one}.namespace-{one % 100}{suffix}") for one in numbers]


def client(services: int, mode: str) -> None:
    """Ask for a while; prints answers a second, and the longest wait of the best 99 % in ms."""
    asked = names(services, mode)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.connect((HERE, PORT))
        sock.setblocking(False)
        sent: dict[bytes, float] = {}
        waits: list[float] = []
        number, end = 0, time.perf_counter() + SECONDS
        while (now := time.perf_counter()) < end:
            while len(sent) < WINDOW:
                identifier = (number & 0xFFFF).to_bytes(2, "big")
                sock.send(identifier + asked[number % len(asked)])
                sent[identifier] = now
                number += 1
            if not select.select([sock], [], [], 0.5)[0]:
                sent.clear()  # lost
                continue
            while True:
                try:
                    answer = sock.recv(4096)
                except BlockingIOError:
                    break
                begun = sent.pop(answer[:2], None)
                if begun is not None:
                    waits.append(time.perf_counter() - begun)
    waits.sort()
    print(len(waits) / SECONDS, waits[len(waits) * 99 // 100] * 1000)


async def measure(services: int, mode: str) -> None:
    words = [sys.executable, "-m", "benchmarks.dns", "client", str(services), mode]
    before = resource.getrusage(resource.RUSAGE_SELF)
    asking = await asyncio.create_subprocess_exec(*words, stdout=subprocess.PIPE)
    output, _ = await asking.communicate()
    after = resource.getrusage(resource.RUSAGE_SELF)
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    rate, wait = (float(word) for word in output.split())
    each = used / (rate * SECONDS) * 1e6
    say(f"answers about {mode} names", f"{rate:9,.0f} /s p99 {wait:.1f} ms, {each:.0f} us of ours")


class Taking:
    """A client that takes everything: what publishing needs."""

    async def create(self, gvr: GVR, obj: Object, namespace: str = "") -> Object:
        return obj

    async def get(self, gvr: GVR, name: str) -> Object:
        return {"metadata": {"name": name, "uid": "u"}}


async def main(services: int) -> None:
    gcpolicy.tune()
    informers = Informers(Env(), cast(Client, None))
    informers.get(SERVICES).replace([service(one) for one in range(services)], "1")
    informers.get(SLICES).replace([slice_of(one, 3) for one in range(services)], "1")
    spaces = [{"metadata": {"name": f"namespace-{one}", "uid": str(one)}} for one in range(100)]
    informers.get(NAMESPACES).replace(spaces, "1")
    filled = pss()
    config = DnsConfig("n1", HERE, PORT, upstreams=(f"{HERE}#1",), metrics_port=0)
    dns = Dns(Env(), cast(Client, Taking()), config, informers)
    running = asyncio.get_running_loop().create_task(dns.run())
    await dns.wait_ready()
    say(f"memory of DNS besides {services} services", f"{pss() - filled:9.1f} MB")
    for mode in ("few", "many", "absent"):
        await measure(services, mode)
    say("memory with full caches", f"{pss() - filled:9.1f} MB")
    begun, count = time.perf_counter(), 2000
    for number in range(count):
        informers.get(SLICES).apply("MODIFIED", slice_of(number, 4, 2))
    say("a change costs", f"{(time.perf_counter() - begun) / count * 1e6:9.1f} us")
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


if __name__ == "__main__":
    if sys.argv[1:2] == ["client"]:
        client(int(sys.argv[2]), sys.argv[3])
    elif os.geteuid() != 0 or ctypes.CDLL(None).unshare(NEW_NETWORK):
        sys.exit("benchmarks.dns needs root")
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        uvloop.run(main(int(sys.argv[1]) if sys.argv[1:] else 10_000))

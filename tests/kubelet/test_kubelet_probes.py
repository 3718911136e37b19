# SPDX-License-Identifier: Apache-2.0
"""Probes of every kind against real servers: when they count, what they do, exact restart counts."""

import asyncio
import time
from contextlib import asynccontextmanager

import grpc.aio
import pytest

from pybernetes.kubelet.naming import PODS

pytestmark = [pytest.mark.node, pytest.mark.asyncio(loop_scope="session")]
ADDRESS = "10.201.0.1"  # the node's: pods in its network are asked there
SLEEP = "trap 'exit 0' TERM; while :; do sleep 0.05; done"


class Server:
    """Answers HTTP, and gRPC health checks; a kind in `failing` is told once that all is not well."""

    def __init__(self):
        self.failing, self.asked = set(), 0

    def well(self, kind, request):
        if b"live" in request and kind in self.failing:
            self.failing.remove(kind)
            return False
        return True

    async def http(self, reader, writer):
        head = await reader.read(4096)
        self.asked += b"/health" in head and b"kube-probe/1.37" in head and b"x-mine: 1" in head
        code = b"200 OK" if self.well("http", head) else b"500 Broken"
        writer.write(b"HTTP/1.1 " + code + b"\r\ncontent-length: 0\r\n\r\n")
        writer.close()

    async def check(self, request, context):
        return b"\x08\x01" if self.well("grpc", request) else b"\x08\x02"


@asynccontextmanager
async def serving():
    server = Server()
    web = await asyncio.start_server(server.http, ADDRESS, 0)
    health = grpc.aio.server()
    method = grpc.unary_unary_rpc_method_handler(server.check)
    rows = {"Check": method}
    health.add_generic_rpc_handlers(
        [grpc.method_handlers_generic_handler("grpc.health.v1.Health", rows)]
    )
    port = health.add_insecure_port(f"{ADDRESS}:0")
    await health.start()
    try:
        yield server, web.sockets[0].getsockname()[1], port
    finally:
        web.close()
        await web.wait_closed()
        await health.stop(0)


async def test_probes_by_http_tcp_and_grpc(node):
    async with serving() as (server, web, health):
        quick = {"periodSeconds": 1, "failureThreshold": 1}
        headers = [{"name": "X-Mine", "value": "1"}]
        http = {"port": "web", "path": "/health", "httpHeaders": headers}
        pairs = {
            "http": ({"httpGet": http}, {"httpGet": {**http, "path": "/live"}}),
            "tcp": ({"tcpSocket": {"port": web}},) * 2,
            "grpc": ({"grpc": {"port": health}}, {"grpc": {"port": health, "service": "live"}}),
        }
        for name, (ready, alive) in pairs.items():
            probes = {"livenessProbe": {**quick, **alive}, "readinessProbe": {**quick, **ready}}
            ports = [{"name": "web", "containerPort": web}] if name == "http" else []
            await node.run(name, {"command": SLEEP, "ports": ports, **probes}, hostNetwork=True,
                           terminationGracePeriodSeconds=1)  # fmt: skip
        closed = {"tcpSocket": {"port": 1}, **quick}
        await node.run("closed", {"command": SLEEP, "readinessProbe": closed}, hostNetwork=True)
        for name in pairs:
            await node.wait(name, lambda one: one["ready"])
        assert server.asked
        server.failing |= {"http", "grpc"}
        for name, count in (("http", 1), ("grpc", 1), ("tcp", 0)):
            status = await node.wait(
                name, lambda one, count=count: one["ready"] and one["restartCount"] >= count
            )
            assert status["restartCount"] == count
        await node.wait_event("http", "Unhealthy", "HTTP probe failed with statuscode: 500")
        await node.wait_event(
            "http", "Killing", "Container c failed liveness probe, will be restarted"
        )
        await node.wait_event("grpc", "Unhealthy", 'responded with "NOT_SERVING"')
        await node.wait_event(
            "closed", "Unhealthy", f"dial tcp {ADDRESS}:1: connect: connection refused"
        )
        assert not (await node.wait("closed", lambda one: "running" in one["state"]))["ready"]


async def test_thresholds_delays_and_a_grace_of_its_own(node):
    fails = {"exec": {"command": ["false"]}, "periodSeconds": 1}
    late = {
        "exec": {"command": ["test", "-e", "/tmp/up"]},
        "periodSeconds": 1,
        "failureThreshold": 30,
    }
    started = time.monotonic()
    await node.run("late", {"command": f"(sleep 1.5; touch /tmp/up) & {SLEEP}", "startupProbe": late,
                            "livenessProbe": {**fails, "initialDelaySeconds": 60}})  # fmt: skip
    await node.run("never", {"command": SLEEP, "startupProbe": {**fails, "failureThreshold": 2}},
                   restartPolicy="Never")  # fmt: skip
    stubborn = {**fails, "failureThreshold": 1, "terminationGracePeriodSeconds": 1}
    await node.run("grace", {"command": "trap '' TERM; while :; do sleep 0.1; done",
                             "livenessProbe": stubborn},
                   terminationGracePeriodSeconds=600)  # fmt: skip
    slow = {"exec": {"command": ["sleep", "5"]}, "periodSeconds": 1, "timeoutSeconds": 1,
            "failureThreshold": 1}  # fmt: skip
    await node.run("slow", {"command": SLEEP, "readinessProbe": slow})
    status = await node.wait("late", lambda one: "running" in one["state"])
    assert not status["started"]
    await node.wait("late", lambda one: one["started"] and one["ready"])
    assert time.monotonic() - started > 1.5
    never = await node.wait_pod("never", lambda pod: pod["status"]["phase"] == "Failed")
    assert never["status"]["containerStatuses"][0]["restartCount"] == 0
    dead = await node.wait("grace", lambda one: one["restartCount"] == 1)
    assert dead["lastState"]["terminated"]["exitCode"] == 137
    await node.wait_event("slow", "Unhealthy", "timed out")
    await node.client.delete(PODS, "grace", "default", options={"gracePeriodSeconds": 1})

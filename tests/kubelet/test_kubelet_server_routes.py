# SPDX-License-Identifier: Apache-2.0
"""The kubelet's listener without streams: logs, pods, health, metrics, and who may ask for what."""

import json
from collections.abc import AsyncIterator

import pytest
from prometheus_client import Counter

from pybernetes.apimachinery.errors import ApiError, forbidden
from pybernetes.base.env import Env
from pybernetes.kubelet.auth import subresources
from pybernetes.kubelet.logs.reader import Wanted
from pybernetes.kubelet.server.handler import KubeletServer
from pybernetes.wire.types import Request, Response, StreamingResponse

POD = {
    "metadata": {"name": "web", "namespace": "default", "uid": "u1"},
    "spec": {"containers": [{"name": "c"}], "initContainers": [{"name": "i"}]},
}


class Node:
    def __init__(self) -> None:
        self.asked: list[Wanted] = []
        self.wrong = ""
        self.fail: ApiError | None = None

    def pods(self):
        return [POD]

    def pod(self, namespace: str, name: str):
        return POD if name == "web" else None

    async def logs(self, pod, container, options) -> AsyncIterator[bytes]:
        self.asked.append(options)
        if self.fail:
            raise self.fail
        yield b"one\n"
        yield b"two\n"

    async def run(self, pod, container, command):
        return " ".join(command).encode()

    def healthy(self) -> str:
        return self.wrong

    async def stats_summary(self, *_):
        raise ApiError(501, "NotImplemented", "no numbers on a hollow node")

    metrics = stats_summary

    def configz(self):
        return {"kubeletconfig": {"maxPods": 110}}

    def log_file(self, path):
        return f"<pre>{path}</pre>".encode()


@pytest.fixture
def node():
    return Node()


@pytest.fixture
def ask(node):
    env = Env()
    Counter("prober_probe", "Probes", registry=env.metrics).inc()
    Counter("other", "Other", registry=env.metrics).inc()

    async def authorize(request: Request, names: list[str]) -> None:
        if request.headers.get("who") == "nobody":
            raise forbidden("nodes", "", "n1", f"no {names}")

    server = KubeletServer(env, node, authorize)

    async def send(path: str, query: str = "", method: str = "GET", **headers: str):
        reply = await server.handler(Request(method, path, path, query, headers))
        if isinstance(reply, StreamingResponse):
            body = b"".join([chunk async for chunk in reply.chunks])
            return Response(reply.status, body, reply.content_type)
        return reply

    return send


async def test_logs_with_every_option(ask, node):
    query = "follow=true&previous=true&timestamps=1&sinceSeconds=3&tailLines=0&limitBytes=9"
    reply = await ask("/containerLogs/default/web/i", query)
    assert (reply.status, reply.body, reply.content_type) == (200, b"one\ntwo\n", "text/plain")
    (first,) = node.asked
    assert first == Wanted(False, True, True, first.since, 0, 9)  # the past does not go on
    assert first.since
    await ask("/containerLogs/default/web/c", "tail=5&sinceTime=2026-01-01T00:00:00Z")
    await ask("/containerLogs/default/web/c", "tail=all")
    assert node.asked[1:] == [
        Wanted(tail=5, since="2026-01-01T00:00:00.000000"),
        Wanted(),
    ]


@pytest.mark.parametrize(
    ("path", "query", "status", "text"),
    [
        ("/containerLogs/default/none/c", "", 404, 'pod "none" does not exist'),
        ("/containerLogs/default/web/x", "", 404, 'container "x" not found in pod "web"'),
        (
            "/containerLogs/default/web/c",
            "tailLines=x",
            400,
            '{"message": "Unable to decode query."}',
        ),
        ("/containerLogs/default/web/c", "tailLines=-1", 422, '{"message": "Invalid request."}'),
        (
            "/containerLogs/default/web/c",
            "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
            422,
            None,
        ),
        ("/containerLogs/default/web/c", "stream=Stdout&tailLines=1", 422, None),
        ("/stats/summary", "", 501, "no numbers on a hollow node"),
        ("/metrics/cadvisor", "", 501, "no numbers on a hollow node"),
        ("/checkpoint/n/p/c", "", 501, "/checkpoint is not supported"),
        ("/logs/", "query=kubelet", 501, "/logs/?query= is not supported; ask for a file"),
        ("/nowhere", "", 404, "404 page not found"),
        ("/exec/default/web/c", "stdout=1", 501, None),
    ],
)
async def test_refusals(ask, node, path, query, status, text):
    async def no_exec(*_: object):
        raise ApiError(501, "NotImplemented", "hollow")

    node.exec = no_exec
    reply = await ask(path, query)
    assert reply.status == status
    assert text is None or reply.body.decode().strip() == text


async def test_a_log_that_cannot_be_read_is_an_answer(ask, node):
    node.fail = ApiError(400, "BadRequest", "previous terminated container not found")
    reply = await ask("/containerLogs/default/web/c")
    assert (reply.status, reply.body) == (400, b"previous terminated container not found\n")


async def test_the_rest(ask, node):
    assert json.loads((await ask("/pods")).body)["items"] == [POD]
    assert (await ask("/healthz")).body == b"ok"
    node.wrong = "stuck"
    assert (await ask("/healthz")).status == 500
    assert (await ask("/healthz/ping")).body == b"ok"
    assert (await ask("/run/default/web/c", "cmd=ls -l", "POST")).body == b"ls -l"
    assert b"maxPods" in (await ask("/configz")).body
    logs = await ask("/logs/pods/a")
    assert (logs.body, logs.content_type) == (b"<pre>pods/a</pre>", "text/html; charset=utf-8")
    assert (await ask("/pods", method="POST")).status == 405
    everything, probes = (await ask("/metrics")).body, (await ask("/metrics/probes")).body
    assert b"other_total 1.0" in everything
    assert b"prober_probe_total 1.0" in probes
    assert b"other_total" not in probes


async def test_everything_is_authorised(ask):
    for path in ("/pods", "/healthz", "/exec/default/web/c", "/nowhere"):
        assert (await ask(path, who="nobody")).status == 403


def test_subresources_are_upstreams():
    assert subresources("/pods") == ["pods", "proxy"]
    assert subresources("/runningpods/") == ["pods", "proxy"]
    assert subresources("/stats/summary") == ["stats"]
    assert subresources("/metrics/cadvisor") == ["metrics"]
    assert subresources("/logs/x") == ["log"]
    assert subresources("/healthz/ping") == ["healthz", "proxy"]
    assert subresources("/podsx") == ["proxy"]
    assert subresources("/exec/a/b/c") == ["proxy"]

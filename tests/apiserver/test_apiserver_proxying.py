# SPDX-License-Identifier: Apache-2.0
"""What the API server asks kubelets, pods and services for, and what it makes of their answers."""

import asyncio
import gzip
import json
from collections.abc import AsyncIterator

import pytest

from pybernetes.apimachinery.errors import ApiError, not_found
from pybernetes.apiserver.proxying.passing import body_of
from pybernetes.apiserver.proxying.proxying import Proxying
from pybernetes.apiserver.proxying.rewriting import rewrite_page, rewriter
from pybernetes.apiserver.proxying.targets import allowed
from pybernetes.apiserver.requestinfo import parse
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.wire.pipe import pipe
from pybernetes.wire.server import serve
from pybernetes.wire.types import (
    Peer,
    Request,
    Response,
    StreamingResponse,
    Upgraded,
    UpgradeResponse,
)
from pybernetes.wire.websocket import WebSocket
from tests.wire.websocketclient import client_headers

UPGRADE = {"connection": "Upgrade", "upgrade": "SPDY/3.1"}


def pod(name: str, *containers: str, node: str = "n1", ip: str = "10.0.0.9") -> dict:
    return {
        "metadata": {"name": name, "namespace": "d"},
        "spec": {
            "nodeName": node,
            "initContainers": [{"name": "init"}] if len(containers) > 1 else [],
            "containers": [{"name": c, "ports": [{"containerPort": 8080}]} for c in containers],
        },
        "status": {"podIPs": [{"ip": ip}]},
    }


class Cluster:
    """Objects, and a kubelet that records what it is asked."""

    def __init__(self) -> None:
        self.pods = {
            "one": pod("one", "c"),
            "two": pod("two", "a", "b"),
            "new": pod("new", "c", node=""),
            "lost": pod("lost", "c", node="n9"),
            "local": pod("local", "c", ip="127.0.0.1"),
        }
        self.slices: list[dict] = []
        self.service = {"spec": {"ports": [{"port": 80, "name": "web"}]}}
        self.reply = Response(200, b"fine", "text/plain")
        self.error: Exception | None = None
        self.asked: list[Request] = []
        self.runtime = "containerd://1.6"
        self.proxying = Proxying(Env(random=Random(1)), self, self)

    def get(self, gvr, namespace, name):
        known = {"pods": self.pods, "services": {"web": self.service}}.get(gvr.resource)
        if gvr.resource == "nodes" and name == "n1":
            return {
                "metadata": {"name": "n1"},
                "status": {
                    "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}],
                    "nodeInfo": {"containerRuntimeVersion": self.runtime},
                },
            }
        if known is None or name not in known:
            raise not_found(gvr.resource, gvr.group, name)
        return known[name]

    def list(self, gvr, namespace):
        return self.slices

    async def send(self, node, request):
        assert node["metadata"]["name"] == "n1"
        self.asked.append(request)
        if self.error:
            raise self.error
        return self.reply

    async def ask(self, path: str, query: str = "", method: str = "GET", **headers: str):
        request = Request(method, path, path, query, headers, b"", Peer("10.1.1.1:5"))
        return await self.proxying.handle(request, parse(method, path, False))


@pytest.fixture
def cluster():
    return Cluster()


PODS = "/api/v1/namespaces/d/pods"


async def test_logs_ask_the_kubelet_with_checked_options(cluster):
    query = (
        "container=b&follow=true&previous=false&timestamps&tailLines=3&limitBytes=9&sinceSeconds=5"
    )
    reply = await cluster.ask(f"{PODS}/two/log", query, authorization="Bearer x")
    assert (reply.body, reply.content_type) == (b"fine", "text/plain")
    asked = cluster.asked[0]
    assert asked.path == "/containerLogs/d/two/b"
    assert asked.query == "follow=true&timestamps=true&sinceSeconds=5&tailLines=3&limitBytes=9"
    assert asked.headers == {}
    assert (await cluster.ask(f"{PODS}/new/log")).status == 204


@pytest.mark.parametrize(
    ("path", "query", "code", "message"),
    [
        (
            "two/log",
            "",
            400,
            "a container name must be specified for pod two, choose one of: [init a b]",
        ),
        ("one/log", "container=x", 400, "container x is not valid for pod one"),
        ("none/log", "", 404, 'pods "none" not found'),
        ("lost/log", "", 404, 'nodes "n9" not found'),
        ("one/log", "tailLines=x", 400, 'strconv.ParseInt: parsing "x": invalid syntax'),
        (
            "one/log",
            "limitBytes=0",
            422,
            'PodLogOptions "one" is invalid: limitBytes: Invalid value: 0: must be greater than 0',
        ),
        ("new/exec", "command=x", 400, "pod new does not have a host assigned"),
        ("one/exec", "command=x", 400, "Upgrade request required"),
        (
            "two/attach",
            "",
            400,
            "a container name must be specified for pod two, choose one of: [init a b]",
        ),
        ("local/proxy/", "", 400, "address not allowed"),
        ("ftp:one:80/proxy/", "", 400, 'invalid pod request "ftp:one:80"'),
    ],
)
async def test_refusals_in_upstreams_words(cluster, path, query, code, message):
    with pytest.raises(ApiError) as caught:
        await cluster.ask(f"{PODS}/{path}", query)
    assert (caught.value.code, caught.value.message) == (code, message)


@pytest.mark.parametrize(
    ("status", "code", "message"),
    [
        (500, 500, "Internal error occurred: broken"),
        (400, 400, "broken"),
        (501, 501, "broken"),
        (404, 404, "the server could not find the requested resource ( pods/log one)"),
    ],
)
async def test_failures_of_the_kubelet_become_statuses(cluster, status, code, message):
    cluster.reply = Response(status, b"broken\n", "text/plain")
    with pytest.raises(ApiError) as caught:
        await cluster.ask(f"{PODS}/one/log")
    assert (caught.value.code, caught.value.message) == (code, message)


async def test_exec_passes_bytes_only_after_the_kubelets_101(cluster):
    near, far = pipe()
    cluster.reply = Upgraded(
        near, (("upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4"), ("Date", "now"))
    )
    query = "command=sh&command=-c&stdin=true&stdout=true&tty=1"
    headers = UPGRADE | {
        "x-stream-protocol-version": "v4",
        "authorization": "secret",
        "impersonate-user": "x",
    }
    reply = await cluster.ask(f"{PODS}/one/exec", query, "POST", **headers)
    assert isinstance(reply, UpgradeResponse)
    assert reply.headers == (("upgrade", "SPDY/3.1"), ("X-Stream-Protocol-Version", "v4"))
    asked = cluster.asked[0]
    assert (asked.method, asked.path) == ("POST", "/exec/d/one/c")
    assert asked.query == "input=1&output=1&tty=1&command=sh&command=-c"
    assert asked.headers == {
        "connection": "Upgrade",
        "upgrade": "SPDY/3.1",
        "x-stream-protocol-version": "v4",
        "x-forwarded-for": "10.1.1.1",
    }
    client, ours = pipe()
    running = asyncio.get_running_loop().create_task(reply.run(ours))
    await client.write(b"to the kubelet")
    assert await far.read() == b"to the kubelet"
    await far.write(b"back")
    await far.close()
    assert await client.read() == b"back"
    assert await client.read() == b""
    await running


async def test_what_the_kubelet_says_instead_of_101_goes_to_the_client(cluster):
    cluster.reply = Response(
        404,
        b"pod does not exist",
        "text/plain",
        (("Connection", "X-A"), ("X-A", "1"), ("X-B", "2")),
    )
    reply = await cluster.ask(f"{PODS}/one/portforward", "ports=80", "POST", **UPGRADE)
    assert (reply.status, reply.body, reply.headers) == (
        404,
        b"pod does not exist",
        (("X-B", "2"),),
    )
    assert cluster.asked[0].query == "port=80"
    cluster.reply = Response(200)
    with pytest.raises(ApiError, match="invalid upgrade response: status code 200"):
        await cluster.ask(f"{PODS}/one/exec", "command=x", "POST", **UPGRADE)
    cluster.error = ConnectionError("dial tcp 10.0.0.1:10250: connect: connection refused")
    with pytest.raises(ApiError, match="error dialing backend: dial tcp"):
        await cluster.ask(f"{PODS}/one/exec", "command=x", "POST", **UPGRADE)


async def test_logs_over_a_websocket(cluster):
    async def lines() -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    cluster.reply = StreamingResponse(lines())
    headers = client_headers(Random(1), ["binary.k8s.io"]) | {"connection": "Upgrade"}
    reply = await cluster.ask(f"{PODS}/one/log", **headers)
    assert isinstance(reply, UpgradeResponse)
    near, far = pipe()
    running = asyncio.get_running_loop().create_task(reply.run(far))
    socket = WebSocket(near, masks=Random(1))
    assert [await socket.receive() for _ in range(3)] == [b"one", b"two", None]
    await running


async def test_node_proxy_goes_to_the_kubelet(cluster):
    reply = await cluster.ask(
        "/api/v1/nodes/n1:10250/proxy/metrics/", "a=b", **{"x-remote-user": "admin"}
    )
    assert reply.body == b"fine"
    asked = cluster.asked[0]
    assert (asked.path, asked.query) == ("/metrics/", "a=b")
    assert asked.headers["x-forwarded-uri"] == "/api/v1/nodes/n1:10250/proxy/metrics/"
    assert "x-remote-user" not in asked.headers


async def test_root_without_slash_is_redirected(cluster):
    reply = await cluster.ask("/api/v1/nodes/n1/proxy", "a=b")
    assert (reply.status, dict(reply.headers)["Location"]) == (301, "/api/v1/nodes/n1/proxy/?a=b")


async def test_service_proxy_finds_a_ready_endpoint_of_a_pod(cluster, monkeypatch):
    seen: list[Request] = []

    def backend(request: Request) -> Response:
        seen.append(request)
        return Response(
            307, b"", "", (("Location", "/there"), ("Access-Control-Allow-Origin", "*"))
        )

    server = await serve(Env(), backend)
    monkeypatch.setattr("pybernetes.apiserver.proxying.targets.allowed", lambda address: True)

    def endpoint(*addresses: str, ready: bool = True, name: str = "local") -> dict:
        ref = {"namespace": "d", "name": name}
        return {"addresses": [*addresses], "conditions": {"ready": ready}, "targetRef": ref}

    cluster.slices = [
        {
            "metadata": {"labels": {"kubernetes.io/service-name": "web"}},
            "ports": [{"name": "web", "port": server.port}],
            "endpoints": [
                endpoint("127.0.0.9", ready=False),
                endpoint("127.0.0.8"),  # not an address of that pod
                endpoint("127.0.0.7", "127.0.0.1"),  # only its second is: the first is dialled
                endpoint("127.0.0.1"),
            ],
        }
    ]
    path = "/api/v1/namespaces/d/services/http:web:80/proxy"
    for _ in range(5):
        reply = await cluster.ask(f"{path}/some/path", "q=1", "DELETE")
        assert (reply.status, reply.headers[0]) == (307, ("location", f"{path}/there"))
        assert not any(name.startswith("access-control") for name, _ in reply.headers)
    assert (seen[0].method, seen[0].path, seen[0].query) == ("DELETE", "/some/path", "q=1")
    with pytest.raises(ApiError, match='no service port 81 found for service "web"'):
        await cluster.ask("/api/v1/namespaces/d/services/web:81/proxy/")
    cluster.slices = []
    with pytest.raises(ApiError, match='no endpoints available for service "web"'):
        await cluster.ask(f"{path}/")
    await server.close()


async def test_unreachable_pod_is_503(cluster, monkeypatch):
    monkeypatch.setattr("pybernetes.apiserver.proxying.targets.allowed", lambda address: True)
    with pytest.raises(ApiError) as caught:
        await cluster.ask(f"{PODS}/local:1/proxy/")
    assert caught.value.code == 503
    assert caught.value.message.startswith("error trying to reach service: dial tcp 127.0.0.1:1")


async def test_addresses_of_hollow_pods_are_never_dialled(cluster):
    cluster.runtime = "hollow://0.1.0"
    with pytest.raises(ApiError, match="node n1 is hollow, pod one runs nothing"):
        await cluster.ask(f"{PODS}/one/proxy/")


def test_links_of_pages_go_through_the_proxy():
    rewrite = rewriter("/api/proxy", "10.0.0.9:80", "api.example:443")
    page = b'<!DOCTYPE html><a class=x href="/rewriteme">t&amp;t</a><img src="http://10.0.0.9:80/i/"/><a href="http://other/x">'
    expected = b'<!DOCTYPE html><a class="x" href="/api/proxy/rewriteme">t&amp;t</a><img src="/api/proxy/i/"/><a href="http://other/x">'
    assert rewrite_page(page, "", rewrite) == expected
    assert gzip.decompress(rewrite_page(gzip.compress(page), "gzip", rewrite)) == expected
    assert rewrite_page(page, "br", rewrite) == page
    assert rewrite("relative") == "relative"
    assert rewrite("/api/proxy/x") == "/api/proxy/x"
    assert json.dumps(rewrite("/a?q=1#f")) == '"/api/proxy/a?q=1#f"'


@pytest.mark.parametrize("address", ["127.0.0.1", "::ffff:127.0.0.1", "::ffff:169.254.0.1", "::1"])
def test_this_machine_is_no_target_however_it_is_written(address):
    assert not allowed(address)
    assert allowed("::ffff:10.0.0.1")


METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"]


@pytest.mark.parametrize("method", METHODS)
async def test_every_method_reaches_a_pod(cluster, monkeypatch, method):
    monkeypatch.setattr("pybernetes.apiserver.proxying.targets.allowed", lambda address: True)
    server = await serve(Env(), lambda request: Response(200, f"{request.method}!".encode(), "x/y"))
    reply = await cluster.ask(f"{PODS}/local:{server.port}/proxy/echo", method=method)
    body = b"" if method == "HEAD" else f"{method}!".encode()
    assert (reply.status, await body_of(reply)) == (200, body)
    await server.close()


@pytest.mark.parametrize("answer", [101, 200, 302, 403])
async def test_websockets_through_a_pod_only_after_its_101(cluster, monkeypatch, answer):
    """And no redirect is followed: the client is told that it was no upgrade."""
    monkeypatch.setattr("pybernetes.apiserver.proxying.targets.allowed", lambda address: True)
    seen: list[Request] = []

    async def run(stream) -> None:
        while data := await stream.read():
            await stream.write(data.upper())

    def backend(request: Request):
        seen.append(request)
        if answer == 101:
            return UpgradeResponse(run, (("Upgrade", "websocket"), ("Sec-WebSocket-Accept", "x")))
        return Response(answer, b"no", "text/plain", (("Location", "http://127.0.0.1:1/"),))

    server = await serve(Env(), backend)
    headers = client_headers(Random(1), ["chat"]) | {"connection": "keep-alive, Upgrade"}
    asking = cluster.ask(f"{PODS}/local:{server.port}/proxy/ws", **headers)
    if answer == 101:
        reply = await asking
        assert isinstance(reply, UpgradeResponse)
        ours, theirs = pipe()
        running = asyncio.ensure_future(reply.run(theirs))
        await ours.write(b"bytes as they are")
        assert await ours.read() == b"BYTES AS THEY ARE"
        await ours.close()
        await running
    elif answer == 403:
        reply = await asking
        assert (reply.status, reply.body) == (403, b"no")
    else:
        with pytest.raises(ApiError, match=f"invalid upgrade response: status code {answer}"):
            await asking
    assert len(seen) == 1
    assert seen[0].headers["sec-websocket-protocol"] == "chat"
    await server.close()

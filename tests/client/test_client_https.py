# SPDX-License-Identifier: Apache-2.0
"""Both transports give the same answers: a handler behind a listener, and called in process."""

import asyncio
from collections.abc import AsyncIterator

import orjson
import pytest

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.types import GVR, User
from pybernetes.base import tls
from pybernetes.base.env import Env
from pybernetes.client.https import Https
from pybernetes.client.inprocess import InProcess
from pybernetes.client.kubeconfig import ClusterConfig
from pybernetes.client.rest import new_request
from pybernetes.client.types import Client
from pybernetes.wire.server import serve
from pybernetes.wire.types import (
    Reply,
    Request,
    Response,
    Stream,
    StreamingResponse,
    Upgraded,
    UpgradeResponse,
)

MAPS = GVR("", "v1", "configmaps")


async def echo(stream: Stream) -> None:
    while data := await stream.read():
        await stream.write(data.upper())
    await stream.close()


async def three_events() -> AsyncIterator[bytes]:
    for number in range(3):
        obj = {"metadata": {"name": f"m{number}"}}
        yield orjson.dumps({"type": "ADDED", "object": obj}) + b"\n"


def handle(request: Request) -> Reply:
    if request.headers.get("upgrade"):
        return UpgradeResponse(echo, (("Upgrade", "echo"),))
    if "watch=true" in request.query:
        return StreamingResponse(three_events())
    if request.method == "POST":
        body = orjson.loads(request.body)
        assert request.headers["content-type"] == "application/json"
        return Response(201, orjson.dumps(body | {"kind": "ConfigMap"}))
    error = errors.not_found("configmaps", "", "none")
    return Response(error.code, orjson.dumps(error.status()))


@pytest.fixture(params=["https", "inprocess"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    env = Env()
    if request.param == "inprocess":
        local = InProcess(handle, User("me"))
        yield local
        await local.close()
        return
    ca = tls.new_ca("ca", env.clock)
    own = tls.issue(ca, tls.Subject("server", ips=["127.0.0.1"]), env.clock)
    user = tls.issue(ca, tls.Subject("me", ["team"]), env.clock)

    def checked(sent: Request) -> Reply:
        assert tls.identity(sent.peer.certificates[0]) == ("me", ["team"])
        return handle(sent)

    context = tls.server_context(own, ca.certificate)
    server = await serve(env, checked, ssl_context=context)
    url = f"https://127.0.0.1:{server.port}"
    remote = Https(env, ClusterConfig(url, ca.certificate, user.certificate, user.key))
    yield remote
    await remote.close()
    await server.close()


async def test_objects_errors_watches_and_upgrades(client: Client) -> None:
    made = await client.create(MAPS, {"metadata": {"name": "a"}}, "default")
    assert made["kind"] == "ConfigMap"
    with pytest.raises(errors.ApiError, match='configmaps "none" not found') as caught:
        await client.get(MAPS, "none", "default")
    assert caught.value.reason == "NotFound"
    names = [event.object["metadata"]["name"] async for event in client.watch(MAPS, "default")]
    assert names == ["m0", "m1", "m2"]
    request = new_request("GET", "/echo")
    request.headers |= {"upgrade": "echo", "connection": "Upgrade"}
    reply = await client.send(request)
    assert isinstance(reply, Upgraded)
    async with asyncio.timeout(30):
        await reply.stream.write(b"hello")
        assert await reply.stream.read() == b"HELLO"
        await reply.stream.close()

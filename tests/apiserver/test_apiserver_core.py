# SPDX-License-Identifier: Apache-2.0
"""The server through its handler, over the memory store: the life of an object."""

import asyncio
import json
from collections.abc import AsyncIterator

import pytest

from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVR, User
from pybernetes.apis.resource import Resource
from pybernetes.apiserver.config import Config
from pybernetes.apiserver.server import ApiServer
from pybernetes.base.env import Env
from pybernetes.storage.memory import MemoryStore
from pybernetes.wire.types import Request, Response, StreamingResponse

ADMIN = User("admin", ("system:masters", "system:authenticated"))
VERBS = ("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch")
WIDGETS = Resource(
    gvr=GVR("example.com", "v1", "widgets"),
    kind="Widget",
    singular="widget",
    namespaced=True,
    schema=Schema(type="object", preserve_unknown=True),
    verbs=VERBS,
    storage_version="v1",
    storage_group="example.com",
    storage_prefix="/registry/example.com/widgets/",
)
PATH = "/apis/example.com/v1/namespaces/default/widgets"


class Caller:
    def __init__(self, server: ApiServer) -> None:
        self.server = server

    async def reply(self, method, path, body=None, **headers):
        path, _, query = path.partition("?")
        data = body if isinstance(body, bytes) else json.dumps(body).encode() if body else b""
        sent = {"content-type": "application/json"} if body else {}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        request = Request(method, path, path, query, sent, data, identity=ADMIN)
        answer = self.server.handler(request)
        if not isinstance(answer, Response | StreamingResponse):
            answer = await answer
        return answer

    async def __call__(self, method, path, body=None, *, expect=None, **headers):
        answer = await self.reply(method, path, body, **headers)
        decoded = json.loads(answer.body)
        if expect is not None:
            assert answer.status == expect, decoded
        return decoded


@pytest.fixture
async def call() -> AsyncIterator[Caller]:
    env = Env()
    server = ApiServer(env, Config(), MemoryStore(env), None)
    task = asyncio.get_running_loop().create_task(server.run())
    await server.wait_ready()
    server.resources.add(WIDGETS)
    yield Caller(server)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def widget(name="a", **more):
    return {"metadata": {"name": name, **more}, "spec": {"size": 1}}


async def test_life_of_an_object(call):
    made = await call("POST", PATH, widget(labels={"a": "b"}), expect=201)
    assert made["kind"] == "Widget"
    assert made["metadata"]["uid"]
    assert made["metadata"]["generation"] == 1
    assert await call("GET", PATH + "/a", expect=200) == made
    changed = await call("PUT", PATH + "/a", {**made, "spec": {"size": 2}}, expect=200)
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert changed["metadata"]["generation"] == 2
    stale = await call("PUT", PATH + "/a", {**made, "spec": {"size": 3}}, expect=409)
    assert stale["message"] == (
        'Operation cannot be fulfilled on widgets.example.com "a": the object has been modified;'
        " please apply your changes to the latest version and try again"
    )
    patch = b'{"spec":{"color":"red"}}'
    kind = "application/merge-patch+json"
    patched = await call("PATCH", PATH + "/a", patch, expect=200, content_type=kind)
    assert patched["spec"] == {"size": 2, "color": "red"}
    listed = await call("GET", PATH, expect=200)
    assert listed["kind"] == "WidgetList"
    assert [set(item) for item in listed["items"]] == [{"metadata", "spec"}]
    gone = await call("DELETE", PATH + "/a", expect=200)
    assert gone["status"] == "Success"
    lost = await call("GET", PATH + "/a", expect=404)
    assert lost["message"] == 'widgets.example.com "a" not found'


async def test_watch_sees_what_its_selector_selects(call):
    stream = await call.reply("GET", PATH + "?watch=true&labelSelector=a%3Db")
    made = await call("POST", PATH, widget(labels={"a": "b"}), expect=201)
    del made["metadata"]["labels"]
    await call("PUT", PATH + "/a", made, expect=200)
    text = b""
    async for chunk in stream.chunks:
        text += chunk
        if text.count(b"\n") == 2:
            break
    await stream.chunks.aclose()
    events = [json.loads(line) for line in text.splitlines()]
    assert [event["type"] for event in events] == ["ADDED", "DELETED"]
    assert events[1]["object"]["metadata"]["labels"] == {"a": "b"}


async def test_finalizers_hold_a_deleted_object(call):
    await call("POST", PATH, widget(finalizers=["example.com/hold"]), expect=201)
    held = await call("DELETE", PATH + "/a", expect=200)
    assert held["metadata"]["deletionTimestamp"]
    held["metadata"]["finalizers"] = []
    await call("PUT", PATH + "/a", held, expect=200)
    await call("GET", PATH + "/a", expect=404)


async def test_built_in_kinds_and_bootstrap(call):
    names = [n["metadata"]["name"] for n in (await call("GET", "/api/v1/namespaces"))["items"]]
    assert names == ["default", "kube-node-lease", "kube-public", "kube-system"]
    body = {"metadata": {"generateName": "x-"}, "data": {"a": "1"}}
    made = await call("POST", "/api/v1/namespaces/default/configmaps", body, expect=201)
    assert made["metadata"]["name"].startswith("x-")
    assert made["metadata"]["managedFields"][0]["manager"] == "unknown"
    pod = {
        "metadata": {"name": "p"},
        "spec": {"containers": [{"name": "c", "image": "i", "oops": 1}]},
    }
    answer = await call.reply("POST", "/api/v1/namespaces/default/pods", pod)
    assert answer.status == 201, answer.body
    assert ("Warning", '299 - "unknown field \\"spec.containers[0].oops\\""') in answer.headers
    node = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}
    await call("POST", "/api/v1/namespaces/default/pods/p/binding", node, expect=201)
    twice = await call("POST", "/api/v1/namespaces/default/pods/p/binding", node, expect=409)
    assert 'pod p is already assigned to node "n1"' in twice["message"]
    on_node = await call("GET", "/api/v1/pods?fieldSelector=spec.nodeName%3Dn1", expect=200)
    assert len(on_node["items"]) == 1
    gone = await call("DELETE", "/api/v1/namespaces/default/pods/p", expect=200)
    assert gone["metadata"]["deletionGracePeriodSeconds"] == 30
    await call("DELETE", "/api/v1/namespaces/default/pods/p?gracePeriodSeconds=0", expect=200)
    await call("GET", "/api/v1/namespaces/default/pods/p", expect=404)

# SPDX-License-Identifier: Apache-2.0
"""The server through its handler, over the memory store: the life of an object."""

import pytest

from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import GVR
from pybernetes.apis.resource import Resource

WIDGETS = Resource(
    gvr=GVR("example.com", "v1", "widgets"),
    kind="Widget",
    singular="widget",
    namespaced=True,
    schema=Schema(type="object", preserve_unknown=True),
    verbs=("create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"),
    storage_version="v1",
    storage_group="example.com",
    storage_prefix="/registry/example.com/widgets/",
)
PATH = "/apis/example.com/v1/namespaces/default/widgets"


@pytest.fixture(autouse=True)
def _widgets(call):
    """A kind added from outside, while the server runs."""
    call.server.resources.add(WIDGETS)


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
    events = await call.events(stream, 2)
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
    account = {"metadata": {"name": "default"}}
    await call("POST", "/api/v1/namespaces/default/serviceaccounts", account, expect=201)
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

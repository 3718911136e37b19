# SPDX-License-Identifier: Apache-2.0
"""What makes the server fast, as facts that do not depend on the machine."""

import gzip
import json

from pybernetes.apiserver.bootstrap.objects import CONFIG_MAPS
from pybernetes.wire.types import Request, Response

MAPS = "/api/v1/namespaces/default/configmaps"


async def test_a_get_is_answered_without_waiting(call):
    await call("POST", MAPS, {"metadata": {"name": "a"}}, expect=201)
    path = MAPS + "/a"
    reply = call.server.handler(Request("GET", path, path, identity=call.user))
    assert isinstance(reply, Response)


async def test_an_event_is_encoded_once_for_all_watchers(call):
    streams = [await call.reply("GET", f"{MAPS}?watch=1") for _ in range(2)]
    await call("POST", MAPS, {"metadata": {"name": "a"}}, expect=201)
    first, second = [await anext(stream.chunks) for stream in streams]
    assert first is second
    for stream in streams:
        await stream.chunks.aclose()


async def test_a_list_is_joined_once_until_something_changes(call):
    cache = call.server.resources.find(CONFIG_MAPS).cache
    await call("GET", "/api/v1/configmaps", expect=200)
    kept = dict(cache.joins)
    await call("GET", "/api/v1/configmaps", expect=200)
    assert cache.joins[("", "v1")] is kept[("", "v1")]
    await call("POST", MAPS, {"metadata": {"name": "a"}}, expect=201)
    listed = await call("GET", "/api/v1/configmaps", expect=200)
    assert "a" in [item["metadata"]["name"] for item in listed["items"]]


async def test_a_binding_and_a_bulk_of_objects_are_one_write_each(call):
    store = call.server.core.store
    before = store.revision
    body = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}], "type": "NodePort"}}
    await call("POST", "/api/v1/namespaces/default/services", body, expect=201)
    assert store.revision == before + 1


async def test_big_lists_are_compressed(call):
    for number in range(3):
        data = {"x": "y" * 100_000}
        body = {"metadata": {"name": f"m{number}"}, "data": data}
        await call("POST", MAPS, body, expect=201)
    reply = await call.reply("GET", MAPS, accept_encoding="gzip")
    assert ("Content-Encoding", "gzip") in reply.headers
    assert len(reply.body) < 10_000
    assert len(json.loads(gzip.decompress(reply.body))["items"]) == 3

# SPDX-License-Identifier: Apache-2.0
"""Watches: where they begin, bookmarks, watch-lists, and what is refused."""

import asyncio

from pybernetes.apiserver.bootstrap.objects import CONFIG_MAPS
from pybernetes.apiserver.config import Config

MAPS = "/api/v1/namespaces/default/configmaps"
LIST = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"


async def make(call, *names):
    for name in names:
        await call("POST", MAPS, {"metadata": {"name": name}}, expect=201)


def shown(events):
    return [(event["type"], event["object"]["metadata"].get("name", "")) for event in events]


async def test_a_watch_goes_on_where_a_list_was_made(call):
    await make(call, "a")
    listed = await call("GET", MAPS, expect=200)
    version = listed["metadata"]["resourceVersion"]
    await make(call, "b")
    stream = await call.reply("GET", f"{MAPS}?watch=1&resourceVersion={version}")
    await make(call, "c")
    await call("DELETE", MAPS + "/a", expect=200)
    events = await call.events(stream, 3)
    assert shown(events) == [("ADDED", "b"), ("ADDED", "c"), ("DELETED", "a")]
    versions = [int(event["object"]["metadata"]["resourceVersion"]) for event in events]
    assert versions == sorted(set(versions))


async def test_a_watch_list_ends_its_initial_events_with_a_bookmark(call):
    await make(call, "a", "b")
    stream = await call.reply("GET", f"{MAPS}?watch=1&{LIST}")
    events = await call.events(stream, 3)
    assert shown(events) == [("ADDED", "a"), ("ADDED", "b"), ("BOOKMARK", "")]
    assert events[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    refused = await call("GET", f"{MAPS}?watch=1&sendInitialEvents=true", expect=422)
    assert "sendInitialEvents requires setting resourceVersionMatch" in refused["message"]


async def test_a_revision_that_is_no_longer_kept_is_410(start):
    call = await start(Config(watch_history=3))
    await make(call, "a", "b", "c", "d", "e")
    gone = await call("GET", f"{MAPS}?watch=1&resourceVersion=1", expect=410)
    assert gone["reason"] == "Expired"
    assert gone["message"].startswith("too old resource version: 1 (")


async def test_a_slow_watcher_is_cut_off_and_a_timeout_ends_a_watch(start):
    call = await start(Config(watch_queue=2))
    slow = await call.reply("GET", f"{MAPS}?watch=1")
    await make(call, "a", "b", "c", "d")
    chunks = [chunk async for chunk in slow.chunks]
    assert len(chunks) >= 1
    brief = await call.reply("GET", f"{MAPS}?watch=1&timeoutSeconds=1&resourceVersion=0")
    async with asyncio.timeout(30):
        assert b"".join([chunk async for chunk in brief.chunks]).count(b"ADDED") == 4
    assert len(call.server.resources.find(CONFIG_MAPS).cache.watchers) == 0


async def test_one_name_or_one_namespace_is_watched(call):
    named = await call.reply("GET", f"{MAPS}?watch=1&fieldSelector=metadata.name%3Db")
    everywhere = await call.reply("GET", "/api/v1/configmaps?watch=1&resourceVersion=0")
    await make(call, "a", "b")
    assert shown(await call.events(named, 1)) == [("ADDED", "b")]
    assert {"a", "b"} <= {name for _, name in shown(await call.events(everywhere, 3))}


async def test_partial_and_table_watches(call):
    partial = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
    table = "application/json;as=Table;g=meta.k8s.io;v=v1"
    streams = [await call.reply("GET", f"{MAPS}?watch=1", accept=a) for a in (partial, table)]
    await make(call, "a")
    kinds = [(await call.events(s, 1))[0]["object"]["kind"] for s in streams]
    assert kinds == ["PartialObjectMetadata", "Table"]


async def test_a_watch_from_a_revision_that_is_still_to_come_never_goes_back(call):
    """Another API server over the same store had told it; this one's cache is behind."""
    await make(call, "a")
    listed = await call("GET", MAPS, expect=200)
    known = int(listed["metadata"]["resourceVersion"]) + 2
    stream = await call.reply("GET", f"{MAPS}?watch=1&resourceVersion={known}")
    await make(call, "b", "c", "d")
    (event,) = await call.events(stream, 1)
    assert shown([event]) == [("ADDED", "d")]
    assert int(event["object"]["metadata"]["resourceVersion"]) == known + 1

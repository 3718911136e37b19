# SPDX-License-Identifier: Apache-2.0
"""Lists: pages, old revisions, selectors, shapes."""

from pybernetes.apiserver.rest.versions import decode_token, encode_token

MAPS = "/api/v1/namespaces/default/configmaps"
ALL = "/api/v1/configmaps"
TABLE = "application/json;as=Table;g=meta.k8s.io;v=v1,application/json"


async def make(call, *names, **metadata):
    for name in names:
        await call("POST", MAPS, {"metadata": {"name": name, **metadata}}, expect=201)


def names(listed):
    return [item["metadata"]["name"] for item in listed["items"]]


async def test_pages_are_consistent_and_expire(call):
    await make(call, "a", "b", "c", "d", "e")
    first = await call("GET", MAPS + "?limit=2", expect=200)
    assert names(first) == ["a", "b"]
    assert first["metadata"]["remainingItemCount"] == 3
    await call("DELETE", MAPS + "/d", expect=200)
    token = first["metadata"]["continue"]
    second = await call("GET", f"{MAPS}?limit=2&continue={token}", expect=200)
    assert names(second) == ["c", "d"]
    assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
    store = call.server.core.store
    await store.compact(store.revision)
    gone = await call("GET", f"{MAPS}?limit=2&continue={token}", expect=410)
    assert "inconsistent list" in gone["message"]
    rest = gone["metadata"]["continue"]
    assert names(await call("GET", f"{MAPS}?limit=5&continue={rest}", expect=200)) == ["c", "e"]


async def test_a_token_expires_though_nothing_of_its_kind_has_changed(call):
    await make(call, "a", "b")
    first = await call("GET", MAPS + "?limit=1", expect=200)
    token = first["metadata"]["continue"]
    await call("POST", "/api/v1/namespaces", {"metadata": {"name": "other"}}, expect=201)
    store = call.server.core.store
    await store.compact(store.revision)
    gone = await call("GET", f"{MAPS}?limit=1&continue={token}", expect=410)
    rest = gone["metadata"]["continue"]
    assert names(await call("GET", f"{MAPS}?limit=1&continue={rest}", expect=200)) == ["b"]


async def test_revisions(call):
    await make(call, "a")
    old = (await call("GET", MAPS, expect=200))["metadata"]["resourceVersion"]
    await make(call, "b")
    exact = f"{MAPS}?resourceVersion={old}&resourceVersionMatch=Exact"
    assert names(await call("GET", exact, expect=200)) == ["a"]
    newer = f"{MAPS}?resourceVersion={old}&resourceVersionMatch=NotOlderThan"
    assert names(await call("GET", newer, expect=200)) == ["a", "b"]
    assert names(await call("GET", MAPS + "?resourceVersion=0", expect=200)) == ["a", "b"]
    refused = await call("GET", MAPS + "?resourceVersionMatch=Exact", expect=422)
    assert "forbidden unless resourceVersion is provided" in refused["message"]
    await call("GET", MAPS + "?resourceVersion=x", expect=400)


async def test_selectors(call):
    await make(call, "a", labels={"app": "web", "tier": "1"})
    await make(call, "b", labels={"app": "db"})
    for query, expected in (
        ("labelSelector=app%3Dweb", ["a"]),
        ("labelSelector=app", ["a", "b"]),
        ("labelSelector=app+notin+(web)", ["b"]),
        ("fieldSelector=metadata.name%3Db", ["b"]),
        ("fieldSelector=metadata.name!%3Db&labelSelector=app", ["a"]),
    ):
        assert names(await call("GET", f"{MAPS}?{query}", expect=200)) == expected, query
    await call("PUT", MAPS + "/a", {"metadata": {"name": "a", "labels": {"app": "db"}}}, expect=200)
    assert names(await call("GET", MAPS + "?labelSelector=app%3Dweb", expect=200)) == []
    assert names(await call("GET", MAPS + "?labelSelector=app%3Ddb", expect=200)) == ["a", "b"]
    await call("GET", MAPS + "?fieldSelector=spec.x%3Dy", expect=400)
    await call("GET", MAPS + "?labelSelector=a%3D%3D%3D", expect=400)


async def test_shapes(call):
    await make(call, "a")
    table = await call("GET", MAPS, accept=TABLE, expect=200)
    assert table["kind"] == "Table"
    assert table["columnDefinitions"][0]["name"] == "Name"
    assert table["rows"][0]["cells"][0] == "a"
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"
    partial = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"
    assert (await call("GET", MAPS, accept=partial))["kind"] == "PartialObjectMetadataList"
    pretty = await call.reply("GET", MAPS + "/a?pretty=true")
    assert pretty.body.startswith(b'{\n  "kind": "ConfigMap"')
    yaml = await call.reply("GET", MAPS + "/a", accept="application/yaml")
    assert b"kind: ConfigMap" in yaml.body


async def test_delete_collection_takes_what_a_list_shows(call):
    await make(call, "a", "b", labels={"x": "y"})
    await make(call, "c")
    await call("DELETE", MAPS + "?labelSelector=x%3Dy", expect=200)
    assert names(await call("GET", ALL + "?fieldSelector=metadata.namespace%3Ddefault")) == ["c"]


def test_tokens_are_read_back():
    assert decode_token(encode_token(7, "ns/a\0")) == (7, "ns/a\0")


async def test_events_are_selected_by_the_names_of_their_own_group(start) -> None:
    call = await start()
    event = {
        "metadata": {"name": "e", "namespace": "default"},
        "regarding": {"namespace": "default", "kind": "Pod", "name": "p"},
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "tester",
        "reportingInstance": "x",
        "action": "a",
        "reason": "r",
        "type": "Normal",
        "note": "n",
    }
    new, old = (
        f"/{path}/namespaces/default/events" for path in ("apis/events.k8s.io/v1", "api/v1")
    )
    await call("POST", new, event, expect=201)
    for path, field in (
        (new, "reportingController%3Dtester"),
        (new, "regarding.name%3Dp"),
        (old, "reportingComponent%3Dtester"),
        (old, "source%3Dtester,involvedObject.name%3Dp"),
    ):
        found = await call("GET", f"{path}?fieldSelector={field}", expect=200)
        assert [item["metadata"]["name"] for item in found["items"]] == ["e"], field
    await call("GET", f"{old}?fieldSelector=regarding.name%3Dp", expect=400)

# SPDX-License-Identifier: Apache-2.0
"""Writes: patches, apply, dry run, field validation, names, preconditions, deletion policies."""

import asyncio

import pytest

NS = "/api/v1/namespaces/default"
MAPS = NS + "/configmaps"
DEPLOYMENTS = "/apis/apps/v1/namespaces/default/deployments"
MERGE = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"


def config_map(name="a", **data):
    return {"metadata": {"name": name}, "data": data}


def deployment(name="d", image="i"):
    labels = {"app": name}
    return {
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "c", "image": image}]},
            },
        },
    }


async def test_a_new_object_has_the_status_an_empty_struct_has(call):
    path = "/apis/apps/v1/namespaces/default/"
    body = {**deployment(), "status": {"replicas": 7}}
    assert (await call("POST", DEPLOYMENTS, body, expect=201))["status"] == {}
    made = await call("POST", path + "daemonsets", deployment(), expect=201)
    assert made["status"]["numberReady"] == 0
    service = {"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}
    made = await call("POST", NS + "/services", service, expect=201)
    assert made["status"] == {"loadBalancer": {}}
    assert "status" not in await call("POST", MAPS, config_map(), expect=201)


async def test_four_patches(call):
    await call("POST", DEPLOYMENTS, deployment(), expect=201)
    path = DEPLOYMENTS + "/d"
    spec = {"spec": {"containers": [{"name": "x", "image": "y"}]}}
    body = {"spec": {"template": spec}}
    both = await call("PATCH", path, body, content_type=STRATEGIC, expect=200)
    assert [c["name"] for c in both["spec"]["template"]["spec"]["containers"]] == ["x", "c"]
    assert both["metadata"]["generation"] == 2
    one = await call("PATCH", path, body, content_type=MERGE, expect=200)
    assert [c["name"] for c in one["spec"]["template"]["spec"]["containers"]] == ["x"]
    change = [{"op": "replace", "path": "/spec/replicas", "value": 3}]
    three = await call("PATCH", path, change, content_type=JSON_PATCH, expect=200)
    assert three["spec"]["replicas"] == 3
    applied = {"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 5}}
    clash = await call("PATCH", path + "?fieldManager=me", applied, content_type=APPLY, expect=409)
    assert clash["details"]["causes"][0]["reason"] == "FieldManagerConflict"
    query = "?fieldManager=me&force=true"
    forced = await call("PATCH", path + query, applied, content_type=APPLY, expect=200)
    assert forced["spec"]["replicas"] == 5
    await call("PATCH", path, {}, content_type="text/plain", expect=415)


async def test_apply_creates_what_is_missing(call):
    body = b"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n"
    path = MAPS + "/new?fieldManager=me"
    made = await call("PATCH", path, body, content_type=APPLY, expect=201)
    assert made["metadata"]["managedFields"][0]["operation"] == "Apply"
    same = await call("PATCH", path, body, content_type=APPLY, expect=200)
    assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]


async def test_apply_to_what_is_there_asks_the_store_once(call, monkeypatch):
    body = b"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n"
    await call("PATCH", MAPS + "/new?fieldManager=me", body, content_type=APPLY, expect=201)
    store, asked = call.server.core.store, []
    current = store.current

    def counted():
        asked.append(1)
        return current()

    monkeypatch.setattr(store, "current", counted)
    await call("PATCH", MAPS + "/new?fieldManager=me", body, content_type=APPLY, expect=200)
    assert len(asked) == 1


async def test_a_grace_period_that_is_no_number_is_refused(call):
    refused = await call("DELETE", MAPS + "/x?gracePeriodSeconds=soon", expect=400)
    assert refused["message"] == 'strconv.ParseInt: parsing "soon": invalid syntax'


async def test_status_is_a_part_of_its_own(call):
    await call("POST", DEPLOYMENTS, {**deployment(), "status": {"replicas": 9}}, expect=201)
    made = await call("GET", DEPLOYMENTS + "/d", expect=200)
    assert "replicas" not in made.get("status", {})
    made["status"] = {"replicas": 2}
    made["spec"]["replicas"] = 7
    done = await call("PUT", DEPLOYMENTS + "/d/status", made, expect=200)
    assert (done["status"]["replicas"], done["spec"]["replicas"]) == (2, 1)
    assert done["metadata"]["generation"] == 1
    del done["status"]
    done = await call("PUT", DEPLOYMENTS + "/d", done, expect=200)
    assert done["status"]["replicas"] == 2


async def test_dry_run_stores_nothing(call):
    made = await call("POST", MAPS + "?dryRun=All", config_map(), expect=201)
    assert made["metadata"]["uid"]
    await call("GET", MAPS + "/a", expect=404)
    await call("POST", MAPS, config_map(a="1"), expect=201)
    body = {"data": {"a": "2"}}
    tried = await call("PATCH", MAPS + "/a?dryRun=All", body, content_type=MERGE, expect=200)
    assert tried["data"] == {"a": "2"}
    await call("DELETE", MAPS + "/a?dryRun=All", expect=200)
    assert (await call("GET", MAPS + "/a", expect=200))["data"] == {"a": "1"}
    await call("POST", MAPS + "?dryRun=Some", config_map("b"), expect=422)


async def test_field_validation(call):
    body = b'{"metadata":{"name":"a"},"data":{"x":"1","x":"2"},"oops":1}'
    strict = await call("POST", MAPS + "?fieldValidation=Strict", body, expect=400)
    assert (
        'strict decoding error: duplicate field "data.x", unknown field "oops"' in strict["message"]
    )
    warned = await call.reply("POST", MAPS + "?fieldValidation=Warn", body)
    assert sum(name == "Warning" for name, _ in warned.headers) == 2
    wrong = await call("POST", MAPS, {"metadata": {"name": "b"}, "data": {"x": 1}}, expect=400)
    assert "cannot be handled as a ConfigMap" in wrong["message"]


async def test_names(call):
    await call("POST", MAPS, config_map(), expect=201)
    twice = await call("POST", MAPS, config_map(), expect=409)
    assert twice["reason"] == "AlreadyExists"
    bad = await call("POST", MAPS, config_map("A_b"), expect=422)
    assert bad["details"]["causes"][0]["field"] == "metadata.name"
    none = await call("POST", MAPS, {"data": {}}, expect=422)
    assert "name or generateName is required" in none["message"]
    other = {"metadata": {"name": "x", "namespace": "other"}}
    await call("POST", MAPS, other, expect=400)
    await call("PUT", MAPS + "/b", config_map(), expect=400)


async def test_lost_updates_are_refused_and_unconditional_ones_win(call):
    made = await call("POST", MAPS, config_map(), expect=201)
    writes = [call("PUT", MAPS + "/a", config_map(n=str(n))) for n in range(8)]
    done = await asyncio.gather(*writes)
    assert all(answer["kind"] == "ConfigMap" for answer in done)
    assert len({answer["metadata"]["resourceVersion"] for answer in done}) == 8
    await call("PUT", MAPS + "/a", made, expect=409)
    patches = [
        call("PATCH", MAPS + "/a", {"data": {f"k{n}": "v"}}, content_type=MERGE, expect=200)
        for n in range(8)
    ]
    await asyncio.gather(*patches)
    assert len((await call("GET", MAPS + "/a"))["data"]) == 9


async def test_an_update_without_a_change_writes_nothing(call):
    made = await call("POST", MAPS, config_map(a="1"), expect=201)
    again = await call("PUT", MAPS + "/a", made, expect=200)
    assert again == made


async def test_preconditions_and_policies(call):
    await call("POST", MAPS, config_map(), expect=201)
    wrong = {"preconditions": {"uid": "nope"}}
    await call("DELETE", MAPS + "/a", wrong, expect=409)
    orphan = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Orphan"}
    held = await call("DELETE", MAPS + "/a", orphan, expect=200)
    assert held["metadata"]["finalizers"] == ["orphan"]
    added = {"metadata": {"finalizers": ["orphan", "example.com/late"]}}
    late = await call("PATCH", MAPS + "/a", added, content_type=MERGE, expect=422)
    assert "no new finalizers can be added" in late["message"]
    freed = {"metadata": {"finalizers": None}}
    await call("PATCH", MAPS + "/a", freed, content_type=MERGE, expect=200)
    await call("GET", MAPS + "/a", expect=404)


async def test_several_versions_of_one_object(call):
    target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "d"}
    spec = {"scaleTargetRef": target, "maxReplicas": 3, "targetCPUUtilizationPercentage": 50}
    v1 = "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers"
    made = await call("POST", v1, {"metadata": {"name": "h"}, "spec": spec}, expect=201)
    assert made["spec"]["targetCPUUtilizationPercentage"] == 50
    newer = await call("GET", v1.replace("v1", "v2") + "/h", expect=200)
    assert newer["apiVersion"] == "autoscaling/v2"
    assert newer["spec"]["metrics"][0]["resource"]["target"]["averageUtilization"] == 50
    event = {"metadata": {"name": "e"}, "involvedObject": {"namespace": "default"}, "reason": "R"}
    await call("POST", NS + "/events", event, expect=201)
    found = await call("GET", "/apis/events.k8s.io/v1/namespaces/default/events/e", expect=200)
    assert (found["apiVersion"], found["reason"]) == ("events.k8s.io/v1", "R")


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/apis/nope.example.com/v1/things", 404),
        ("/api/v1/namespaces/default/nothing", 404),
        ("/version", 200),
        ("/readyz?verbose", 200),
        ("/livez/ping", 200),
        ("/", 200),
        ("/nothing", 404),
        ("/api", 200),
        ("/apis", 200),
        ("/apis/apps", 200),
        ("/apis/apps/v1", 200),
        ("/metrics", 200),
    ],
)
async def test_paths(call, path, status):
    assert (await call.reply("GET", path)).status == status


async def test_openapi(call):
    index = await call("GET", "/openapi/v3", expect=200)
    url = index["paths"]["apis/apps/v1"]["serverRelativeURL"]
    assert "io.k8s.api.apps.v1.Deployment" in (await call("GET", url))["components"]["schemas"]
    await call("GET", "/openapi/v3/apis/none/v1", expect=404)


async def test_reviews_have_no_table(start) -> None:
    call = await start()
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    review = {"spec": {"nonResourceAttributes": {"path": "/", "verb": "get"}}}
    table = "application/json;as=Table;v=v1;g=meta.k8s.io"
    refused = await call("POST", path, review, expect=406, accept=table)
    assert refused["reason"] == "NotAcceptable"
    await call("POST", path, review, expect=201, accept=f"{table},application/json")


async def test_times_of_the_first_century_have_four_digits(start) -> None:
    call = await start()
    spec = {"holderIdentity": "me", "acquireTime": "0001-01-01T00:00:02.000000Z"}
    path = "/apis/coordination.k8s.io/v1/namespaces/default/leases"
    made = await call("POST", path, {"metadata": {"name": "l"}, "spec": spec}, expect=201)
    assert made["spec"]["acquireTime"] == "0001-01-01T00:00:02.000000Z"

# SPDX-License-Identifier: Apache-2.0
"""Rules that the server takes from the kinds, and what it says about bodies and its own health."""

import asyncio

import pytest

PODS = "/api/v1/namespaces/default/pods"
MAPS = "/api/v1/namespaces/default/configmaps"
TWICE = b"metadata:\n  name: twice\ndata:\n  a: '1'\n  a: '2'\n"
TOLD = 'yaml: unmarshal errors:\n  line 5: key "a" already set in map'


@pytest.fixture
async def call(start):
    return await start()


async def running(call, name, grace):
    spec = {
        "nodeName": "n",
        "terminationGracePeriodSeconds": grace,
        "serviceAccountName": "a",
        "containers": [{"name": "c", "image": "i"}],
    }
    account = {"metadata": {"name": "a"}}
    await call("POST", "/api/v1/namespaces/default/serviceaccounts", account)
    await call("POST", PODS, {"metadata": {"name": name}, "spec": spec}, expect=201)


@pytest.mark.parametrize(("own", "asked", "left"), [(0, 20, 20), (30, -5, 1), (30, 7, 7)])
async def test_an_explicit_grace_wins_over_the_pods_own(call, own, asked, left):
    await running(call, "p", own)
    pod = await call("DELETE", f"{PODS}/p", {"gracePeriodSeconds": asked}, expect=200)
    assert pod["metadata"]["deletionGracePeriodSeconds"] == left


async def test_strict_names_the_keys_that_yaml_has_twice(call):
    yaml = {"content_type": "application/yaml"}
    refused = await call("POST", f"{MAPS}?fieldValidation=Strict", TWICE, expect=400, **yaml)
    assert refused["message"].endswith(f"strict decoding error: {TOLD}")
    reply = await call.reply("POST", MAPS, TWICE, **yaml)
    assert reply.status == 201
    assert any("already set in map" in value for name, value in reply.headers if name == "Warning")


async def test_strict_apply_names_the_keys_that_yaml_has_twice(call):
    query = "fieldManager=m&fieldValidation=Strict"
    yaml = {"content_type": "application/apply-patch+yaml"}
    body = b"apiVersion: v1\nkind: ConfigMap\n" + TWICE
    refused = await call("PATCH", f"{MAPS}/twice?{query}", body, expect=400, **yaml)
    assert refused["message"].startswith("error strict decoding patch: yaml: unmarshal errors:")


async def test_ephemeral_containers_are_only_added(call):
    await running(call, "p", 0)
    path = f"{PODS}/p/ephemeralcontainers"
    pod = await call("GET", path, expect=200)
    pod["metadata"]["labels"] = {"not": "taken"}
    pod["spec"]["ephemeralContainers"] = [{"name": "debug", "image": "i"}]
    pod = await call("PUT", path, pod, expect=200)
    assert "labels" not in pod["metadata"]
    assert pod["spec"]["ephemeralContainers"][0]["terminationMessagePath"]
    pod["spec"]["ephemeralContainers"] = []
    refused = await call("PUT", path, pod, expect=422)
    assert 'existing ephemeral containers "debug" may not be removed' in refused["message"]


async def test_health_says_when_the_store_is_gone_and_what_cannot_be_excluded(call):
    text = (await call.reply("GET", "/livez?verbose&exclude=nothing")).body.decode()
    assert 'warn: some health checks cannot be excluded: no matches for "nothing"' in text
    await call.server.core.store.close()
    await asyncio.sleep(0.01)
    reply = await call.reply("GET", "/readyz")
    assert reply.status == 500
    assert b"[-]etcd failed: reason withheld" in reply.body

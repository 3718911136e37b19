# SPDX-License-Identifier: Apache-2.0
"""Protobuf bodies at every door that takes one: objects, options, evictions, bindings, scale."""

import pytest

PROTOBUF = {"content_type": "application/vnd.kubernetes.protobuf"}
NS = "/api/v1/namespaces/default"
MAPS = NS + "/configmaps"


def field(number, value):
    """A field of a message: a small number, or text or bytes of less than 128."""
    if isinstance(value, int):
        return bytes([number << 3, value])
    data = value.encode() if isinstance(value, str) else value
    assert len(data) < 128
    return bytes([number << 3 | 2, len(data)]) + data


def body(api_version, kind, *fields):
    envelope = field(1, field(1, api_version) + field(2, kind)) + field(2, b"".join(fields))
    return b"k8s\0" + envelope


def config_map(name, text):
    meta = field(1, name) + field(2, "") + field(7, 0) + field(8, b"")
    return body("v1", "ConfigMap", field(1, meta), field(2, field(1, "k") + field(2, text)))


async def test_objects_are_created_replaced_and_deleted(call):
    made = await call("POST", MAPS, config_map("a", "x"), expect=201, **PROTOBUF)
    assert made["data"] == {"k": "x"}
    assert "generateName" not in made["metadata"]
    changed = await call("PUT", MAPS + "/a", config_map("a", "y"), expect=200, **PROTOBUF)
    assert changed["data"] == {"k": "y"}
    # clients send the group version of what they delete
    wrong = body("apps/v1", "DeleteOptions", field(2, field(1, "no-such-uid")))
    await call("DELETE", MAPS + "/a", wrong, expect=409, **PROTOBUF)
    await call("DELETE", MAPS + "/a", body("v1", "DeleteOptions"), expect=200, **PROTOBUF)


async def test_subresources(call):
    account = body("v1", "ServiceAccount", field(1, field(1, "default")), field(4, 0))
    await call("POST", NS + "/serviceaccounts", account, expect=201, **PROTOBUF)
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = {"metadata": {"name": "p"}, "spec": spec}
    await call("POST", NS + "/pods", pod, expect=201)
    meta = field(1, field(1, "p"))
    binding = body("v1", "Binding", meta, field(2, field(3, "node")))
    await call("POST", NS + "/pods/p/binding", binding, expect=201, **PROTOBUF)
    assert (await call("GET", NS + "/pods/p"))["spec"]["nodeName"] == "node"
    for version in ("policy/v1", "policy/v1beta1"):
        options = field(2, field(5, "All"))
        eviction = body(version, "Eviction", meta, options)
        await call("POST", NS + "/pods/p/eviction", eviction, expect=201, **PROTOBUF)
    spec = field(2, field(2, field(1, "/healthz") + field(2, "get")))
    review = body("authorization.k8s.io/v1", "SelfSubjectAccessReview", field(1, b""), spec)
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    assert (await call("POST", path, review, **PROTOBUF))["status"]["allowed"]


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        (b"k8s\0", "(must be of type ConfigMap): empty body (6b387300)"),
        (b"{}", "expected prefix [107 56 115 0] (7b7d)"),
        (body("v1", "Pod"), "(must be of type ConfigMap): got kind Pod"),
        (body("v2", "ConfigMap"), "the API version in the data (v2) does not match"),
        (
            body("v1", "ConfigMap", b"\x0a\x05"),
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: unexpected EOF',
        ),
    ],
)
async def test_bad_bodies(call, sent, words):
    answer = await call("POST", MAPS, sent, expect=400, **PROTOBUF)
    assert words in answer["message"]


async def test_not_for_patches(call):
    await call("PATCH", MAPS + "/a", b"x", expect=415, **PROTOBUF)

# SPDX-License-Identifier: Apache-2.0
"""The three patch formats on small documents."""

import copy

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.json_patch import json_patch, merge_patch
from pybernetes.apimachinery.patch.strategic import strategic_merge_patch
from pybernetes.apimachinery.schema.types import Schema

TEXT = Schema("string")
CONTAINER = Schema(
    "object",
    properties={"name": TEXT, "image": TEXT, "args": Schema("array", items=TEXT)},
)
SPEC = Schema(
    "object",
    properties={
        "containers": Schema(
            "array", items=CONTAINER, patch_strategy="merge", patch_merge_key="name"
        ),
        "finalizers": Schema("array", items=TEXT, patch_strategy="merge"),
        "tolerations": Schema("array", items=CONTAINER),
        "strategy": Schema("object", patch_strategy="retainKeys"),
    },
)
ROOT = Schema("object", properties={"spec": SPEC})


def spec(**fields):
    return {"spec": fields}


def names(result):
    return [item["name"] for item in result["spec"]["containers"]]


ABC = [{"name": name, "image": "old"} for name in "abc"]

JSON = [
    ({"a": 1}, [{"op": "add", "path": "/b", "value": {"c": 2}}], {"a": 1, "b": {"c": 2}}),
    ({"a": [1, 3]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2, 3]}),
    ({"a": [1]}, [{"op": "add", "path": "/a/-", "value": 2}], {"a": [1, 2]}),
    ({"a": [1, 2]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1]}),
    ({"a~b/c": 1}, [{"op": "replace", "path": "/a~0b~1c", "value": 2}], {"a~b/c": 2}),
    ({"a": 1}, [{"op": "move", "from": "/a", "path": "/b"}], {"b": 1}),
    (
        {"a": {"x": []}},
        [{"op": "copy", "from": "/a", "path": "/b"}],
        {"a": {"x": []}, "b": {"x": []}},
    ),
    ({"a": 1}, [{"op": "test", "path": "/z", "value": None}], {"a": 1}),
]


@pytest.mark.parametrize(("document", "patch", "expected"), JSON)
def test_json_patch(document, patch, expected):
    before = copy.deepcopy((document, patch))
    assert json_patch(document, patch) == expected
    assert (document, patch) == before


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "path": "/missing"},
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "add", "path": "/missing/x", "value": 1},
        {"op": "add", "path": "/list/7", "value": 1},
        {"op": "test", "path": "/one", "value": True},
        {"op": "dance", "path": "/one"},
        {"op": "add", "path": "one", "value": 1},
        {"op": "add", "path": "/one/x", "value": 1},
    ],
)
def test_json_patch_that_does_not_apply_is_422(operation):
    with pytest.raises(ApiError) as caught:
        json_patch({"one": 1, "list": []}, [operation])
    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message == (
        "the server rejected our request due to an error in our request"
    )


def test_json_patch_limits():
    with pytest.raises(ApiError) as caught:
        json_patch({}, [{"op": "test", "path": "/a", "value": None}] * 10_001)
    assert caught.value.code == 413
    assert "maximum operations in a JSON patch is 10000, got 10001" in caught.value.message
    big = {"a": "x" * 1_000_000}
    with pytest.raises(ApiError):
        json_patch(big, [{"op": "copy", "from": "/a", "path": f"/b{i}"} for i in range(4)])


def test_merge_patch_follows_the_rfc():
    original = {"title": "x", "author": {"given": "J", "family": "D"}, "tags": ["a"]}
    patch = {"author": {"family": None}, "tags": ["b"], "new": {"x": {"y": None}}}
    result = merge_patch(original, patch)
    assert result == {
        "title": "x",
        "author": {"given": "J"},
        "tags": ["b"],
        "new": {"x": {}},
    }
    result["author"]["given"] = "changed"
    assert original["author"]["given"] == "J"


STRATEGIC = [
    (  # lists merge by key; new items go to the end
        spec(containers=ABC[:2]),
        spec(containers=[{"name": "b", "image": "new"}, {"name": "z"}]),
        spec(containers=[ABC[0], {"name": "b", "image": "new"}, {"name": "z"}]),
    ),
    (
        spec(containers=ABC),
        spec(containers=[{"$patch": "delete", "name": "b"}]),
        spec(containers=[ABC[0], ABC[2]]),
    ),
    (
        spec(containers=ABC),
        spec(containers=[{"$patch": "replace"}, {"name": "q"}]),
        spec(containers=[{"name": "q"}]),
    ),
    (spec(finalizers=["a", "b"]), spec(finalizers=["b", "c"]), spec(finalizers=["a", "b", "c"])),
    (
        spec(finalizers=["a", "b", "c"]),
        {"spec": {"$deleteFromPrimitiveList/finalizers": ["b"]}},
        spec(finalizers=["a", "c"]),
    ),
    (spec(tolerations=ABC), spec(tolerations=[{"name": "n"}]), spec(tolerations=[{"name": "n"}])),
    (spec(a=1, b=2), {"spec": {"$patch": "replace", "c": 3}}, spec(c=3)),
    (spec(a=1), {"spec": {"$patch": "delete"}}, spec()),
    (spec(a=1, b={"x": 1}), spec(a=None, c={"y": None, "z": 1}), spec(b={"x": 1}, c={"z": 1})),
    (
        spec(strategy={"type": "Rolling", "rollingUpdate": {}}),
        spec(strategy={"$retainKeys": ["type"], "type": "Recreate"}),
        spec(strategy={"type": "Recreate"}),
    ),
]


@pytest.mark.parametrize(("original", "patch", "expected"), STRATEGIC)
def test_strategic_merge(original, patch, expected):
    before = copy.deepcopy((original, patch))
    assert strategic_merge_patch(original, patch, ROOT) == expected
    assert (original, patch) == before


def test_set_element_order_places_the_servers_items_between():
    patch = {
        "spec": {
            "$setElementOrder/containers": [{"name": "c"}, {"name": "a"}],
            "containers": [{"name": "a", "image": "new"}],
        }
    }
    result = strategic_merge_patch(spec(containers=ABC), patch, ROOT)
    assert names(result) == ["b", "c", "a"]
    assert result["spec"]["containers"][2]["image"] == "new"


@pytest.mark.parametrize(
    ("patch", "text"),
    [
        (spec(containers=[{"image": "x"}]), "does not contain declared merge key: name"),
        ({"spec": {"$patch": "bake"}}, "unknown patch type: bake"),
        (spec(strategy={"$retainKeys": ["b"], "a": 1}), "invalid patch format of retainKeys"),
        ({"spec": {"$deleteFromPrimitiveList/finalizers": 1}}, "invalid patch format of primitive"),
    ],
)
def test_strategic_merge_refuses(patch, text):
    with pytest.raises(ApiError, match=text):
        strategic_merge_patch(spec(containers=ABC, strategy={"a": 0}), patch, ROOT)

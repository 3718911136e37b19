# SPDX-License-Identifier: Apache-2.0
"""Field ownership: ordinary writes and server-side apply on a Deployment-like kind."""

import copy
import dataclasses

import pytest

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.managedfields import Writer, apply, update
from pybernetes.apimachinery.patch.managedfields.entries import keep_times
from pybernetes.apimachinery.patch.managedfields.fieldset import (
    difference,
    intersection,
    paths,
    show,
    union,
)
from pybernetes.apimachinery.schema.types import Schema

TEXT, NUMBER = Schema("string"), Schema("integer", format="int32")
LABELS = Schema("map", values=TEXT)
PORT = Schema(
    "object",
    properties={"containerPort": NUMBER, "protocol": Schema("string", default="TCP"), "name": TEXT},
)
CONTAINER = Schema(
    "object",
    properties={
        "name": TEXT,
        "image": TEXT,
        "args": Schema("array", items=TEXT, list_type="atomic"),
        "ports": Schema(
            "array", items=PORT, list_type="map", list_keys=("containerPort", "protocol")
        ),
    },
)
SPEC = Schema(
    "object",
    properties={
        "replicas": NUMBER,
        "selector": Schema("object", map_type="atomic", properties={"matchLabels": LABELS}),
        "containers": Schema("array", items=CONTAINER, list_type="map", list_keys=("name",)),
        "flags": Schema("array", items=TEXT, list_type="set"),
    },
)
META = Schema(
    "object",
    properties=dict.fromkeys(
        ("name", "namespace", "uid", "resourceVersion", "creationTimestamp"), TEXT
    )
    | {"labels": LABELS, "annotations": LABELS},
)
STATUS = Schema("object", properties={"ready": NUMBER})
ROOT = Schema(
    "object",
    name="Deployment",
    properties={"apiVersion": TEXT, "kind": TEXT, "metadata": META, "spec": SPEC, "status": STATUS},
)
WRITER = Writer("kubectl", "apps/v1", ROOT, "2026-01-01T00:00:00Z")
LATER = "2026-01-01T01:00:00Z"


def writer(manager, **changes):
    return dataclasses.replace(WRITER, manager=manager, **changes)


def deployment(labels=None, **spec):
    obj = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}, "spec": spec}
    if labels:
        obj["metadata"]["labels"] = labels
    return obj


def created(manager="creator", **spec):
    obj = update(None, deployment(**spec), writer(manager))
    obj["metadata"]["uid"] = "1"
    return obj


def owned(obj, manager):
    """The paths that a manager owns, as text."""
    found = [e for e in obj["metadata"].get("managedFields", []) if e["manager"] == manager]
    return [show(path) for entry in found for path in paths(entry["fieldsV1"])]


def test_create_owns_what_was_set_but_not_identity():
    obj = created(replicas=1, containers=[{"name": "a", "ports": [{"containerPort": 80}]}])
    assert obj["metadata"]["managedFields"] == [
        {
            "manager": "creator",
            "operation": "Update",
            "apiVersion": "apps/v1",
            "time": "2026-01-01T00:00:00Z",
            "fieldsType": "FieldsV1",
            "fieldsV1": {
                "f:spec": {
                    "f:containers": {
                        ".": {},
                        'k:{"name":"a"}': {
                            ".": {},
                            "f:name": {},
                            "f:ports": {
                                ".": {},
                                'k:{"containerPort":80,"protocol":"TCP"}': {
                                    ".": {},
                                    "f:containerPort": {},
                                },
                            },
                        },
                    },
                    "f:replicas": {},
                }
            },
        }
    ]


def test_an_update_takes_what_it_changes_and_only_that():
    old = created(replicas=1, flags=["x"])
    new = copy.deepcopy(old)
    new["spec"] |= {"replicas": 2, "flags": ["x", "y"]}
    result = update(old, new, writer("scaler", time=LATER))
    assert owned(result, "scaler") == [".spec.replicas", '.spec.flags[="y"]']
    assert owned(result, "creator") == [".spec.flags", '.spec.flags[="x"]']
    assert old["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:replicas"] == {}


def test_a_write_that_changes_nothing_keeps_entries_and_times():
    old = created(replicas=1)
    new = copy.deepcopy(old)
    new["metadata"]["resourceVersion"] = "7"
    result = update(old, new, writer("other", time=LATER))
    assert result["metadata"]["managedFields"] == old["metadata"]["managedFields"]


def test_removed_fields_leave_every_manager():
    old = created(replicas=1, flags=["x"])
    new = copy.deepcopy(old)
    del new["spec"]["flags"]
    result = update(old, new, writer("remover"))
    assert owned(result, "creator") == [".spec.replicas"]
    assert owned(result, "remover") == []


def test_subresource_has_an_entry_of_its_own():
    old = created(replicas=1)
    result = update(old, old | {"status": {"ready": 1}}, writer("creator", subresource="status"))
    entries = result["metadata"]["managedFields"]
    assert [entry.get("subresource") for entry in entries] == [None, "status"]


def test_eleven_update_managers_become_ten_with_ancient_changes():
    obj = created(replicas=1)
    for number in range(12):
        new = copy.deepcopy(obj)
        new["metadata"].setdefault("labels", {})[f"l{number}"] = "x"
        obj = update(obj, new, writer(f"m{number:02}", time=f"2026-01-01T00:{number + 1:02}:00Z"))
    managers = [entry["manager"] for entry in obj["metadata"]["managedFields"]]
    assert len(managers) == 10
    assert managers[0] == "ancient-changes"
    assert ".metadata.labels.l0" in owned(obj, "ancient-changes")


def test_untracked_objects_stay_untracked_and_empty_lists_reset():
    bare = deployment(replicas=1)
    bare["metadata"]["uid"] = "1"
    changed = copy.deepcopy(bare)
    changed["spec"]["replicas"] = 2
    assert "managedFields" not in update(bare, changed, WRITER)["metadata"]
    old = created(replicas=1)
    wiped = copy.deepcopy(old)
    wiped["metadata"]["managedFields"] = []
    assert "managedFields" not in update(old, wiped, WRITER)["metadata"]


def test_apply_conflict_is_worded_as_upstream():
    live = created("kubectl-client-side-apply", replicas=1)
    with pytest.raises(ApiError) as caught:
        apply(live, deployment(replicas=3), writer("me"))
    error = caught.value
    assert (error.code, error.reason) == (409, "Conflict")
    assert error.message == (
        'Apply failed with 1 conflict: conflict with "kubectl-client-side-apply" '
        "using apps/v1: .spec.replicas"
    )
    assert error.details["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "kubectl-client-side-apply" using apps/v1',
            "field": ".spec.replicas",
        }
    ]


def test_several_conflicts_are_listed_by_manager():
    live = apply(created("a", replicas=1), deployment(flags=["f"], labels={"x": "1"}), writer("b"))
    with pytest.raises(ApiError) as caught:
        apply(live, deployment(replicas=3, labels={"x": "2"}), writer("me"))
    assert caught.value.message == (
        'Apply failed with 2 conflicts: conflicts with "a" using apps/v1:\n- .spec.replicas\n'
        'conflicts with "b":\n- .metadata.labels.x'
    )


def test_force_takes_the_field_over():
    result = apply(created(replicas=1), deployment(replicas=3), writer("me"), force=True)
    assert result["spec"]["replicas"] == 3
    assert owned(result, "me") == [".spec.replicas"]
    assert owned(result, "creator") == []


def test_equal_values_are_shared_without_conflict():
    result = apply(created(replicas=1), deployment(replicas=1), writer("me"))
    assert owned(result, "me") == owned(result, "creator") == [".spec.replicas"]


def test_reapply_removes_what_nobody_owns_any_more():
    first = deployment(
        labels={"keep": "1", "drop": "1"},
        replicas=1,
        flags=["x", "y"],
        containers=[{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
    )
    live = apply(None, first, writer("me"))
    live = apply(live, deployment(containers=[{"name": "b", "args": ["1"]}]), writer("other"))
    again = deployment(labels={"keep": "1"}, flags=["y"], containers=[{"name": "a", "image": "i"}])
    result = apply(live, again, writer("me", time=LATER))
    assert result["metadata"]["labels"] == {"keep": "1"}
    assert result["spec"] == {
        "flags": ["y"],
        "containers": [{"name": "a", "image": "i"}, {"name": "b", "args": ["1"]}],
    }


def test_atomic_values_are_owned_and_replaced_whole():
    live = apply(None, deployment(selector={"matchLabels": {"a": "1", "b": "2"}}), writer("me"))
    assert owned(live, "me") == [".spec.selector"]
    result = apply(live, deployment(selector={"matchLabels": {"c": "3"}}), writer("me"))
    assert result["spec"]["selector"] == {"matchLabels": {"c": "3"}}


def test_applied_items_take_the_applied_order():
    live = created(containers=[{"name": name} for name in "abcd"])
    result = apply(live, deployment(containers=[{"name": "d"}, {"name": "b"}]), writer("me"))
    assert [item["name"] for item in result["spec"]["containers"]] == ["a", "c", "d", "b"]


def test_repeating_an_apply_keeps_its_time():
    wanted = deployment(replicas=1)
    live = apply(None, wanted, writer("me"))
    again = apply(live, wanted, writer("me", time=LATER))
    assert again == live


def test_first_apply_on_an_untracked_object():
    live = deployment(replicas=1)
    live["metadata"]["uid"] = "1"
    with pytest.raises(ApiError, match='conflict with "before-first-apply" using apps/v1'):
        apply(live, deployment(replicas=2), writer("me"))


def test_kubectl_may_overwrite_what_its_own_client_side_apply_set():
    live = created("kubectl-client-side-apply", replicas=1)
    live["metadata"]["annotations"] = {
        "kubectl.kubernetes.io/last-applied-configuration": (
            '{"apiVersion":"apps/v1","kind":"Deployment","metadata":{"name":"d"},"spec":{"replicas":1}}'
        )
    }
    result = apply(live, deployment(replicas=2), writer("kubectl"))
    assert result["spec"]["replicas"] == 2
    assert '"replicas":2' in next(iter(result["metadata"]["annotations"].values()))


@pytest.mark.parametrize(
    ("applied", "text"),
    [
        (deployment(replicas="x"), r"\.spec\.replicas: expected numeric"),
        (deployment(nope=1), r"\.spec\.nope: field not declared in schema"),
        (deployment(containers=[{"name": "a"}] * 2), r'duplicate entries for key \[name="a"\]'),
        (deployment() | {"apiVersion": "v9"}, "Incorrect version specified in apply patch"),
        (deployment() | {"metadata": {"managedFields": []}}, "managedFields must be nil"),
    ],
)
def test_apply_refuses(applied, text):
    with pytest.raises(ApiError, match=text):
        apply(None, applied, WRITER)


def test_keep_times_only_for_no_ops():
    old = created(replicas=1)
    touched = copy.deepcopy(old)
    touched["metadata"]["managedFields"][0]["time"] = LATER
    assert keep_times(old, touched) == old
    touched["spec"]["replicas"] = 2
    assert keep_times(old, touched) is touched


def test_set_algebra_against_plain_sets():
    universe = [("f:a",), ("f:a", "f:b"), ("f:a", "f:c", "v:1"), ("f:d", "f:e"), ("f:d",)]
    for left in range(32):
        for right in range(32):
            a = {path for bit, path in enumerate(universe) if left >> bit & 1}
            b = {path for bit, path in enumerate(universe) if right >> bit & 1}
            x, y = _build(a), _build(b)
            assert set(paths(union(x, y))) == a | b
            assert set(paths(difference(x, y))) == a - b
            assert set(paths(intersection(x, y))) == a & b


def _build(members):
    """The FieldsV1 form of a set of paths."""
    node = {}
    for head in dict.fromkeys(path[0] for path in sorted(members)):
        below = _build({path[1:] for path in members if path[0] == head and len(path) > 1})
        node[head] = {".": {}, **below} if below and (head,) in members else below
    return node

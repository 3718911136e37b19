# SPDX-License-Identifier: Apache-2.0
"""OpenAPI documents: upstream's schemas, the paths kubectl reads."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from pybernetes.apis import catalog
from pybernetes.apis.data import types
from pybernetes.apis.openapi import gnostic, published, v3

CACHE = Path(os.environ.get("GOMODCACHE") or Path.home() / "go/pkg/mod")
GOLDEN = CACHE / "k8s.io/kubernetes@v1.37.1/api/openapi-spec"
SERVED = sorted({(gvr.group, gvr.version) for gvr in catalog.builtin()})


def golden(name: str) -> dict:
    path = GOLDEN / name
    assert path.exists(), f"upstream's module is missing from the module cache: {path}"
    return json.loads(path.read_text())


def bare(value: Any) -> Any:
    """Without texts and the allOf that upstream wraps described references in."""
    if isinstance(value, list):
        return [bare(item) for item in value]
    if not isinstance(value, dict):
        return value
    if len(value.get("allOf", ())) == 1:
        value = {key: item for key, item in value.items() if key != "allOf"} | value["allOf"][0]
    described = isinstance(value.get("description"), str)
    return {key: bare(item) for key, item in value.items() if key != "description" or not described}


def methods(paths: dict) -> dict[str, dict]:
    found = {}
    for path, item in paths.items():
        for method, operation in item.items():
            skipped = method == "parameters" or "/watch/" in path or method in {"head", "options"}
            if not skipped and not path.endswith("{path}"):
                found[f"{method} {path}"] = operation
    return found


@pytest.mark.golden
@pytest.mark.parametrize(("group", "version"), SERVED)
def test_v3_documents_are_upstreams(group: str, version: str) -> None:
    document = json.loads(published.v3_document(group, version).body)
    name = f"apis__{group}__{version}" if group else f"api__{version}"
    expected = golden(f"v3/{name}_openapi.json")
    ours, theirs = document["components"]["schemas"], expected["components"]["schemas"]
    assert ours.keys() <= theirs.keys()
    missing = {
        name.rpartition(".")[2]
        for name in theirs.keys() - ours.keys()
        if not name.endswith(("v1.WatchEvent", "runtime.RawExtension"))
    }
    assert missing == set()
    for name, schema in ours.items():
        assert bare(schema) == bare(theirs[name]), name
    found, wanted = methods(document["paths"]), methods(expected["paths"])
    assert found.keys() == wanted.keys()
    for where, operation in wanted.items():
        for key in (
            "operationId",
            "tags",
            "x-kubernetes-action",
            "x-kubernetes-group-version-kind",
        ):
            assert found[where].get(key) == operation.get(key), f"{where} {key}"


@pytest.mark.golden
def test_v2_definitions_are_upstreams() -> None:
    document = json.loads(published.v2_json().body)
    expected = golden("swagger.json")
    for name, schema in document["definitions"].items():
        if name not in v3.SHARED:
            assert bare(schema) == bare(expected["definitions"][name]), name
    patch = document["paths"]["/api/v1/namespaces/{namespace}/pods/{name}"]["patch"]
    assert "fieldValidation" in [parameter["name"] for parameter in patch["parameters"]]


def test_index_names_every_document_by_its_hash() -> None:
    paths = json.loads(published.v3_index().body)["paths"]
    etag = published.v3_document("apps", "v1").etag.strip('"')
    assert paths["apis/apps/v1"] == {"serverRelativeURL": f"/openapi/v3/apis/apps/v1?hash={etag}"}
    assert len(paths) == len(SERVED)
    assert published.v3_document("nothing.example.com", "v1") is None


def fields(data: bytes) -> list[tuple[int, Any]]:
    """A protobuf message as (field, value), values of length-delimited fields as bytes."""
    found, at = [], 0

    def varint() -> int:
        nonlocal at
        number, shift = 0, 0
        while True:
            byte = data[at]
            at += 1
            number |= (byte & 127) << shift
            shift += 7
            if byte < 128:
                return number

    while at < len(data):
        key = varint()
        if key & 7 == 0:
            found.append((key >> 3, varint()))
        elif key & 7 == 2:
            size = varint()
            found.append((key >> 3, data[at : at + size]))
            at += size
        else:
            found.append((key >> 3, data[at : at + 8]))
            at += 8
    return found


def test_gnostic_encoding() -> None:
    schema = {"type": "object", "required": ["a"], "additionalProperties": {"$ref": "#/x"}}
    whole = dict(fields(gnostic.encoded({}, {}, {"T": schema})))
    ((number, entry),) = fields(whole[9])
    name, value = fields(entry)
    assert (number, name, value[0]) == (1, (1, b"T"), 2)
    assert dict(fields(value[1])) == {
        19: b"a",
        21: b"\x0a\x05\x0a\x03#/x",
        22: b"\x0a\x06object",
    }


def test_protobuf_document_holds_what_json_holds() -> None:
    top = dict(fields(published.v2_protobuf().body))
    assert top[1] == b"2.0"
    names = {dict(fields(entry))[1].decode() for _, entry in fields(top[9])}
    assert names == set(types.names())
    paths = {dict(fields(entry))[1].decode() for _, entry in fields(top[8])}
    assert paths == json.loads(published.v2_json().body)["paths"].keys()

# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v3: one document a group version, and the index of them (/openapi/v3)."""

from collections.abc import Iterable, Mapping

import orjson

from pybernetes.apimachinery.types import Object
from pybernetes.apis.openapi import operations, schemas
from pybernetes.apis.openapi.operations import META, Operation, PathItem

_JSON = "application/json"
# Types of every group, whose published group-version-kinds depend on the document.
SHARED = (f"{META}DeleteOptions", f"{META}WatchEvent")


def document(group_version: tuple[str, str], items: Iterable[PathItem]) -> bytes:
    """The document of a group version as JSON."""
    listed = list(items)
    used = [name for item in listed for one in item.operations for name in (one.body, one.answer)]
    components = {name: schemas.schema(name, "v3") for name in schemas.closure(filter(None, used))}
    for name in SHARED:
        if name in components:
            kinds = shared_kinds(name, [("", "v1"), group_version])
            components[name]["x-kubernetes-group-version-kind"] = kinds
    security = operations.head()["securityDefinitions"]
    return orjson.dumps(
        {
            "openapi": "3.0.0",
            "info": operations.head()["info"],
            "paths": {
                item.path: operations.written(item, _operation, _parameter) for item in listed
            },
            "components": {"schemas": components, "securitySchemes": security},
        }
    )


def shared_kinds(name: str, group_versions: Iterable[tuple[str, str]]) -> list[Object]:
    """The group-version-kinds of DeleteOptions or WatchEvent for the group versions given."""
    kind = name.rpartition(".")[2]
    return [
        {"group": group, "version": version, "kind": kind}
        for group, version in dict.fromkeys(group_versions)
    ]


def index(hashes: Mapping[tuple[str, str], str]) -> Object:
    """/openapi/v3: where each document is, under a URL that changes with its content."""
    paths = {}
    for (group, version), digest in hashes.items():
        path = f"apis/{group}/{version}" if group else f"api/{version}"
        paths[path] = {"serverRelativeURL": f"/openapi/v3/{path}?hash={digest}"}
    return {"paths": paths}


def _parameter(name: str, text: str = "") -> Object:
    schema = {"type": operations.parameter_type(name), "uniqueItems": True}
    if text:
        where = {"in": "path", "name": name, "required": True}
        return {**where, "description": text, "schema": schema}
    return {"in": "query", "name": name, "schema": schema}


def _content(name: str, media_types: Iterable[str]) -> Object:
    return {media: {"schema": {"$ref": schemas.PREFIX["v3"] + name}} for media in media_types}


def _operation(one: Operation, tag: str) -> Object:
    found: Object = {"tags": [tag], "description": one.text, "operationId": one.id}
    if one.parameters:
        found["parameters"] = [_parameter(name) for name in one.parameters]
    if one.body:
        found["requestBody"] = {"content": _content(one.body, one.consumes)}
        if one.body_required:
            found["requestBody"]["required"] = True
    media = (_JSON, f"{_JSON};stream=watch") if one.watches else (_JSON,)
    answer: Object = {"text/plain": {"schema": {"type": "string"}}}
    if one.answer:
        answer = _content(one.answer, media)
    return found | operations.described(one, {"content": answer})

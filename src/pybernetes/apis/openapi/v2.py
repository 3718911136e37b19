# SPDX-License-Identifier: Apache-2.0
"""OpenAPI v2 (swagger): the parts of the one document for everything, as plain objects."""

from collections.abc import Iterable

from pybernetes.apimachinery.types import Object
from pybernetes.apis.openapi import operations, schemas
from pybernetes.apis.openapi.operations import Operation, PathItem

_JSON = "application/json"


def paths(items: Iterable[PathItem]) -> dict[str, Object]:
    return {item.path: operations.written(item, _operation, _parameter) for item in items}


def _parameter(name: str, text: str = "") -> Object:
    found: Object = {"name": name, "in": "path" if text else "query"}
    if text:
        found |= {"description": text, "required": True}
    return found | {"type": operations.parameter_type(name), "uniqueItems": True}


def _operation(one: Operation, tag: str) -> Object:
    found: Object = {"tags": [tag], "description": one.text, "operationId": one.id}
    found["consumes"] = list(one.consumes)
    found["produces"] = [_JSON, f"{_JSON};stream=watch"] if one.watches else [_JSON]
    found["schemes"] = ["https"]
    parameters = [_parameter(name) for name in one.parameters]
    if one.body:
        body: Object = {"name": "body", "in": "body", "schema": _reference(one.body)}
        parameters.insert(0, body | ({"required": True} if one.body_required else {}))
    if parameters:
        found["parameters"] = parameters
    schema = _reference(one.answer) if one.answer else {"type": "string"}
    return found | operations.described(one, {"schema": schema})


def _reference(name: str) -> Object:
    return {"$ref": schemas.PREFIX["v2"] + name}

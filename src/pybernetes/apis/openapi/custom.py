# SPDX-License-Identifier: Apache-2.0
"""Published schemas of custom resources, from the openAPIV3Schema of their definitions.

Source: apiextensions-apiserver pkg/controller/openapi (builder, v2 conversion).
"""

from copy import deepcopy
from typing import Any

from pybernetes.apimachinery.types import Object
from pybernetes.apis.data import descriptions
from pybernetes.apis.openapi.operations import META, Names
from pybernetes.apis.openapi.schemas import PREFIX, Version
from pybernetes.apis.resource import Resource

_PRESERVE = "x-kubernetes-preserve-unknown-fields"
_EMBEDDED = "x-kubernetes-embedded-resource"
_JUNCTORS = ("allOf", "oneOf", "anyOf", "not")
_TYPICAL = "io.k8s.api.core.v1.ConfigMap"  # whose texts for apiVersion, kind, metadata serve all


def names(row: Resource) -> Names:
    """com.example.v1.Foo and its list."""
    package = ".".join((*reversed(row.gvr.group.split(".")), row.gvr.version))
    return Names(f"{package}.{row.kind}", f"{package}.{row.kind}List", strategic=False)


def definitions(
    row: Resource, schema: Object | None, list_kind: str, version: Version
) -> dict[str, Object]:
    """The schemas of a custom resource and of its list, by name.

    `schema` is the openAPIV3Schema of the served version (read only); None where it has none.
    """
    called = names(row)
    return {
        called.kind: _kind(row, schema, version),
        called.list: _list(row, list_kind, called.kind, version),
    }


def _gvk(row: Resource, kind: str) -> list[Object]:
    return [{"group": row.gvr.group, "version": row.gvr.version, "kind": kind}]


def _kind(row: Resource, schema: Object | None, version: Version) -> Object:
    # Without a schema no properties are named: kubectl would take them for all there are.
    if schema is None or (version == "v2" and schema.get(_PRESERVE)):
        found: Object = {"type": "object"}
    else:
        found = deepcopy(schema)
        if version == "v2":
            _to_v2(found)
        _add_properties(found, version)
        _complete_embedded(found, version)
    found["x-kubernetes-group-version-kind"] = _gvk(row, row.kind)
    return found


def _list(row: Resource, list_kind: str, item: str, version: Version) -> Object:
    link = "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md"
    items = {
        "description": f"List of {row.gvr.resource}. More info: {link}",
        "type": "array",
        "items": {"$ref": PREFIX[version] + item},
    }
    found: Object = {
        "description": f"{list_kind} is a list of {row.kind}",
        "type": "object",
        "required": ["items"],
        "properties": {"items": items},
        "x-kubernetes-group-version-kind": _gvk(row, list_kind),
    }
    _add_properties(found, version, "ListMeta")
    return found


def _add_properties(schema: Object, version: Version, metadata: str = "ObjectMeta") -> None:
    """apiVersion, kind and metadata."""
    texts = descriptions.of_type(_TYPICAL + ("List" if metadata == "ListMeta" else ""))
    properties = schema.setdefault("properties", {})
    for field in ("apiVersion", "kind"):
        properties[field] = {"type": "string"} | _described(texts.get(field))
    reference: Object = {"$ref": f"{PREFIX[version]}{META}{metadata}"}
    text = _described(texts.get("metadata"))
    if text and version == "v3":
        reference = {"allOf": [reference]}
    properties["metadata"] = reference | text


def _described(text: str | None) -> Object:
    return {"description": text} if text else {}


def _children(schema: Object) -> list[Object]:
    found = [*(schema.get("properties") or {}).values()]
    found += [schema[key] for key in ("items", "additionalProperties") if key in schema]
    return [child for child in found if isinstance(child, dict)]


def _complete_embedded(schema: Object, version: Version) -> None:
    """Embedded resources are whole objects."""
    for child in _children(schema):
        if child.get("$ref"):
            continue
        _complete_embedded(child, version)
        if child.get(_EMBEDDED) and not (version == "v2" and child.get(_PRESERVE)):
            _add_properties(child, version)
            required = child.setdefault("required", [])
            required += [field for field in ("kind", "apiVersion") if field not in required]


def _to_v2(schema: Object) -> None:
    """Drop what swagger lacks or kubectl's reader of it cannot bear, in place."""
    for key in _JUNCTORS:
        schema.pop(key, None)
    properties: dict[str, Any] = schema.get("properties") or {}
    nullable = [key for key, child in properties.items() if child.get("nullable")]
    if nullable and "required" in schema:
        schema["required"] = [key for key in schema["required"] if key not in nullable]
    values = schema.get("additionalProperties")
    if isinstance(values, dict) and values.get("nullable"):
        schema.pop("required", None)
    for child in _children(schema):
        _to_v2(child)
    preserves = schema.get(_PRESERVE)
    if schema.pop("nullable", False):
        _drop(schema, "type", "items", "properties")
    if preserves:
        _drop(schema, "items", "properties")
    untyped = schema.get("type") == "array" and "items" not in schema
    if untyped or (preserves and schema.get("type") == "object"):
        _drop(schema, "type")
    if not schema.get("required", True):
        _drop(schema, "required")


def _drop(schema: Object, *keys: str) -> None:
    for key in keys:
        schema.pop(key, None)

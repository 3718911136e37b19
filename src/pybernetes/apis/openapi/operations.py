# SPDX-License-Identifier: Apache-2.0
"""What may be asked at which path, from resource rows: operations that v2.py and v3.py write down.

data/operations.json lists them by place: of a group version, a collection, an object, a collection
in all namespaces, a subresource, and one that is connected to. Left out: upstream's deprecated
/watch/ paths, and the query parameters of connect subresources.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.data import types
from pybernetes.apis.data.sections import document
from pybernetes.apis.resource import Resource, Subresource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_REASONS = {200: "OK", 201: "Created", 202: "Accepted"}
_NAMESPACE = "object name and auth scope, such as for teams and projects"


@dataclass(frozen=True, slots=True)
class Operation:
    """One method at a path. `body` and `answer` are names of types; "" is none, or plain text."""

    method: str
    action: str  # x-kubernetes-action
    id: str
    text: str
    answer: str
    gvk: GVK | None = None
    body: str = ""
    body_required: bool = True
    consumes: tuple[str, ...] = ("*/*",)
    parameters: tuple[str, ...] = ()
    codes: tuple[int, ...] = (200,)
    watches: bool = False


@dataclass(frozen=True, slots=True)
class PathItem:
    """A path, its parameters (path ones first), and the operations there."""

    path: str
    tag: str
    parameters: tuple[tuple[str, str], ...]  # (name, text of a path parameter or "")
    operations: tuple[Operation, ...]


def _table() -> Mapping[str, Any]:
    table: Mapping[str, Any] = document("operations.json")
    return table


def head() -> Object:
    """What a swagger document says of itself."""
    found: Object = _table()["head"]
    return found


def written(
    item: PathItem,
    operation: Callable[[Operation, str], Object],
    parameter: Callable[[str, str], Object],
) -> Object:
    """How both forms write down a path, with their own operations and parameters."""
    found: Object = {one.method: operation(one, item.tag) for one in item.operations}
    if item.parameters:
        found["parameters"] = [parameter(name, text) for name, text in item.parameters]
    return found


def described(one: Operation, answer: Object) -> Object:
    """How both forms write down the responses, the action and the kind."""
    responses = {str(code): {"description": _REASONS[code], **answer} for code in one.codes}
    found: Object = {"responses": {**responses, "401": {"description": "Unauthorized"}}}
    if one.action:
        found["x-kubernetes-action"] = one.action
    if one.gvk:
        found["x-kubernetes-group-version-kind"] = one.gvk._asdict()
    return found


def parameter_type(name: str) -> str:
    table = _table()
    integer, boolean = name in table["integers"], name in table["booleans"]
    return "integer" if integer else "boolean" if boolean else "string"


def tag(group: str, version: str) -> str:
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(part.capitalize() for part in rest) + f"_{version}"


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def _prefix(group: str, version: str) -> str:
    parts = (group.removesuffix(".k8s.io") or "core").split(".")
    return "".join(_title(part) for part in parts) + _title(version)


def _operations(
    place: str, verbs: Collection[str], names: Mapping[str, str], gvk: GVK | None
) -> Iterable[Operation]:
    """What the table has at a place for these verbs, with `names` filled in."""
    for one in _table()[place]:
        if one["verb"] in verbs:
            patches = _table()["patchTypes"] if one["method"] == "patch" and "body" in one else ()
            row: Object = {
                key: value.format_map(names) if isinstance(value, str) else value
                for key, value in one.items()
                if key != "verb"
            }
            row["consumes"] = tuple(patches) or ("*/*",)
            row["parameters"] = _table()["parameters"].get(one.get("parameters"), ())
            row["watches"] = one.get("watches", False) and "watch" in verbs
            yield Operation(**row, gvk=gvk)


def group_item(group: str, version: str) -> PathItem:
    """The path of the group version itself: its resources."""
    prefix = f"/apis/{group}/{version}/" if group else f"/api/{version}/"
    names = {"prefix": _prefix(group, version), "meta": META}
    return PathItem(
        prefix, tag(group, version), (), tuple(_operations("group", ("",), names, None))
    )


class Paths:
    """The paths of one resource."""

    def __init__(self, row: Resource) -> None:
        self._row = row
        self._tag = tag(row.gvr.group, row.gvr.version)
        listed = f"{row.gvr.group}/{row.gvr.version}/{row.kind}List"
        self._names = {
            "prefix": _prefix(row.gvr.group, row.gvr.version),
            "scope": "Namespaced" if row.namespaced else "",
            "kind": row.kind,
            "article": "an" if row.kind[0] in "AEIOU" else "a",
            "type": type_of(row.gvk),
            "listed": types.header()["kinds"].get(listed, ""),  # reviews have no list
            "meta": META,
        }

    def items(self) -> Iterable[PathItem]:
        row, verbs, gvk = self._row, self._row.verbs, self._row.gvk
        base = row.gvr.path("{namespace}") if row.namespaced else row.gvr.path()
        yield self._item(base, _operations("collection", verbs, self._names, gvk))
        if {"get", "update", "patch", "delete"} & {*verbs}:
            one = f"{base}/{{name}}"
            yield self._item(one, _operations("object", verbs, self._names, gvk), named=True)
        for name in sorted(row.subresources):
            sub = row.subresources[name]
            yield self._item(f"{base}/{{name}}/{name}", self._subresource(sub), named=True)
        if row.namespaced and "list" in verbs:
            found = tuple(_operations("everywhere", verbs, self._names, gvk))
            yield PathItem(row.gvr.path(), self._tag, (("pretty", ""),), found)

    def _item(self, path: str, operations: Iterable[Operation], *, named: bool = False) -> PathItem:
        found = [("name", f"name of the {self._row.kind}")] if named else []
        found += [("namespace", _NAMESPACE)] if self._row.namespaced else []
        return PathItem(path, self._tag, (*found, ("pretty", "")), tuple(operations))

    def _subresource(self, sub: Subresource) -> Iterable[Operation]:
        names = self._names | {"sub": sub.name, "Sub": _title(sub.name)}
        if sub.kind.kind.endswith("Options"):  # not published
            return _operations("connect", sub.verbs, names, sub.kind)
        names["type"] = type_of(sub.kind)
        names["shown"] = "" if sub.name == "log" else names["type"]
        return _operations("subresource", sub.verbs, names, sub.kind)


def type_of(gvk: GVK) -> str:
    """The published type of a built-in kind. Raises KeyError."""
    name: str = types.header()["kinds"][f"{gvk.group}/{gvk.version}/{gvk.kind}"]
    return name

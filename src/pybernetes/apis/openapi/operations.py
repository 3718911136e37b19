# SPDX-License-Identifier: Apache-2.0
"""What may be asked at which path, from resource rows: operations that v2.py and v3.py write down.

Left out: upstream's deprecated /watch/ paths, and the query parameters of connect subresources.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from pybernetes.apimachinery.types import GVK, Object
from pybernetes.apis.data import types
from pybernetes.apis.resource import Resource, Subresource

META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_DELETE = ("dryRun", "gracePeriodSeconds", "ignoreStoreReadErrorWithClusterBreakingPotential",
           "orphanDependents", "propagationPolicy")  # fmt: skip
_LIST = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion",
         "resourceVersionMatch", "sendInitialEvents", "timeoutSeconds")  # fmt: skip
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_PATCH_TYPES = ("application/json-patch+json", "application/merge-patch+json",
                "application/apply-patch+yaml",
                "application/strategic-merge-patch+json")  # fmt: skip
_INTEGERS = {"gracePeriodSeconds", "limit", "timeoutSeconds"}
_BOOLEANS = {"allowWatchBookmarks", "force", "ignoreStoreReadErrorWithClusterBreakingPotential",
             "orphanDependents", "sendInitialEvents", "watch"}  # fmt: skip
_CREATED = (200, 201, 202)
_REASONS = {200: "OK", 201: "Created", 202: "Accepted"}
HEAD: Object = {
    "swagger": "2.0",
    "info": {"title": "Kubernetes", "version": "unversioned"},
    "securityDefinitions": {
        "BearerToken": {
            "description": "Bearer Token authentication",
            "in": "header",
            "name": "authorization",
            "type": "apiKey",
        }
    },
    "security": [{"BearerToken": []}],
}


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
    return "integer" if name in _INTEGERS else "boolean" if name in _BOOLEANS else "string"


def tag(group: str, version: str) -> str:
    first, *rest = (group.removesuffix(".k8s.io") or "core").split(".")
    return first + "".join(part.capitalize() for part in rest) + f"_{version}"


def _title(text: str) -> str:
    return text[:1].upper() + text[1:]


def group_item(group: str, version: str) -> PathItem:
    """The path of the group version itself: its resources."""
    prefix = f"/apis/{group}/{version}/" if group else f"/api/{version}/"
    operation = Operation(
        method="get",
        action="",
        id=f"get{_prefix(group, version)}APIResources",
        text="get available resources",
        answer=f"{META}APIResourceList",
    )
    return PathItem(prefix, tag(group, version), (), (operation,))


def _prefix(group: str, version: str) -> str:
    parts = (group.removesuffix(".k8s.io") or "core").split(".")
    return "".join(_title(part) for part in parts) + _title(version)


class Paths:
    """The paths of one resource."""

    def __init__(self, row: Resource) -> None:
        self._row = row
        self._kind = type_of(row.gvk)
        listed = f"{row.gvr.group}/{row.gvr.version}/{row.kind}List"
        self._listed: str = types.header()["kinds"].get(listed, "")  # reviews have no list
        self._tag = tag(row.gvr.group, row.gvr.version)
        self._prefix = _prefix(row.gvr.group, row.gvr.version)
        self._scope = "Namespaced" if row.namespaced else ""

    def items(self) -> Iterable[PathItem]:
        row, verbs = self._row, set(self._row.verbs)
        base = row.gvr.path("{namespace}") if row.namespaced else row.gvr.path()
        yield self._item(base, self._collection(verbs), named=False)
        if verbs & {"get", "update", "patch", "delete"}:
            yield self._item(f"{base}/{{name}}", self._object(verbs), named=True)
        for name in sorted(row.subresources):
            sub = row.subresources[name]
            yield self._item(f"{base}/{{name}}/{name}", self._subresource(sub), named=True)
        if row.namespaced and "list" in verbs:
            everywhere = self._list(f"list{self._prefix}{row.kind}ForAllNamespaces")
            yield PathItem(row.gvr.path(), self._tag, (("pretty", ""),), (everywhere,))

    def _item(self, path: str, operations: Iterable[Operation], *, named: bool) -> PathItem:
        found = [("name", f"name of the {self._row.kind}")] if named else []
        if self._row.namespaced:
            found.append(
                ("namespace", "object name and auth scope, such as for teams and projects")
            )
        found.append(("pretty", ""))
        return PathItem(path, self._tag, tuple(found), tuple(operations))

    def _id(self, verb: str, suffix: str = "") -> str:
        return f"{verb}{self._prefix}{self._scope}{self._row.kind}{suffix}"

    def _collection(self, verbs: set[str]) -> Iterable[Operation]:
        row, kind = self._row, self._kind
        if "list" in verbs:
            yield self._list(self._id("list"))
        if "create" in verbs:
            yield Operation(
                "post", "post", self._id("create"), _article(row.kind, "create"), kind,
                gvk=row.gvk, body=kind, parameters=_WRITE, codes=_CREATED,
            )  # fmt: skip
        if "deletecollection" in verbs:
            yield Operation(
                "delete", "deletecollection",
                f"delete{self._prefix}Collection{self._scope}{row.kind}",
                f"delete collection of {row.kind}", f"{META}Status",
                gvk=row.gvk, body=f"{META}DeleteOptions", body_required=False,
                parameters=tuple(sorted({*_DELETE, *_LIST})),
            )  # fmt: skip

    def _list(self, operation_id: str) -> Operation:
        return Operation(
            "get", "list", operation_id, f"list or watch objects of kind {self._row.kind}",
            self._listed, gvk=self._row.gvk, watches="watch" in self._row.verbs,
            parameters=tuple(sorted({"allowWatchBookmarks", "watch", *_LIST})),
        )  # fmt: skip

    def _object(self, verbs: set[str]) -> Iterable[Operation]:
        row = self._row
        if "get" in verbs:
            yield Operation(
                "get", "get", self._id("read"), f"read the specified {row.kind}",
                self._kind, gvk=row.gvk,
            )  # fmt: skip
        if "update" in verbs:
            yield self._write("put", self._id("replace"), f"replace the specified {row.kind}")
        if "patch" in verbs:
            yield self._patch(self._id("patch"), f"partially update the specified {row.kind}")
        if "delete" in verbs:
            yield Operation(
                "delete", "delete", self._id("delete"), _article(row.kind, "delete"),
                f"{META}Status", gvk=row.gvk, body=f"{META}DeleteOptions", body_required=False,
                parameters=_DELETE, codes=(200, 202),
            )  # fmt: skip

    def _write(
        self, method: str, operation_id: str, text: str, sub: Subresource | None = None
    ) -> Operation:
        kind, gvk = self._kind_of(sub)
        codes = _CREATED if method == "post" else (200, 201)
        return Operation(
            method, method, operation_id, text, kind,
            gvk=gvk, body=kind, parameters=_WRITE, codes=codes,
        )  # fmt: skip

    def _patch(self, operation_id: str, text: str, sub: Subresource | None = None) -> Operation:
        kind, gvk = self._kind_of(sub)
        return Operation(
            "patch", "patch", operation_id, text, kind, gvk=gvk, body=f"{META}Patch",
            consumes=_PATCH_TYPES, parameters=(*_WRITE, "force"), codes=(200, 201),
        )  # fmt: skip

    def _kind_of(self, sub: Subresource | None) -> tuple[str, GVK]:
        """The type and kind of a subresource, which often are the resource's own."""
        row = self._row
        if sub is None or sub.kind == row.gvk:
            return self._kind, row.gvk
        return type_of(sub.kind), sub.kind

    def _subresource(self, sub: Subresource) -> Iterable[Operation]:
        if sub.kind.kind.endswith("Options"):
            yield from self._connect(sub)
            return
        suffix, verbs = _title(sub.name), set(sub.verbs)
        of = f"{sub.name} of the specified {self._row.kind}"
        kind, gvk = self._kind_of(sub)
        if "get" in verbs:
            answer = "" if sub.name == "log" else kind
            yield Operation("get", "get", self._id("read", suffix), f"read {of}", answer, gvk=gvk)
        if "update" in verbs:
            yield self._write("put", self._id("replace", suffix), f"replace {of}", sub)
        if "patch" in verbs:
            yield self._patch(self._id("patch", suffix), f"partially update {of}", sub)
        if "create" in verbs:
            text = f"create {of.replace('the specified', 'a')}"
            yield self._write("post", self._id("create", suffix), text, sub)

    def _connect(self, sub: Subresource) -> Iterable[Operation]:
        methods = {"get": "get", "create": "post", "update": "put", "patch": "patch",
                   "delete": "delete"}  # fmt: skip
        for verb, method in methods.items():
            if verb in sub.verbs:
                suffix = f"{_title(method)}{self._scope}{self._row.kind}{_title(sub.name)}"
                yield Operation(
                    method, "connect", f"connect{self._prefix}{suffix}",
                    f"connect {method.upper()} requests to {sub.name} of {self._row.kind}", "",
                    gvk=sub.kind,
                )  # fmt: skip


def _article(kind: str, verb: str) -> str:
    return f"{verb} {'an' if kind[0] in 'AEIOU' else 'a'} {kind}"


def type_of(gvk: GVK) -> str:
    """The published type of a built-in kind. Raises KeyError."""
    name: str = types.header()["kinds"][f"{gvk.group}/{gvk.version}/{gvk.kind}"]
    return name

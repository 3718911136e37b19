# SPDX-License-Identifier: Apache-2.0
"""JSON patch (RFC 6902), with the limits and the wording of the API server, and JSON merge patch.

Every operation that fails on the document is one and the same 422, as upstream answers it; a
patch that is not a list of operations is a 400.
"""

from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.clone import clone, same
from pybernetes.apimachinery.types import Object

MAX_OPERATIONS = 10_000
MAX_COPIES = 3 * 1024 * 1024  # characters that "copy" may add in all
_MISSING = object()
_OPERATIONS = ("add", "remove", "replace", "move", "copy", "test")


class _RefusedError(Exception):
    """The operation does not fit the document."""


def json_patch(original: Object, patch: Any) -> Object:
    """`original` with `patch` applied; shares nothing with either.

    Raises ApiError: 400 (not a patch), 413 (too many operations), 422 (does not apply).
    """
    operations = _decode(patch)
    document = _Document(clone(original))
    try:
        for operation in operations:
            document.apply(operation)
    except _RefusedError as error:
        message = "the server rejected our request due to an error in our request"
        raise ApiError(422, "Invalid", message) from error
    return document.root


def _decode(patch: Any) -> list[dict[str, Any]]:
    if not isinstance(patch, list) or not all(isinstance(item, dict) for item in patch):
        raise errors.bad_request("json: cannot unmarshal the patch into a list of operations")
    if len(patch) > MAX_OPERATIONS:
        message = (
            "Request entity too large: The allowed maximum operations in a JSON patch is "
            f"{MAX_OPERATIONS}, got {len(patch)}"
        )
        raise ApiError(413, "RequestEntityTooLarge", message)
    return patch


class _Document:
    """The value being patched, changed in place."""

    def __init__(self, root: Object) -> None:
        self.root = root
        self._copied = 0

    def apply(self, operation: dict[str, Any]) -> None:
        name = operation.get("op")
        if name not in _OPERATIONS:
            raise _RefusedError(f"unexpected kind: {name}")
        path = _pointer(operation.get("path"))
        if name == "remove":
            self._remove(path)
        elif name == "test":
            self._test(path, operation.get("value"))
        elif name == "move":
            self._add(path, self._remove(_pointer(operation.get("from"))))
        elif name == "copy":
            self._add(path, self._copy(_pointer(operation.get("from"))))
        elif "value" not in operation:
            raise _RefusedError(f"{name} without a value")
        elif name == "add":
            self._add(path, clone(operation["value"]))
        else:
            self._replace(path, clone(operation["value"]))

    def _parent(self, path: list[str]) -> tuple[Any, str]:
        if not path:
            raise _RefusedError("the whole document cannot be addressed")
        node: Any = self.root
        for token in path[:-1]:
            node = _get(node, token)
            if node is _MISSING:
                raise _RefusedError(f"doc is missing path: {'/'.join(path)}")
        if not isinstance(node, dict | list):
            raise _RefusedError(f"doc is missing path: {'/'.join(path)}")
        return node, path[-1]

    def _add(self, path: list[str], value: Any) -> None:
        parent, token = self._parent(path)
        if isinstance(parent, dict):
            parent[token] = value
        elif token == "-":
            parent.append(value)
        else:
            parent.insert(_index(token, len(parent) + 1), value)

    def _replace(self, path: list[str], value: Any) -> None:
        parent, token = self._parent(path)
        if _get(parent, token) is _MISSING:
            raise _RefusedError(f"doc is missing key: {'/'.join(path)}")
        if isinstance(parent, dict):
            parent[token] = value
        else:
            parent[_index(token, len(parent))] = value

    def _remove(self, path: list[str]) -> Any:
        parent, token = self._parent(path)
        if _get(parent, token) is _MISSING:
            raise _RefusedError(f"unable to remove nonexistent key: {token}")
        return parent.pop(token if isinstance(parent, dict) else _index(token, len(parent)))

    def _copy(self, path: list[str]) -> Any:
        parent, token = self._parent(path)
        found = _get(parent, token)
        if found is _MISSING:
            raise _RefusedError(f"doc is missing from path: {'/'.join(path)}")
        self._copied += _size(found)
        if self._copied > MAX_COPIES:
            raise _RefusedError("the accumulated size of copies is too large")
        return clone(found)

    def _test(self, path: list[str], value: Any) -> None:
        parent, token = self._parent(path)
        found = _get(parent, token)
        if not same(None if found is _MISSING else found, value):
            raise _RefusedError(f"testing path {'/'.join(path)} failed")


def _pointer(path: Any) -> list[str]:
    if not isinstance(path, str) or (path and not path.startswith("/")):
        raise _RefusedError(f"not a JSON pointer: {path!r}")
    return [part.replace("~1", "/").replace("~0", "~") for part in path.split("/")[1:]]


def _get(node: Any, token: str) -> Any:
    if isinstance(node, dict):
        return node.get(token, _MISSING)
    if isinstance(node, list):
        return node[_index(token, len(node))]
    return _MISSING


def _index(token: str, length: int) -> int:
    """A position below `length`; negative ones count from the end, as upstream allows."""
    if not token.removeprefix("-").isdecimal():
        raise _RefusedError(f"not an index: {token}")
    position = int(token)
    if not -length <= position < length:
        raise _RefusedError(f"index {token} is out of bounds")
    return position + length if position < 0 else position


def _size(value: Any) -> int:
    if isinstance(value, dict):
        return 2 + sum(len(key) + 4 + _size(item) for key, item in value.items())
    if isinstance(value, list):
        return 2 + sum(1 + _size(item) for item in value)
    return len(str(value)) + 2


def merge_patch(original: Object, patch: Any) -> Object:
    """JSON merge patch (RFC 7396): `original` with `patch` applied; shares nothing with either.

    Raises ApiError 400.
    """
    if not isinstance(patch, dict):
        raise errors.bad_request("Invalid JSON Patch")
    result: Object = _merge(original, patch)
    return result


def _merge(target: Any, patch: Any) -> Any:
    if not isinstance(patch, dict):
        return clone(patch)
    source = target if isinstance(target, dict) else {}
    result = {key: clone(item) for key, item in source.items() if key not in patch}
    for key, item in patch.items():
        if item is not None:
            result[key] = _merge(source.get(key), item)
    return result

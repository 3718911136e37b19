# SPDX-License-Identifier: Apache-2.0
"""Strategic merge patch: merges lists by their merge key, as the kind's schema says.

Directives: $patch (replace, delete; merge is refused as upstream does), $retainKeys,
$deleteFromPrimitiveList/FIELD, $setElementOrder/FIELD. Source of the rules and the wording:
k8s.io/apimachinery/pkg/util/strategicpatch.
"""

from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.patch.clone import clone
from pybernetes.apimachinery.schema.types import Schema
from pybernetes.apimachinery.types import Object

DIRECTIVE = "$patch"
RETAIN_KEYS = "$retainKeys"
DELETE_FROM = "$deleteFromPrimitiveList"
ELEMENT_ORDER = "$setElementOrder"
_UNKNOWN = Schema()


def strategic_merge_patch(original: Object, patch: Any, schema: Schema) -> Object:
    """`original` with `patch` applied; shares nothing with either. Raises ApiError 400 or 422."""
    if not isinstance(patch, dict):
        raise errors.bad_request("invalid JSON document")
    return _merge_map(clone(original), clone(patch), schema)


def _failed(message: str) -> ApiError:
    """An error that upstream passes on as it is: code 500 without a reason."""
    return ApiError(500, "", message)


def _merge_map(original: Object, patch: Object, schema: Schema) -> Object:
    """Both are ours to change; the result reuses them."""
    if DIRECTIVE in patch:
        return _whole_map_directive(patch)
    _retain_keys(original, patch)
    for key in [key for key in patch if key.startswith(ELEMENT_ORDER)]:
        _set_element_order(original, patch, key, schema)
    for key, value in patch.items():
        if key.startswith(DELETE_FROM):
            _delete_primitives(original, _field_of(key, DELETE_FROM), value)
        elif value is None:
            original.pop(key, None)
        else:
            _merge_field(original, key, value, _property(schema, key))
    return original


def _whole_map_directive(patch: Object) -> Object:
    directive = patch.pop(DIRECTIVE)
    if directive == "replace":
        return patch
    if directive == "delete":
        return {}
    raise _failed(f"unknown patch type: {directive} in map: {patch}")


def _merge_field(original: Object, key: str, value: Any, schema: Schema) -> None:
    strategy = _strategy(schema)
    current = original.get(key)
    if isinstance(current, dict) and isinstance(value, dict):
        original[key] = value if strategy == "replace" else _merge_map(current, value, schema)
    elif isinstance(current, list) and isinstance(value, list):
        original[key] = _merge_list(current, value, schema) if strategy == "merge" else value
    else:
        kept = _without_directives(_without_nulls(value))
        if kept is _GONE:
            original.pop(key, None)
        else:
            original[key] = kept


def _merge_list(original: list[Any], patch: list[Any], schema: Schema) -> list[Any]:
    if not original and not patch:
        return original
    if not _holds_maps(original, patch):
        merged = list(dict.fromkeys(original + patch))
        return _normalize(merged, patch, original, "")
    merge_key = schema.patch_merge_key
    if not merge_key:
        raise _failed(f"cannot merge lists without merge key for {schema.name}")
    original, patch = _list_directives(original, patch, merge_key)
    merged = list(original)
    for item in patch:
        wanted = _key_value(item, merge_key)
        same = (at for at, one in enumerate(merged) if one.get(merge_key) == wanted)
        position = next(same, None)
        if position is None:
            merged.append(_without_directives(item))
        else:
            merged[position] = _merge_map(merged[position], item, schema.items or _UNKNOWN)
    return _normalize(merged, patch, original, merge_key)


def _list_directives(
    original: list[Any], patch: list[Any], merge_key: str
) -> tuple[list[Any], list[Any]]:
    """What is left of both lists once the items that carry $patch have been obeyed."""
    rest: list[Any] = []
    replace = False
    for item in patch:
        directive = item.get(DIRECTIVE)
        if directive is None:
            rest.append(item)
        elif directive == "delete":
            wanted = _key_value(item, merge_key)
            original = [entry for entry in original if entry.get(merge_key) != wanted]
        elif directive == "replace":
            replace = True
        elif directive == "merge":
            raise _failed("merging lists cannot yet be specified in the patch")
        else:
            raise _failed(f"unknown patch type: {directive} in map: {item}")
    return (rest, []) if replace else (original, rest)


def _retain_keys(original: Object, patch: Object) -> None:
    if RETAIN_KEYS not in patch:
        return
    keys = patch.pop(RETAIN_KEYS)
    if not isinstance(keys, list):
        raise errors.bad_request("invalid patch format of retainKeys")
    for key, value in patch.items():
        directive = key.startswith((DELETE_FROM, ELEMENT_ORDER))
        if value is not None and not directive and key not in keys:
            raise errors.bad_request("invalid patch format of retainKeys")
    for key in [key for key in original if key not in keys]:
        del original[key]


def _delete_primitives(original: Object, key: str, doomed: Any) -> None:
    if not isinstance(doomed, list):
        raise errors.bad_request("invalid patch format of primitive list")
    current = original.get(key)
    if isinstance(current, list):
        original[key] = [item for item in current if item not in doomed]


def _set_element_order(original: Object, patch: Object, directive: str, schema: Schema) -> None:
    """Merge the list that the directive names, in the order that it gives."""
    order = patch.pop(directive)
    key = _field_of(directive, ELEMENT_ORDER)
    if not isinstance(order, list):
        raise errors.bad_request("invalid patch format of setElementOrder list")
    field = _property(schema, key)
    old, new = original.get(key), patch.pop(key, None)
    for value in (old, new):
        if value is not None and not isinstance(value, list):
            raise _failed(f"expected a list, but received a {type(value).__name__}")
    _check_order(new or [], order, field.patch_merge_key)
    if old is None and new is None:
        return
    if new is None:
        merged = old or []
    elif old is None:
        merged = _without_directives(new)
    else:
        merged = _merge_list(old, new, field) if _strategy(field) == "merge" else new
    original[key] = _normalize(merged, order, old or [], field.patch_merge_key)


def _check_order(patch: list[Any], order: list[Any], merge_key: str) -> None:
    """Every item of the patch must stand in the order list, in the same sequence."""
    if not patch or not order:
        return
    plain = [item for item in patch if not (isinstance(item, dict) and DIRECTIVE in item)]
    remaining = iter(_keys(order, merge_key))
    for wanted in _keys(plain, merge_key):
        if wanted not in remaining:
            raise _failed(
                f"The order in patch list:\n{patch}\n doesn't match {ELEMENT_ORDER} list:\n{order}\n"
            )


def _keys(items: list[Any], merge_key: str) -> list[Any]:
    return [_key_value(item, merge_key) for item in items] if merge_key else items


def _key_value(item: Any, merge_key: str) -> Any:
    if not isinstance(item, dict) or merge_key not in item:
        raise _failed(f"map: {item} does not contain declared merge key: {merge_key}")
    return item[merge_key]


def _holds_maps(*lists: list[Any]) -> bool:
    kinds = [isinstance(item, dict) for items in lists for item in items]
    if any(kinds) != all(kinds):
        raise _failed("list element types are not identical")
    if any(isinstance(item, list) for items in lists for item in items):
        raise ApiError(422, "Invalid", "lists of lists are not supported")
    return kinds[0]


def _property(schema: Schema, key: str) -> Schema:
    return schema.properties.get(key) or schema.values or _UNKNOWN


def _strategy(schema: Schema) -> str:
    strategies = [part for part in schema.patch_strategy.split(",") if part != "retainKeys"]
    return strategies[0] if strategies else ""


def _field_of(directive: str, prefix: str) -> str:
    head, slash, field = directive.partition("/")
    if head != prefix or not slash:
        raise _failed(f"fail to find unknown prefix {prefix!r} in {directive}\n")
    return field


_GONE = object()


def _without_directives(value: Any) -> Any:
    """A value that meets nothing in the original: items and maps with $patch disappear."""
    if isinstance(value, dict):
        if DIRECTIVE in value:
            return _GONE
        pairs = ((key, _without_directives(item)) for key, item in value.items())
        return {key: item for key, item in pairs if item is not _GONE}
    if isinstance(value, list):
        items = (_without_directives(item) for item in value)
        return [item for item in items if item is not _GONE]
    return value


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value


def _normalize(
    merged: list[Any], order: list[Any], original: list[Any], merge_key: str
) -> list[Any]:
    """`merged` reordered: items named in `order` follow it, the others keep the original's order.

    The two runs are interleaved by where their items stood in `original`. `merge_key` is "" for
    lists of primitives.
    """
    wanted = _positions(order, merge_key)
    former = _positions(original, merge_key)
    named = [item for item in merged if _named(item, merge_key) in wanted]
    others = [item for item in merged if _named(item, merge_key) not in wanted]
    named.sort(key=lambda item: wanted[_named(item, merge_key)])
    others.sort(key=lambda item: former.get(_named(item, merge_key), len(former)))
    result: list[Any] = []
    left, right = 0, 0
    while left < len(others) and right < len(named):
        other = former.get(_named(others[left], merge_key))
        name = former.get(_named(named[right], merge_key))
        if other is not None and name is not None and other < name:
            result.append(others[left])
            left += 1
        else:
            result.append(named[right])
            right += 1
    return result + others[left:] + named[right:]


def _named(item: Any, merge_key: str) -> Any:
    return item.get(merge_key) if merge_key and isinstance(item, dict) else item


def _positions(items: list[Any], merge_key: str) -> dict[Any, int]:
    result: dict[Any, int] = {}
    for position, item in enumerate(items):
        result.setdefault(_named(item, merge_key), position)
    return result

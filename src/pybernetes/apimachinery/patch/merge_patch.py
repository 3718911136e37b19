# SPDX-License-Identifier: Apache-2.0
"""JSON merge patch (RFC 7396)."""

from typing import Any

from pybernetes.apimachinery import errors
from pybernetes.apimachinery.patch.clone import clone
from pybernetes.apimachinery.types import Object


def merge_patch(original: Object, patch: Any) -> Object:
    """`original` with `patch` applied; shares nothing with either. Raises ApiError 400."""
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

# SPDX-License-Identifier: Apache-2.0
"""Copies of JSON values: `copy_object` makes one the caller may change; `freeze` one nobody can."""

from typing import Any, NoReturn

from pybernetes.apimachinery.patch.clone import clone
from pybernetes.apimachinery.types import Object


def copy_object(obj: Object) -> Object:
    """A copy of a (cached) object that may be changed."""
    copied: Object = clone(obj)
    return copied


def freeze(value: Any) -> Any:
    """A copy that raises TypeError when somebody changes it (for tests)."""
    if isinstance(value, dict):
        return FrozenDict({key: freeze(item) for key, item in value.items()})
    if isinstance(value, list):
        return FrozenList(freeze(item) for item in value)
    return value


def _refuse(*_args: Any, **_kwargs: Any) -> NoReturn:
    raise TypeError("objects from a cache are read-only: copy, then change")


class FrozenDict(dict[str, Any]):
    """A dict that cannot be changed; a deep copy of it can."""

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __deepcopy__(self, _memo: Any) -> Any:
        return clone(self)


class FrozenList(list[Any]):
    """A list that cannot be changed; a deep copy of it can."""

    __setitem__ = __delitem__ = __iadd__ = __imul__ = _refuse
    append = extend = insert = pop = remove = _refuse
    clear = sort = reverse = _refuse

    def __deepcopy__(self, _memo: Any) -> Any:
        return clone(self)

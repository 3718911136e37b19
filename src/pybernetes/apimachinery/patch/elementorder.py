# SPDX-License-Identifier: Apache-2.0
"""The order of a merged list: the patch's items as the patch orders them, the server's own between."""

from typing import Any


def normalize(
    merged: list[Any], order: list[Any], original: list[Any], merge_key: str
) -> list[Any]:
    """`merged` reordered: items named in `order` follow it, the others keep the original's order.

    The two runs are interleaved by where their items stood in `original`. `merge_key` is "" for
    lists of primitives.
    """
    wanted = _positions(order, merge_key)
    former = _positions(original, merge_key)
    named = [item for item in merged if _key(item, merge_key) in wanted]
    others = [item for item in merged if _key(item, merge_key) not in wanted]
    named.sort(key=lambda item: wanted[_key(item, merge_key)])
    others.sort(key=lambda item: former.get(_key(item, merge_key), len(former)))
    result: list[Any] = []
    left, right = 0, 0
    while left < len(others) and right < len(named):
        other = former.get(_key(others[left], merge_key))
        name = former.get(_key(named[right], merge_key))
        if other is not None and name is not None and other < name:
            result.append(others[left])
            left += 1
        else:
            result.append(named[right])
            right += 1
    return result + others[left:] + named[right:]


def _key(item: Any, merge_key: str) -> Any:
    return item.get(merge_key) if merge_key and isinstance(item, dict) else item


def _positions(items: list[Any], merge_key: str) -> dict[Any, int]:
    result: dict[Any, int] = {}
    for position, item in enumerate(items):
        result.setdefault(_key(item, merge_key), position)
    return result

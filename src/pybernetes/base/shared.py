# SPDX-License-Identifier: Apache-2.0
"""Shared: containers that copies have in common until one of them changes something (copy-on-write).

- Taking another's containers costs a pointer each, whatever is in them.
- Whoever changes a container first calls `_own`, which copies those that are still common; the other
  side keeps what there was. What is inside (records, entries, objects) must never change.
- A reader may hold a container over a change of its owner: it then sees what was true before.
"""

from typing import Any, ClassVar


class Shared:
    """A base class. `_COMMON` names the attributes that are containers with a `copy` method."""

    __slots__ = ("_is_shared",)
    _COMMON: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        self._is_shared = False

    def share(self, other: Any) -> None:
        """Start with what `other`, of the same class, has."""
        for name in self._COMMON:
            setattr(self, name, getattr(other, name))
        self._is_shared = other._is_shared = True

    def _own(self) -> None:
        """Before every change."""
        if self._is_shared:
            for name in self._COMMON:
                setattr(self, name, getattr(self, name).copy())
            self._is_shared = False

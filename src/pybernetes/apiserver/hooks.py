# SPDX-License-Identifier: Apache-2.0
"""Hooks: what some resources do inside the transaction of a write (Services allocate addresses).

`rest/` runs them, `services/` and `subresources/` provide them, `server` enters them in the table:
neither side imports the other.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pybernetes.apimachinery.types import Object
from pybernetes.apis.resource import Resource
from pybernetes.storage.types import Op


class WriteHook(Protocol):
    """Further writes that must happen together with the object's own.

    Called again when the transaction failed on one of its operations (`attempt` grows), so it can
    choose another address. May change `new`. Raises ApiError to refuse.
    """

    def create(self, new: Object, *, attempt: int, dry_run: bool) -> Sequence[Op]: ...

    def update(self, new: Object, old: Object, *, attempt: int, dry_run: bool) -> Sequence[Op]: ...

    def delete(self, old: Object) -> Sequence[Op]: ...


@dataclass(slots=True)
class Hooks:
    """(group, resource) -> its hook.

    `holds`: does something besides metadata.finalizers keep an object that is being deleted?
    `deleting`: what else changes when the deletion begins (a namespace's phase); in place.
    """

    writes: dict[tuple[str, str], WriteHook] = field(default_factory=dict)
    holds: dict[tuple[str, str], Callable[[Object], bool]] = field(default_factory=dict)
    deleting: dict[tuple[str, str], Callable[[Object], None]] = field(default_factory=dict)

    def held(self, row: Resource, obj: Object) -> bool:
        hook = self.holds.get((row.gvr.group, row.gvr.resource))
        return hook is not None and hook(obj)

    def begin_deletion(self, row: Resource, obj: Object) -> None:
        hook = self.deleting.get((row.gvr.group, row.gvr.resource))
        if hook is not None:
            hook(obj)

# SPDX-License-Identifier: Apache-2.0
"""Hooks: what some resources do inside the transaction of a write (Services allocate addresses).

`rest/` runs them, `services/` and `subresources/` provide them, `server` enters them in the table:
neither side imports the other.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pybernetes.apimachinery.types import Object
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
    """(group, resource) -> its hook."""

    writes: dict[tuple[str, str], WriteHook] = field(default_factory=dict)

# SPDX-License-Identifier: Apache-2.0
"""The seam: what a controller is and what it is given.

A controller is two files, or one with both halves where they are small. `plan.py` decides: objects
in, actions and status out, pure.
`controller.py` acts: its constructor asks for informers and turns changes into keys; `sync(key)`
looks at the current state again and applies the plan. Retries, back-off and logging of errors are
the loop's (manager.py), never the controller's.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pybernetes.apimachinery import meta
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.queue import WorkQueue
from pybernetes.client.types import Client
from pybernetes.controllers.config import ControllersConfig


@dataclass(frozen=True, slots=True)
class Context:
    """What a controller is given. `client` writes as the controller's own service account."""

    env: Env
    client: Client
    informers: Informers
    queue: WorkQueue[str]
    recorder: Recorder
    config: ControllersConfig


class NotYet(Exception):
    """Raised by `sync` for what may work later: tried again with back-off, and not worth a line."""


class Controller(Protocol):
    """`sync` is never called for one key twice at the same time; it is called after the informers
    asked for in the constructor have synced. Raising ApiError or ConnectionError tries again."""

    async def sync(self, key: str) -> None:
        """Bring the world one step closer to what the object behind `key` asks for."""


def queue_live(add: Callable[[str], None], informer: Informer) -> None:
    """Queue every object of `informer` that comes or changes; what is gone needs nothing."""
    informer.on_change(lambda _old, new: add(meta.key(new)) if new is not None else None)


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the registry. `account`: its service account; `source`: of its events."""

    build: Callable[[Context], Controller]
    account: str
    source: str = ""  # default: the account
    workers: int = 5

# SPDX-License-Identifier: Apache-2.0
"""The seam: what a controller is and what it is given.

A controller is two files, or one with both halves where they are small. `plan.py` decides: objects
in, actions and status out, pure.
`controller.py` acts: its constructor asks for informers and turns changes into keys; `sync(key)`
looks at the current state again and applies the plan. Retries, back-off and logging of errors are
the loop's (manager.py), never the controller's.
"""

import datetime
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from pybernetes.apimachinery import meta
from pybernetes.apimachinery.types import Object
from pybernetes.base.env import Env
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.queue import WorkQueue
from pybernetes.client.types import Client
from pybernetes.controllers.config import ControllersConfig

Keys = Callable[[Object], Iterable[str]]


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


class Controller:
    """`sync` is never called for one key twice at the same time; it is called after the informers
    asked for in the constructor have synced. Raising ApiError or ConnectionError tries again."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._client = context.client
        self._queue = context.queue
        self._event = context.recorder.event

    async def sync(self, key: str) -> None:
        """Bring the world one step closer to what the object behind `key` asks for."""
        raise NotImplementedError

    def _now(self) -> datetime.datetime:
        return self._context.env.clock.now()

    def _follow(self, informer: Informer, keys: Keys = lambda obj: [meta.key(obj)]) -> Informer:
        """Queue the keys that every object of `informer` stands for when it comes, changes or goes."""

        def changed(old: Object | None, new: Object | None) -> None:
            for key in dict.fromkeys(key for one in (old, new) if one for key in keys(one)):
                self._queue.add(key)

        informer.on_change(changed)
        return informer


class Keyed(Controller):
    """Keys are those of the objects of one informer."""

    def __init__(self, context: Context, objects: Informer) -> None:
        super().__init__(context)
        self._objects = objects

    async def sync(self, key: str) -> None:
        obj = self._objects.find(*meta.split_key(key))
        await (self._gone(key) if obj is None else self._sync(key, obj))

    async def _sync(self, key: str, obj: Object) -> None:
        """`sync`, of an object that is there."""
        raise NotImplementedError

    async def _gone(self, key: str) -> None:
        """The object is not there (any more)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the registry. `account`: its service account; `source`: of its events.

    `patience`: it looks at all kinds; in a fork it may sleep on for so many seconds after a change that
    deletes nothing. 0: it looks at what it asks informers for when it is built.
    """

    build: Callable[[Context], Controller]
    account: str
    source: str = ""  # default: the account
    workers: int = 5
    patience: float = 0.0

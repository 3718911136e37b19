# SPDX-License-Identifier: Apache-2.0
"""The controller manager: runs every controller of the registry over one set of informers.

Caches are filled as system:kube-controller-manager; each controller writes as its own service
account in kube-system (upstream's use-service-account-credentials).
"""

import asyncio
import contextlib
import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.meta import service_account_user
from pybernetes.apimachinery.types import GVR, User
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informer, Informers
from pybernetes.client.queue import WorkQueue
from pybernetes.client.types import Client
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.registry import CONTROLLERS
from pybernetes.controllers.runtime.controller import Context, Controller, NotYet, Row

Kind = tuple[str, str]  # group, resource
MANAGER = "kube-controller-manager"
LATE_TRIES = 5  # lost races before one is worth a line
_log = logs.get("controllers")


def identity(name: str) -> User:
    """Who the client that `client_for(name)` returns should be: the manager, or a controller."""
    if name == MANAGER:
        return User(f"system:{MANAGER}", ("system:authenticated",))
    user = service_account_user("kube-system", name)
    return User(user.name, (*user.groups, "system:authenticated"))


class Asked(Informers):
    """The informers as one controller sees them: remembers which it has asked for."""

    def __init__(self, whole: Informers) -> None:
        self._whole = whole
        self.found: dict[Informer, None] = {}

    def get(
        self, gvr: GVR, namespace: str = "", label_selector: str = "", field_selector: str = ""
    ) -> Informer:
        return self._note(self._whole.get(gvr, namespace, label_selector, field_selector))

    def get_metadata(self, gvr: GVR) -> Informer:
        return self._note(self._whole.get_metadata(gvr))

    def drop(self, informer: Informer) -> None:
        self._whole.drop(informer)
        self.found.pop(informer, None)

    def _note(self, informer: Informer) -> Informer:
        self.found[informer] = None
        return informer

    async def wait_synced(self) -> None:
        for informer in list(self.found):
            await informer.wait_synced()


class Sleeper(NamedTuple):
    """A fork's controller with nothing to do: what it looks at, and when its next key comes."""

    kinds: frozenset[Kind]
    due: float


class Manager:
    """`client_for(account)` gives a client with that identity; `extra`: more rows of the registry.

    After `share` (a fork's), a controller that had nothing to do sleeps, without a task, until
    `changed` tells of something that it looks at, or the next of its keys comes.
    """

    def __init__(
        self,
        env: Env,
        client_for: Callable[[str], Client],
        config: ControllersConfig | None = None,
        extra: Mapping[str, Row] | None = None,
    ) -> None:
        self._env = env
        self._client_for = client_for
        self._config = config or ControllersConfig()
        self.informers = Informers(env, client_for(MANAGER), frozen=self._config.freeze_caches)
        self._rows = {
            name: row
            for name, row in {**CONTROLLERS, **(extra or {})}.items()
            if _enabled(name, self._config.controllers)
        }
        self._ready = asyncio.Event()
        self.running: dict[str, tuple[Asked, WorkQueue[str]]] = {}
        self.asleep: dict[str, Sleeper] = {}
        self._stirred = asyncio.Event()  # a sleeper is due earlier than it was

    def share(self, origin: "Manager") -> None:
        """Start as a fork of `origin` does."""
        self.informers.share(origin.informers)
        self.asleep = dict(origin.asleep)
        for name, (asked, queue) in origin.running.items():
            if queue.idle and all(informer.synced for informer in asked.found):
                kinds = frozenset(informer.scope.gvr[::2] for informer in asked.found)
                self.asleep[name] = Sleeper(kinds, queue.due)

    def changed(self, kind: Kind, *, goes: bool) -> None:
        """An object changed (`goes`: is deleted, or is to be): who looks at such is woken."""
        now = self._env.clock.monotonic()
        for name, (kinds, due) in self.asleep.items():
            if kind in kinds:
                soon = now if goes else now + self._rows[name].patience
                if soon < due:
                    self.asleep[name] = Sleeper(kinds, soon)
                    self._stirred.set()

    async def wait_ready(self) -> None:
        """Until all caches are filled and the controllers work."""
        await self._ready.wait()

    async def run(self) -> None:
        """Run all controllers until cancelled."""
        async with TaskGroup("controllers") as group:
            built = [self._build(name) for name in self._rows if name not in self.asleep]
            group.start(self.informers.run(), "informers")
            await self.informers.wait_synced()
            for name, controller, context in built:
                group.start(self._run(name, controller, context), name)
            self._ready.set()
            _log.info("Controllers run", count=len(built), asleep=len(self.asleep))
            while self.asleep:
                await self._wait_due()
                now = self._env.clock.monotonic()
                for name in [name for name, one in self.asleep.items() if one.due <= now]:
                    group.start(self._run(*self._build(name)), name)

    async def _wait_due(self) -> None:
        self._stirred.clear()
        left = min(one.due for one in self.asleep.values()) - self._env.clock.monotonic()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(None if left == math.inf else left):
                await self._stirred.wait()

    async def _run(self, name: str, controller: Controller, context: Context) -> None:
        await context.informers.wait_synced()
        async with TaskGroup(name) as group:
            group.start(context.recorder.run(), "events")
            for number in range(self._rows[name].workers):
                group.start(_work(name, controller, context.queue), f"worker-{number}")

    def _build(self, name: str) -> tuple[str, Controller, Context]:
        self.asleep.pop(name, None)
        row = self._rows[name]
        client = self._client_for(row.account)
        asked, queue = self.running[name] = Asked(self.informers), WorkQueue(self._env, name)
        context = Context(
            env=self._env,
            client=client,
            informers=asked,
            queue=queue,
            recorder=Recorder(self._env, client, row.source or row.account),
            config=self._config,
        )
        return name, row.build(context), context


def _enabled(name: str, wanted: tuple[str, ...]) -> bool:
    if f"-{name}" in wanted:
        return False
    return name in wanted or "*" in wanted


async def _work(name: str, controller: Controller, queue: WorkQueue[str]) -> None:
    while True:
        key = await queue.get()
        try:
            await controller.sync(key)
        except NotYet:
            queue.add_rate_limited(key)
        except Exception as error:  # noqa: BLE001 -- one key's failure must not stop the others
            _report(name, key, error, queue.failures(key))
            queue.add_rate_limited(key)
        else:
            queue.forget(key)
        finally:
            queue.done(key)
        await asyncio.sleep(0)


def _report(name: str, key: str, error: Exception, failures: int) -> None:
    late = isinstance(error, ApiError) and error.code in (404, 409)  # the object changed or went
    if late and failures < LATE_TRIES:
        return
    if failures & (failures + 1):  # the count including this one is no power of two
        return
    if isinstance(error, ApiError | ConnectionError | TimeoutError):
        _log.warning("Will try again", controller=name, object=key, err=error)
    else:
        _log.crash("A controller failed; will try again", error, controller=name, object=key)

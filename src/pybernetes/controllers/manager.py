# SPDX-License-Identifier: Apache-2.0
"""The controller manager: runs every controller of the registry over one set of informers.

Caches are filled as system:kube-controller-manager; each controller writes as its own service
account in kube-system (upstream's use-service-account-credentials).
"""

import asyncio
import math
from collections.abc import Callable, Mapping

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.meta import service_account_user
from pybernetes.apimachinery.types import User
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup, wait_within
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informers
from pybernetes.client.queue import WorkQueue
from pybernetes.client.types import Client
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.registry import CONTROLLERS
from pybernetes.controllers.runtime.controller import Context, Controller, NotYet, Row

Kind = tuple[str, str]  # group, resource
MANAGER = "kube-controller-manager"
LATE_TRIES = 5  # lost races before one is worth a line
SOON = 10.0  # seconds at most until what failed for a reason that passes by itself is tried again
_log = logs.get("controllers")


def identity(name: str) -> User:
    """Who the client that `client_for(name)` returns should be: the manager, or a controller."""
    if name == MANAGER:
        return User(f"system:{MANAGER}", ("system:authenticated",))
    user = service_account_user("kube-system", name)
    return User(user.name, (*user.groups, "system:authenticated"))


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
        self.running: dict[str, WorkQueue[str]] = {}
        self.asleep: dict[str, float] = {}  # until when
        self._kinds: dict[str, frozenset[Kind]] = {}  # that a controller looks at
        self._stirred = asyncio.Event()  # a sleeper's time comes earlier than it did

    def share(self, origin: "Manager") -> None:
        """Start as a fork of `origin` does."""
        self.informers.share(origin.informers)
        self._kinds = dict(origin._kinds)
        idle = {name: queue.due for name, queue in origin.running.items() if queue.idle}
        self.asleep = origin.asleep | idle if origin._ready.is_set() else dict(origin.asleep)

    def changed(self, kind: Kind, *, goes: bool) -> None:
        """An object changed (`goes`: is deleted, or is to be): who looks at such is woken."""
        now = self._env.clock.monotonic()
        for name, due in self.asleep.items():
            patience = self._rows[name].patience
            soon = now if goes else now + patience
            if soon < due and (patience or kind in self._kinds[name]):
                self.asleep[name] = soon
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
                for name in [name for name, due in self.asleep.items() if due <= now]:
                    group.start(self._run(*self._build(name)), name)

    async def _wait_due(self) -> None:
        self._stirred.clear()
        left = min(self.asleep.values()) - self._env.clock.monotonic()
        await wait_within(self._stirred, None if left == math.inf else left)

    async def _run(self, name: str, controller: Controller, context: Context) -> None:
        await self.informers.wait_synced()
        async with TaskGroup(name) as group:
            group.start(context.recorder.run(), "events")
            for number in range(self._rows[name].workers):
                group.start(_work(name, controller, context.queue), f"worker-{number}")

    def _build(self, name: str) -> tuple[str, Controller, Context]:
        self.asleep.pop(name, None)
        row = self._rows[name]
        client = self._client_for(row.account)
        queue = self.running[name] = WorkQueue(self._env, name)
        context = Context(
            env=self._env,
            client=client,
            informers=self.informers,
            queue=queue,
            recorder=Recorder(self._env, client, row.source or row.account),
            config=self._config,
        )
        self.informers.asked.clear()
        controller = row.build(context)
        self._kinds[name] = frozenset(scope.gvr[::2] for scope in self.informers.asked)
        return name, controller, context


def _enabled(name: str, wanted: tuple[str, ...]) -> bool:
    if f"-{name}" in wanted:
        return False
    return name in wanted or "*" in wanted


async def _work(name: str, controller: Controller, queue: WorkQueue[str]) -> None:
    task = asyncio.current_task()
    while task and not task.cancelling():  # a failure while it ended may have hidden that
        key = await queue.get()
        try:
            await controller.sync(key)
        except NotYet:
            queue.add_rate_limited(key)
        except Exception as error:  # noqa: BLE001 -- one key's failure must not stop the others
            _report(name, key, error, queue.failures(key))
            queue.add_rate_limited(key, SOON if _passes(error) else math.inf)
        else:
            queue.forget(key)
        finally:
            queue.done(key)
        await asyncio.sleep(0)


def _passes(error: Exception) -> bool:
    """True if nobody answered, or the cache was old: an outage must not end in upstream's 1,000 s."""
    if isinstance(error, ApiError):
        return error.code >= 500 or error.code == 429 or error.reason == "Conflict"
    return isinstance(error, ConnectionError | TimeoutError)


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

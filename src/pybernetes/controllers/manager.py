# SPDX-License-Identifier: Apache-2.0
"""The controller manager: runs every controller of the registry over one set of informers.

Caches are filled as system:kube-controller-manager; each controller writes as its own service
account in kube-system (upstream's use-service-account-credentials).
"""

import asyncio
from collections.abc import Callable, Mapping

from pybernetes.apimachinery.errors import ApiError
from pybernetes.apimachinery.meta import service_account_user
from pybernetes.apimachinery.types import User
from pybernetes.base import logs
from pybernetes.base.env import Env
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.events import Recorder
from pybernetes.client.informer import Informers
from pybernetes.client.queue import WorkQueue
from pybernetes.client.types import Client
from pybernetes.controllers.config import ControllersConfig
from pybernetes.controllers.registry import CONTROLLERS
from pybernetes.controllers.runtime.controller import Context, Controller, NotYet, Row

MANAGER = "kube-controller-manager"
LATE_TRIES = 5  # lost races before one is worth a line
_log = logs.get("controllers")


def identity(name: str) -> User:
    """Who the client that `client_for(name)` returns should be: the manager, or a controller."""
    if name == MANAGER:
        return User(f"system:{MANAGER}", ("system:authenticated",))
    user = service_account_user("kube-system", name)
    return User(user.name, (*user.groups, "system:authenticated"))


class Manager:
    """`client_for(account)` gives a client with that identity; `extra`: more rows of the registry."""

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

    async def wait_ready(self) -> None:
        """Until all caches are filled and the controllers work."""
        await self._ready.wait()

    async def run(self) -> None:
        """Run all controllers until cancelled."""
        built = {name: self._build(name, row) for name, row in self._rows.items()}
        async with TaskGroup("controllers") as group:
            group.start(self.informers.run(), "informers")
            await self.informers.wait_synced()
            for name, (controller, context) in built.items():
                workers = self._rows[name].workers
                work = run_workers(name, controller, context.queue, workers)
                group.start(work, name)
                group.start(context.recorder.run(), f"{name}-events")
            self._ready.set()
            _log.info("Controllers run", count=len(built))

    def _build(self, name: str, row: Row) -> tuple[Controller, Context]:
        client = self._client_for(row.account)
        context = Context(
            env=self._env,
            client=client,
            informers=self.informers,
            queue=WorkQueue(self._env, name),
            recorder=Recorder(self._env, client, row.source or row.account),
            config=self._config,
        )
        return row.build(context), context


def _enabled(name: str, wanted: tuple[str, ...]) -> bool:
    if f"-{name}" in wanted:
        return False
    return name in wanted or "*" in wanted


async def run_workers(
    name: str, controller: Controller, queue: WorkQueue[str], workers: int
) -> None:
    """Work until cancelled."""
    async with TaskGroup(name) as group:
        for number in range(workers):
            group.start(_work(name, controller, queue), f"worker-{number}")


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

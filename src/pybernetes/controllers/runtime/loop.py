# SPDX-License-Identifier: Apache-2.0
"""The loop: takes keys, lets the controller work on them, tries again what failed.

Failures are logged at the first, second, fourth, ... time in a row; that somebody else was faster
(404, 409) only if it happens again.
"""

import asyncio

from pybernetes.apimachinery.errors import ApiError
from pybernetes.base import logs
from pybernetes.base.tasks import TaskGroup
from pybernetes.client.queue import WorkQueue
from pybernetes.controllers.runtime.controller import Controller

_log = logs.get("controllers")


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
    if late and not failures:
        return
    if failures & (failures + 1):  # the count including this one is no power of two
        return
    if isinstance(error, ApiError | ConnectionError | TimeoutError):
        _log.warning("Will try again", controller=name, object=key, err=error)
    else:
        _log.crash("A controller failed; will try again", error, controller=name, object=key)

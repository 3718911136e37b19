# SPDX-License-Identifier: Apache-2.0
"""What every process of ours does around its main coroutine: loop, signals, logs, collector."""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable

from pybernetes.base import gcpolicy, logs
from pybernetes.base.env import Env
from pybernetes.base.metrics import watch_loop_lag
from pybernetes.base.tasks import TaskGroup

Main = Callable[[Env], Awaitable[None]]


def run(main: Main, *, level: str = "info") -> int:
    """Run `main` on uvloop until it ends or SIGTERM/SIGINT; the exit code.

    An exception ends the process with code 1 after one line in the log.
    """
    env = Env()
    logs.configure(level, sys.stderr, env.clock)
    gcpolicy.tune()
    try:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(_until_signalled(env, main))
    except asyncio.CancelledError:
        return 0
    finally:
        env.offload.close()
    return 0


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        import uvloop
    except ImportError:  # not made for this system: asyncio's own loop will do
        return None
    factory: Callable[[], asyncio.AbstractEventLoop] = uvloop.new_event_loop
    return factory


async def _until_signalled(env: Env, main: Main) -> None:
    task = asyncio.current_task()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, task.cancel if task else loop.stop)
    gcpolicy.measure(env)
    async with TaskGroup("process") as group:
        lag = group.start(watch_loop_lag(env), "loop lag")
        await main(env)
        lag.cancel()

# SPDX-License-Identifier: Apache-2.0
"""An event loop whose clock jumps to the next timer: an hour of waiting takes no time.

Nothing on it comes from outside: no sockets, no threads, no signals, no wall clock. So a run is
decided by its code and its seed alone. What it leaves out says so: asking for a socket or a
thread raises RuntimeError, and a run in which nobody can ever wake up again raises Deadlock.
"""

import asyncio
import contextlib
import math
import threading
from collections.abc import Callable, Coroutine
from typing import Any, NoReturn, TypeVar

from pybernetes.base.clock import LoopClock
from pybernetes.base.env import Env
from pybernetes.base.offload import Offload
from pybernetes.base.random import Random

_T = TypeVar("_T")


class Deadlock(RuntimeError):
    """Nothing is ready and no timer is set: no task can ever run again."""


class _NoSelector:
    """Stands where asyncio asks the system for ready sockets; moves the time instead."""

    def __init__(self, loop: "VirtualTimeLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        if timeout is None:
            raise Deadlock(f"nothing is ready and no timer is set: {_waiting(self._loop)}")
        if timeout > 0:
            self._loop.jump()
        return []


def _unsupported(what: str) -> Any:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise RuntimeError(f"virtual time has no {what}")

    return refuse


class VirtualTimeLoop(asyncio.BaseEventLoop):
    """asyncio's own loop, except:

    - `time()` starts at 0.0 and moves only when no callback is ready, exactly to the next timer.
    - It never touches a file descriptor and never sleeps.
    - The order in which callbacks run depends on nothing but the calls made.
    """

    _scheduled: list[asyncio.TimerHandle]  # asyncio's heap of timers: the first is the next

    def __init__(self) -> None:
        super().__init__()
        self._now = 0.0
        self._owner = threading.get_ident()
        self._selector = _NoSelector(self)
        self._clock_resolution = math.ulp(0.0)  # asyncio fires timers before time() + this

    def time(self) -> float:
        return self._now

    def jump(self) -> None:
        """Move the time to the next timer."""
        self._now = max(self._now, self._scheduled[0].when())
        self._clock_resolution = math.ulp(self._now)

    def _process_events(self, events: list[Any]) -> None:
        """There are none."""

    def _write_to_self(self) -> None:
        """asyncio's way to wake a sleeping loop from another thread; this one never sleeps."""
        if threading.get_ident() != self._owner:
            raise RuntimeError("virtual time has no threads: use Env.offload")

    run_in_executor = _unsupported("threads: use Env.offload")
    create_connection = _unsupported("sockets: use the in-process transport")
    create_server = _unsupported("sockets: use the in-process transport")
    create_unix_connection = _unsupported("sockets: use the in-process transport")
    create_unix_server = _unsupported("sockets: use the in-process transport")
    create_datagram_endpoint = _unsupported("sockets: use the in-process transport")
    add_reader = _unsupported("sockets: use the in-process transport")
    add_writer = _unsupported("sockets: use the in-process transport")
    subprocess_exec = _unsupported("processes")
    subprocess_shell = _unsupported("processes")
    add_signal_handler = _unsupported("signals")


def _in_order(loop: asyncio.AbstractEventLoop) -> list[asyncio.Task[Any]]:
    """The unfinished tasks, in an order that does not change from run to run."""
    return sorted(asyncio.all_tasks(loop), key=lambda task: (len(task.get_name()), task.get_name()))


def _waiting(loop: asyncio.AbstractEventLoop) -> str:
    """Who waits, and where: "scheduler at queue.py:40, ..."."""
    lines = []
    for task in _in_order(loop)[:20]:
        frames = task.get_stack()
        place = ""
        if frames:
            code = frames[-1].f_code
            place = f" at {code.co_filename.rsplit('/', 1)[-1]}:{frames[-1].f_lineno}"
        lines.append(task.get_name() + place)
    return ", ".join(lines) or "no tasks"


def environment(loop: asyncio.AbstractEventLoop, seed: int | str | None = 0) -> Env:
    """The surroundings of one simulated cluster on `loop`."""
    return Env(clock=LoopClock(loop), random=Random(seed), offload=Offload())


def run(main: Callable[[Env], Coroutine[Any, Any, _T]], seed: int | str | None = 0) -> _T:
    """Run `main(env)` on a fresh virtual-time loop and return what it returns."""
    loop = VirtualTimeLoop()
    asyncio.set_event_loop(loop)
    try:
        return loop.run_until_complete(main(environment(loop, seed)))
    finally:
        _end(loop)


def _end(loop: VirtualTimeLoop) -> None:
    """Cancel what `main` left behind, newest first, and close the loop."""
    try:
        left = _in_order(loop)
        for task in reversed(left):
            task.cancel()
        with contextlib.suppress(Deadlock):
            loop.run_until_complete(asyncio.gather(*left, return_exceptions=True))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        asyncio.set_event_loop(None)
        loop.close()

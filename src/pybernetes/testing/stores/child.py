# SPDX-License-Identifier: Apache-2.0
"""What runs in processes that are killed or whose disk fails: `python -m ... DRIVER FOLDER WORK NUMBER...`.

- `write WRITERS`: says what it finds (`= WRITER INDEX` for each writer, `half WRITER` for half a
  transaction, `at REVISION`), then `WRITER INDEX` for each acknowledged write (a transaction of two
  keys) and `! ERROR` for each refused one, until it is killed.
- `kill ROUNDS WRITERS SEED SECONDS`: forks the above and kills it, again and again; a tally as JSON.
- `history SECONDS SEED`: a recorded load over a disk that fails; the verdict as JSON.
"""

import asyncio
import contextlib
import json
import os
import select
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from pybernetes.base.clock import Clock
from pybernetes.base.env import Env
from pybernetes.base.random import Random
from pybernetes.base.tasks import gather_ordered
from pybernetes.storage.types import Op, Store, StoreError
from pybernetes.testing.stores.crashes import CrashSuite, Tally
from pybernetes.testing.stores.disk import ALWAYS, FAULTS, Faults
from pybernetes.testing.stores.driver import Driver, named
from pybernetes.testing.stores.histories import Fault, Load

COMPACT_EVERY = 20  # writes of the first writer
OPENING = 0.05  # seconds: one process in ten is killed within them, whatever it is at
LONGEST = 0.3  # seconds that the others write, a fiftieth of it at least
_monotonic = Clock().monotonic


def _say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def write(driver: Driver, folder: Path, writers: str) -> None:
    store = await driver.open(Env(), folder)
    newest = await _found(store)
    names = range(int(writers))
    await gather_ordered([_write(store, name, newest.get(str(name), 0)) for name in names])


async def _found(store: Store) -> dict[str, int]:
    """The newest write of each writer, said aloud."""
    page = await store.list("/")
    values = {record.key: record.value.strip() for record in page.records}
    newest = {}
    for key, value in values.items():
        name = key.split("/")[1]
        if values.get(f"/{name}/x") != values.get(f"/{name}/y"):
            _say(f"half {name}")
        newest[name] = int(value)
    _say("".join(f"= {name} {at}\n" for name, at in newest.items()) + f"at {store.revision}")
    return newest


async def _write(store: Store, name: int, index: int) -> None:
    while True:
        index += 1
        value = str(index).encode()
        try:
            await store.write([Op(f"/{name}/x", value), Op(f"/{name}/y", value + b" " * 1000)])
        except StoreError as error:
            _say(f"! {type(error).__name__}")
            await asyncio.sleep(0.01)
            continue
        _say(f"{name} {index}")
        if name == 0 and index % COMPACT_EVERY == 0:
            with contextlib.suppress(StoreError):
                await store.compact(store.revision - 100)


def kill(driver: Driver, folder: Path, *numbers: str) -> None:
    """Forking a process that is loaded costs a hundredth of starting one."""
    rounds, writers, seed, seconds = numbers
    tally, draw, end = Tally(), Random(int(seed)), _monotonic() + float(seconds)
    while tally.rounds < int(rounds) and _monotonic() < end:
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.dup2(into, 1)
            try:
                asyncio.run(write(driver, folder, writers))
            finally:
                os._exit(1)
        os.close(into)
        if draw.below(10) or tally.rounds == int(rounds) - 1:
            after = draw.choice([b"at ", b"\n0 "])  # opened, or acknowledged to the first writer
            said = _killed(pid, out, LONGEST * 0.02 ** draw.uniform(0, 1), after)
        else:
            said = _killed(pid, out, draw.uniform(0, OPENING))
        tally.hear(said)
    print(json.dumps(asdict(tally)))


def _killed(pid: int, out: int, seconds: float, after: bytes = b"") -> str:
    """What the process says until it is killed, so long after it said `after` (or began)."""
    end = _monotonic() + (60 if after else seconds)
    said = b""
    while (rest := end - _monotonic()) > 0:
        if select.select([out], [], [], rest)[0]:
            some = os.read(out, 1 << 16)
            said += some
            if not some:
                said += b"it ended by itself\n"
                break
            if after and after in said:
                end, after = _monotonic() + seconds, b""
    os.kill(pid, signal.SIGKILL)
    while some := os.read(out, 1 << 16):
        said += some
    os.close(out)
    os.waitpid(pid, 0)
    return said.decode()


async def history(driver: Driver, folder: Path, seconds: str, seed: str) -> None:
    assert isinstance(driver, CrashSuite)
    counters = Faults(Path(os.environ["FAULT_CONTROL"]))
    faults = [*driver.faults(), *(_fault(counters, which) for which, _ in FAULTS.values())]
    verdict = await driver.history(folder, float(seconds), int(seed), faults)
    print(json.dumps(asdict(verdict)))


def _fault(counters: Faults, which: int) -> Fault:
    """A few calls fail, or all of them for a moment."""

    async def act(load: Load) -> None:
        counters.inject(which, load.draw.choice([1, 2, ALWAYS]))
        await asyncio.sleep(0.05)
        counters.inject(which, 0)

    return act


WORK: dict[str, Callable[..., object]] = {
    "write": lambda *words: asyncio.run(write(*words)),
    "kill": kill,
    "history": lambda *words: asyncio.run(history(*words)),
}

if __name__ == "__main__":
    WORK[sys.argv[3]](named(sys.argv[1]), Path(sys.argv[2]), *sys.argv[4:])

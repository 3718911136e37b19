# SPDX-License-Identifier: Apache-2.0
"""A process that writes to a SQLite store until it is killed, and what it says meanwhile.

`python -m tests.storage.crashing PATH WRITERS` prints what it finds (`= WRITER INDEX` for each
writer, `half WRITER` for half a transaction, `at REVISION`), then `WRITER INDEX` for each
acknowledged write and `! ERROR` for each refused one. Each write is a transaction of two keys.
"""

import asyncio
import contextlib
import os
import random
import select
import signal
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from pybernetes.base.env import Env
from pybernetes.storage.sqlite import SqliteConfig, SqliteStore
from pybernetes.storage.types import Op, StoreError

COMPACT_EVERY = 20  # writes of the first writer


def say(text: str) -> None:
    os.write(1, f"{text}\n".encode())


async def found(store: SqliteStore) -> dict[str, int]:
    """The newest write of each writer, said aloud."""
    page = await store.list("/")
    values = {record.key: record.value.strip() for record in page.records}
    newest = {}
    for key, value in values.items():
        name = key.split("/")[1]
        if values.get(f"/{name}/x") != values.get(f"/{name}/y"):
            say(f"half {name}")
        newest[name] = int(value)
    say("".join(f"= {name} {index}\n" for name, index in newest.items()) + f"at {store.revision}")
    return newest


async def write(store: SqliteStore, name: int, begin: int) -> None:
    index = begin
    while True:
        index += 1
        value = str(index).encode()
        try:
            await store.write([Op(f"/{name}/x", value), Op(f"/{name}/y", value + b" " * 1000)])
        except StoreError as error:
            say(f"! {type(error).__name__}")
            await asyncio.sleep(0.01)
            continue
        say(f"{name} {index}")
        if name == 0 and index % COMPACT_EVERY == 0:
            with contextlib.suppress(StoreError):
                await store.compact(store.revision - 100)


async def main(path: Path, writers: int, careless: bool = False) -> None:
    """`careless`: nothing is synced. For the tests of the tests."""
    store = await SqliteStore.open(Env(), SqliteConfig(path))
    if careless:
        store._writer._connection.execute("PRAGMA synchronous = OFF")
    newest = await found(store)
    await asyncio.gather(*(write(store, n, newest.get(str(n), 0)) for n in range(writers)))


@dataclass
class Tally:
    """What killed processes said, round after round on one file."""

    rounds: int = 0
    verified: int = 0  # rounds that opened the file and looked
    acknowledged: int = 0
    refused: int = 0
    revision: int = 0
    newest: dict[str, int] = field(default_factory=dict)  # acknowledged, by writer
    violations: list[str] = field(default_factory=list)

    def hear(self, text: str) -> None:
        """Take in everything one process said; its last line may be torn."""
        there: dict[str, int] = {}
        self.rounds += 1
        for line in text.split("\n")[:-1]:
            match line.split():
                case ["=", name, index]:
                    there[name] = int(index)
                case ["at", revision]:
                    self._opened(there, int(revision))
                case ["half", name]:
                    self.violations.append(f"half a transaction of writer {name}")
                case ["!", _]:
                    self.refused += 1
                case [name, index]:
                    self.newest[name] = int(index)
                    self.acknowledged += 1
                case []:
                    pass
                case _:
                    self.violations.append(line)

    def _opened(self, there: dict[str, int], revision: int) -> None:
        self.verified += 1
        lost = {name: at for name, at in self.newest.items() if there.get(name, 0) < at}
        if lost:
            self.violations.append(f"acknowledged and lost: {lost}, there: {there}")
        if revision < self.revision:
            self.violations.append(f"revision {revision} after {self.revision}")
        self.revision = revision
        self.newest |= there

    def __str__(self) -> str:
        return (
            f"{self.rounds} kills, {self.verified} verified openings, "
            f"{self.acknowledged} acknowledged writes, {self.refused} refused, "
            f"violations {len(self.violations)}"
        )


def killed(pid: int, out: int, seconds: float, after: bytes = b"") -> str:
    """What the process says until it is killed, so long after it said `after` (or began)."""
    end = time.monotonic() + (60 if after else seconds)
    said = b""
    while (rest := end - time.monotonic()) > 0:
        if select.select([out], [], [], rest)[0]:
            some = os.read(out, 1 << 16)
            said += some
            if not some:
                said += b"it ended by itself\n"
                break
            if after and after in said:
                end, after = time.monotonic() + seconds, b""
    os.kill(pid, signal.SIGKILL)
    while some := os.read(out, 1 << 16):
        said += some
    os.close(out)
    os.waitpid(pid, 0)
    return said.decode()


def kill_again_and_again(path: Path, rounds: int, writers: int, seed: int, minutes: float) -> Tally:
    """Fork, let it write, kill it at a random moment (opening included); bounded in time."""
    draw = random.Random(seed)
    tally = Tally()
    end = time.monotonic() + minutes * 60
    while tally.rounds < rounds and time.monotonic() < end:
        out, into = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(out)
            os.dup2(into, 1)
            try:
                asyncio.run(main(path, writers))
            finally:
                os._exit(1)
        os.close(into)
        last = tally.rounds == rounds - 1
        tally.hear(killed(pid, out, draw.uniform(0.005, 0.4), b"at " if last else b""))
    return tally


if __name__ == "__main__":
    if len(sys.argv) < 5:
        asyncio.run(main(Path(sys.argv[1]), int(sys.argv[2]), "careless" in sys.argv))
    else:
        limits = [float(word) for word in sys.argv[2:6]]
        result = kill_again_and_again(
            Path(sys.argv[1]), int(limits[0]), int(limits[1]), int(limits[2]), limits[3]
        )
        print(result, *result.violations, sep="\n")
        sys.exit(bool(result.violations))

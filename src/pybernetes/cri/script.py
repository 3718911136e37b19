# SPDX-License-Identifier: Apache-2.0
"""One hollow node's script: the stages' answers, drawn and timed. Where they say nothing, nothing is kept."""

import asyncio
from collections.abc import Iterator, Sequence
from itertools import chain

from pybernetes.base.env import Env
from pybernetes.cri.stages import OOM, Exit, Line, Node, Run, Stages, Stop, Usage, Where
from pybernetes.cri.types import CriError

INIT_SECONDS = 0.1  # what an init container takes that no stage says anything about
MAX_LINES = 10_000  # of a log, the newest
MAX_TRIES = 10_000  # things that failed before and are tried again


class Script:
    """`step` waits and may fail; the rest answers at once. Ages and delays in seconds."""

    def __init__(self, env: Env, stages: Stages, node: str) -> None:
        self._clock = env.clock
        self._stages = stages
        self._node = Where(node)
        self._born = env.clock.monotonic()
        self._tries: dict[tuple[str, str, str, str], int] = {}
        self.measures = any("usage" in row.says for row in stages.rows)
        self.node: Node = stages.find("node", self._node) or Node()

    async def step(self, what: str, where: Where, usual: float) -> None:
        """Take the time that a step takes. Raises CriError where a stage lets it fail."""
        step = self._stages.find(what, where)
        if step is None:
            await asyncio.sleep(usual)
            return
        key = (what, where.uid, where.container, where.image)
        tries = self._tries.pop(key, 0)
        random = self._stages.random(what, where, tries)
        await asyncio.sleep(step.takes.draw(random) if step.takes else usual)
        if step.failed(random, tries):
            self._tries[key] = tries + 1
            if len(self._tries) > MAX_TRIES:
                del self._tries[next(iter(self._tries))]
            raise CriError(step.error)

    def end(self, where: Where, limit: int) -> tuple[float, Exit, str] | None:
        """(when, how, message) a container ends by itself. `limit`: bytes of memory, 0: none."""
        run: Run | None = self._stages.find("run", where)
        found = None
        if run is not None:
            random = self._stages.random("run", where)
            if run.ends(random, where.attempt):
                found = run.lasts.draw(random), run.exit.draw(random), run.message
        elif where.init:
            found = INIT_SECONDS, Exit(0), ""
        usage: Usage | None = self._stages.find("usage", where)
        full = usage.memory.reaches(limit) if usage and limit else None
        if full is not None and (found is None or full < found[0]):
            return full, OOM, ""
        return found

    def stop(self, where: Where, grace: float, usual: float) -> tuple[float, Exit]:
        """(after how long, how) a container ends that is told to."""
        told: Stop | None = self._stages.find("stop", where)
        if told is None:
            return min(usual, grace), Exit(0 if grace else 137)
        random = self._stages.random("stop", where)
        takes, end = told.takes.draw(random), told.exit.draw(random)
        return (takes, end) if takes <= grace else (grace, Exit(137))

    def usage(self, where: Where, age: float) -> tuple[float, float]:
        """(core seconds so far, bytes now)."""
        usage: Usage | None = self._stages.find("usage", where)
        return usage.at(age) if usage else (0.0, 0.0)

    def probed(self, where: Where, kinds: Sequence[str]) -> list[str]:
        return [kind for kind in kinds if self._stages.find(kind, where) is not None]

    def passes(self, kind: str, where: Where, age: float) -> bool:
        probe = self._stages.find(kind, where)
        return probe is None or probe.passes(self._stages.random(kind, where), age)

    def log(self, where: Where, since: float, age: float) -> list[tuple[float, str]] | None:
        """The lines (age, text) after `since` up to `age`; None: no stage says anything."""
        lines: Sequence[Line] | None = self._stages.find("logs", where)
        if lines is None:
            return None
        found = chain.from_iterable(_times(line, since, age) for line in lines)
        return sorted(found, key=lambda row: row[0])[-MAX_LINES:]

    def trouble(self) -> str:
        """Why the node is not ready now, or ""."""
        outage = self.node.not_ready
        if outage is None:
            return ""
        random = self._stages.random("notReady", self._node)
        now = self._clock.monotonic() - self._born
        return "a stage says so" if outage.holds(random, now) else ""

    def losses(self) -> Iterator[tuple[float, float]]:
        """(seconds of life, seconds without it) of a node that gets lost, round by round."""
        outage = self.node.lost
        if outage is not None:
            random = self._stages.random("lost", self._node)
            begin, lasts = outage.after.draw(random), outage.lasts.draw(random)
            yield begin, lasts
            while outage.every > lasts:
                yield outage.every - lasts, lasts


def _times(line: Line, since: float, age: float) -> list[tuple[float, str]]:
    if not line.every:
        return [(0.0, line.text)] if since < 0 else []
    last, first = (int(when / line.every + 1e-6) for when in (age, since))  # 0.3 / 0.1 < 3
    first = max(1, first + 1)
    return [(n * line.every, line.text) for n in range(max(first, last - MAX_LINES), last + 1)]

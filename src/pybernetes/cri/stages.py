# SPDX-License-Identifier: Apache-2.0
"""Stages: what hollow containers, probes and nodes do, and when. Pure; docs/hollow.md describes it.

Of everything that is asked ("pull", "run", ...) the first stage of the file that matches and says
something about it decides. Times are seconds. Draws depend on the seed and on what they are for,
never on who draws first.
"""

import math
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from itertools import pairwise
from typing import Any, NamedTuple

from pybernetes.apimachinery.selectors import EVERYTHING, Selector
from pybernetes.base.random import Random


class Where(NamedTuple):
    """Whom a question is about; of a node only `node` is known."""

    node: str
    namespace: str = ""
    pod: str = ""
    container: str = ""
    image: str = ""
    init: bool = False
    labels: Mapping[str, str] = {}
    annotations: Mapping[str, str] = {}
    uid: str = ""  # of the pod
    attempt: int = 0  # of the container


_ANY = ("*",)


@dataclass(frozen=True, slots=True)
class Match:
    """All must hold. Of several patterns any one is enough."""

    node: Sequence[str] = _ANY
    namespace: Sequence[str] = _ANY
    pod: Sequence[str] = _ANY
    container: Sequence[str] = _ANY
    image: Sequence[str] = _ANY
    init: bool | None = None
    labels: Selector = EVERYTHING
    annotations: Selector = EVERYTHING

    def holds(self, where: Where) -> bool:
        wanted = (self.node, self.namespace, self.pod, self.container, self.image)
        texts = (where.node, where.namespace, where.pod, where.container, where.image)
        return (
            self.init in (None, where.init)
            and all(
                globs is _ANY or any(fnmatchcase(text, glob) for glob in globs)
                for text, globs in zip(texts, wanted, strict=True)
            )
            and self.labels.matches(where.labels)
            and self.annotations.matches(where.annotations)
        )


_DRAWS: Mapping[str, Callable[[Random, float, float], float]] = {
    "always": lambda _random, first, _second: first,
    "between": lambda random, first, second: random.uniform(first, second),
    "about": lambda random, first, second: first * random.uniform(1 - second, 1 + second),
    "normal": lambda random, first, second: first + second * _bell(random),
    "exponential": lambda random, first, _second: -first * math.log(1 - random.uniform(0, 1)),
}


def _bell(random: Random) -> float:
    radius = math.sqrt(-2 * math.log(1 - random.uniform(0, 1)))
    return radius * math.cos(2 * math.pi * random.uniform(0, 1))


@dataclass(frozen=True, slots=True)
class Delay:
    """A time, or what one is drawn from: a row of _DRAWS and its two numbers."""

    kind: str = "always"
    first: float = 0.0
    second: float = 0.0

    def draw(self, random: Random) -> float:
        return max(0.0, _DRAWS[self.kind](random, self.first, self.second))


NONE = Delay()


def _happens(random: Random, share: float) -> bool:
    return random.uniform(0, 1) < share


@dataclass(frozen=True, slots=True)
class Step:
    """Of pulling, creating and starting. `fails`: the first so many tries, a share, or always."""

    takes: Delay | None = None
    fails: int | str = 0
    error: str = "a stage lets it fail"

    def failed(self, random: Random, tries: int) -> bool:
        if isinstance(self.fails, int):
            return tries < self.fails
        return self.fails == "always" or _happens(random, float(self.fails.rstrip("%")) / 100)


class Exit(NamedTuple):
    code: int
    reason: str = ""


OOM = Exit(137, "OOMKilled")


class Exits(NamedTuple):
    """How a process ends: one of these, by weight."""

    choices: Sequence[tuple[Exit, float]]

    def draw(self, random: Random) -> Exit:
        left = random.uniform(0, sum(weight for _, weight in self.choices))
        for found, weight in self.choices:
            left -= weight
            if left < 0:
                return found
        return self.choices[-1][0]


SUCCESS = Exits(((Exit(0), 1.0),))


@dataclass(frozen=True, slots=True)
class Run:
    """A container runs `lasts`, then ends: its first `times` runs (0: all), a share of them."""

    lasts: Delay
    exit: Exits = SUCCESS
    message: str = ""
    times: int = 0
    chance: float = 1.0

    def ends(self, random: Random, attempt: int) -> bool:
        """Whether the run of this attempt (from 0) ends by itself."""
        return (not self.times or attempt < self.times) and _happens(random, self.chance)


@dataclass(frozen=True, slots=True)
class Stop:
    """How long the stop signal takes; what is longer than the grace period is killed."""

    takes: Delay
    exit: Exits = SUCCESS


@dataclass(frozen=True, slots=True)
class Probe:
    """Fails until `after`, then passes for `up` and fails for `down` by turns (down 0: passes)."""

    after: Delay = NONE
    up: Delay = NONE
    down: Delay = NONE

    def passes(self, random: Random, age: float) -> bool:
        after, up, down = (one.draw(random) for one in (self.after, self.up, self.down))
        return age >= after and (not down or (age - after) % (up + down) < up)


@dataclass(frozen=True, slots=True)
class Outage:
    """From `after` on, for `lasts`; again `every` so many seconds from its beginning (0: once)."""

    after: Delay
    lasts: Delay
    every: float = 0.0

    def holds(self, random: Random, age: float) -> bool:
        since, lasts = age - self.after.draw(random), self.lasts.draw(random)
        return since >= 0 and (since % self.every if self.every else since) < lasts


class Curve:
    """A value over a container's age: straight lines between points, the last one stays."""

    def __init__(self, points: Sequence[tuple[float, float]]) -> None:
        self._times = [time for time, _ in sorted(points)]
        self._values = [value for _, value in sorted(points)]

    def at(self, age: float) -> float:
        after = bisect_right(self._times, age)
        if after in (0, len(self._times)):
            return self._values[max(0, after - 1)]
        begin, end = self._times[after - 1 : after + 1]
        low, high = self._values[after - 1 : after + 1]
        return low + (high - low) * (age - begin) / (end - begin)

    def sum(self, age: float) -> float:
        """The area under the curve up to `age`."""
        marks = [0.0, *(time for time in self._times if 0 < time < age), age]
        pairs = pairwise(marks)
        return sum((end - begin) * (self.at(begin) + self.at(end)) / 2 for begin, end in pairs)

    def reaches(self, limit: float) -> float | None:
        """The first age at which the value is at least `limit`."""
        for index, value in enumerate(self._values):
            if value >= limit:
                begin, low = self._times[max(0, index - 1)], self._values[max(0, index - 1)]
                rise = (value - low) or 1.0
                return begin + (self._times[index] - begin) * max(0.0, limit - low) / rise
        return None


NOTHING = Curve([(0.0, 0.0)])


@dataclass(frozen=True, slots=True)
class Usage:
    """Cores and bytes over a container's age; `every` so many seconds from the beginning again."""

    cpu: Curve = NOTHING
    memory: Curve = NOTHING
    every: float = 0.0

    def at(self, age: float) -> tuple[float, float]:
        """(core seconds used up to `age`, bytes used then)."""
        rounds, rest = divmod(age, self.every) if self.every else (0, age)
        return rounds * self.cpu.sum(self.every) + self.cpu.sum(rest), self.memory.at(rest)


class Line(NamedTuple):
    """A line of the log: at the start, or `every` so many seconds after it."""

    text: str
    every: float = 0.0


@dataclass(frozen=True, slots=True)
class Node:
    """`not_ready`: the kubelet says so. `lost`: it says nothing, and its containers are gone."""

    capacity: Mapping[str, str] = field(default_factory=dict)
    labels: Mapping[str, str] = field(default_factory=dict)
    not_ready: Outage | None = None
    lost: Outage | None = None


class Stage(NamedTuple):
    """One of the file's stages; `says` has what it decides, by the file's words."""

    name: str
    match: Match
    says: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Stages:
    """All stages of a file in order. Without a seed its draws come from the cluster's."""

    rows: tuple[Stage, ...] = ()
    seed: int | None = None

    def seeded(self, random: Random) -> "Stages":
        return self if self.seed is not None else replace(self, seed=random.below(1 << 62))

    def random(self, what: str, where: Where, tries: int = 0) -> Random:
        """The source of the draws for one thing: the same as often as it is asked for."""
        who = (where.node, where.uid, where.container, where.image, where.attempt)
        return Random("/".join(map(str, (self.seed, what, *who, tries))))

    def find(self, what: str, where: Where) -> Any:
        """What the first matching stage says about `what`; None: nothing does."""
        for row in self.rows:
            if what in row.says and row.match.holds(where):
                return row.says[what]
        return None

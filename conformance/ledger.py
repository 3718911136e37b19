# SPDX-License-Identifier: Apache-2.0
"""The ledger: which specs pass. It only grows; a spec leaves it by a commit that says why. Pure."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from conformance import specs
from conformance.results import Result


@dataclass(frozen=True, slots=True)
class Comparison:
    """A run against the ledger. `failing`: not in the ledger, and still not passing."""

    new: list[Result]
    regressed: list[Result]
    failing: list[Result]
    kept: list[Result]


def read(path: Path) -> list[str]:
    return specs.read(path) if path.exists() else []


def write(path: Path, names: Iterable[str]) -> None:
    path.write_text("".join(f"{name}\n" for name in sorted(set(names))))


def compare(ledger: Iterable[str], results: Iterable[Result]) -> Comparison:
    """Sort results by what they mean for the ledger."""
    known = set(ledger)
    found = Comparison([], [], [], [])
    for result in results:
        if result.passed:
            (found.kept if result.name in known else found.new).append(result)
        else:
            (found.regressed if result.name in known else found.failing).append(result)
    return found


def passed_twice(history: Iterable[Result]) -> set[str]:
    """Names whose last two results, oldest first in `history`, were both passes."""
    last: dict[str, list[bool]] = {}
    for result in history:
        last[result.name] = [*last.get(result.name, [])[-1:], result.passed]
    return {name for name, two in last.items() if two == [True, True]}

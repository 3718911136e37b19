# SPDX-License-Identifier: Apache-2.0
"""The suite's specs: their names, which to run, and in which batches. Pure but for reading lists."""

import csv
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from conformance.versions import SPECS

_ALONE = re.compile(r"\[(Serial|Slow|Disruptive)\]")


@dataclass(frozen=True, slots=True)
class Spec:
    """`name` is the full text, as reports give it."""

    name: str
    sig: str

    @property
    def alone(self) -> bool:
        """Whether it wants the cluster (or much time) for itself."""
        return bool(_ALONE.search(self.name))


def conformance() -> list[Spec]:
    """Upstream's list, in its order."""
    with SPECS.open(newline="") as file:
        return [Spec(row["codename"], row["sig"]) for row in csv.DictReader(file)]


_EXTRA = re.compile(
    r"\[NodeConformance\]|\[sig-cli\] Kubectl|NetworkPolicy|[Pp]ort forwarding|\[sig-storage\]"
)
_NOT_HERE = re.compile(
    r"\[Conformance\]|\[Disruptive\]|Windows|\[Driver: |\[Feature:|\[Feature[A-Z]"
)


def extra(listing: str) -> list[Spec]:
    """Of `e2e.test --list-tests`, what users expect beyond conformance and no cloud is needed for."""
    names = (line.partition(": ")[2].strip() for line in listing.splitlines())
    chosen = {name for name in names if _EXTRA.search(name) and not _NOT_HERE.search(name)}
    return [Spec(name, sig_of(name)) for name in sorted(chosen)]


def sig_of(name: str) -> str:
    """ "[sig-apps] ..." -> "sig-apps"; "" where the name has none."""
    found = re.match(r"\[(sig-[a-z-]+)\]", name)
    return found[1] if found else ""


def read(path: Path) -> list[str]:
    """A list of specs, one a line; "#" starts a comment. FileNotFoundError."""
    lines = (line.strip() for line in path.read_text().splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def choose(
    specs: Iterable[Spec], *, focus: str = "", sig: str = "", names: Iterable[str] | None = None
) -> list[Spec]:
    """The specs whose name matches `focus` (a regular expression), of one sig, out of `names`.

    Names that the list lacks are run too: they are upstream's other specs.
    """
    wanted = None if names is None else list(names)
    found = list(specs)
    if wanted is not None:
        known = {spec.name: spec for spec in found}
        found = [known.get(name) or Spec(name, sig_of(name)) for name in wanted]
    pattern = re.compile(focus)
    return [spec for spec in found if pattern.search(spec.name) and sig in {"", spec.sig}]


def batches(specs: Sequence[Spec], size: int) -> list[list[Spec]]:
    """Parallel ones first, then (a quarter as many a batch) those that run alone."""
    found = []
    for alone, many in ((False, size), (True, max(1, size // 4))):
        group = [spec for spec in specs if spec.alone is alone]
        found += [group[start : start + many] for start in range(0, len(group), many)]
    return found


def focus_of(specs: Iterable[Spec]) -> str:
    """A regular expression (Go's) that matches just these names, behind the suite's own name."""
    return "(" + "|".join(_escape(spec.name) for spec in specs) + ")$"


def _escape(name: str) -> str:
    return re.sub(r"([\\.+*?()|\[\]{}^$])", r"\\\1", name)

# SPDX-License-Identifier: Apache-2.0
"""docs/conformance.md out of the ledger and the history: a page of how-to, a table by sig, what is missing. Pure."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from conformance import specs
from conformance.results import Result
from conformance.versions import HERE, KUBERNETES

_SLOWEST = 10


def render(ledger: Sequence[str], history: Iterable[Result]) -> str:
    """The page. `history` (oldest first) tells times and why specs fail."""
    last = {result.name: result for result in history}
    known = set(ledger)
    text = (HERE / "guide.md").read_text()
    missing = [spec for spec in specs.conformance() if spec.name not in known]
    return text.format(
        version=KUBERNETES,
        passed=len(known),
        total=len(specs.conformance()),
        table=_table(known),
        slowest=_slowest(known, last),
        missing=_missing(missing, last),
    )


def _table(known: set[str]) -> str:
    total = Counter(spec.sig for spec in specs.conformance())
    passed = Counter(spec.sig for spec in specs.conformance() if spec.name in known)
    rows = ["| sig | pass | of |", "|---|---|---|"]
    rows += [f"| {sig} | {passed[sig]} | {total[sig]} |" for sig in sorted(total)]
    rows.append(f"| **all** | **{passed.total()}** | **{total.total()}** |")
    return "\n".join(rows)


def _slowest(known: set[str], last: dict[str, Result]) -> str:
    found = sorted(
        (result for result in last.values() if result.name in known and result.passed),
        key=lambda result: -result.seconds,
    )
    rows = ["| seconds | spec |", "|---|---|"]
    rows += [f"| {result.seconds:.0f} | {_cell(result.name)} |" for result in found[:_SLOWEST]]
    return "\n".join(rows)


def _missing(missing: Sequence[specs.Spec], last: dict[str, Result]) -> str:
    needs = [row.rpartition(" | ") for row in specs.read(HERE / "needs.txt")]
    rows = ["| spec | why |", "|---|---|"]
    for spec in missing:
        need = next((need for names, _, need in needs if re.search(names, spec.name)), "")
        rows.append(f"| {_cell(spec.name)} | {_cell(_why(last.get(spec.name), need))} |")
    return "\n".join(rows)


def _why(result: Result | None, need: str) -> str:
    """What is missing as needs.txt says, else what the last run said."""
    if result is not None and result.passed:
        return "passed, not twice in a row yet"
    return need or ("not run yet" if result is None else result.why[:160])


def _cell(text: str) -> str:
    return text.removesuffix(" [Conformance]").replace("|", "\\|").replace("<", "&lt;")


def counts(page: Path) -> tuple[int, int]:
    """(pass, of) as the page's last table row says."""
    row = next(line for line in page.read_text().splitlines() if line.startswith("| **all**"))
    cells = [cell.strip(" *") for cell in row.strip("|").split("|")]
    return int(cells[1]), int(cells[2])

# SPDX-License-Identifier: Apache-2.0
"""What became of specs: read from ginkgo's reports, kept as a history, one JSON line a result."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from conformance.versions import cache

_OVER = {"passed", "failed", "panicked", "timedout", "skipped"}


@dataclass(frozen=True, slots=True)
class Result:
    """`state`: passed, failed, panicked, timedout, skipped (by the spec itself). `why`: first line."""

    name: str
    state: str
    seconds: float
    why: str = ""
    run: str = ""

    @property
    def passed(self) -> bool:
        return self.state == "passed"


@dataclass(frozen=True, slots=True)
class Finding:
    """A result and, where it failed, everything its report says."""

    result: Result
    log: str = ""


def read_report(path: Path, run: str) -> list[Finding]:
    """The specs that came to an end in a ginkgo JSON report (empty where there is none)."""
    if not path.exists():
        return []
    found = []
    for suite in json.loads(path.read_text() or "[]"):
        for report in suite.get("SpecReports") or ():
            finding = _finding(report, run)
            if finding is not None:
                found.append(finding)
    return found


def _finding(report: dict[str, Any], run: str) -> Finding | None:
    if report.get("LeafNodeType") != "It" or report["State"] not in _OVER:
        return None
    failure = report.get("Failure") or {}
    message = str(failure.get("Message") or "")
    if report["State"] == "skipped" and not message:
        return None  # not in focus
    name = " ".join([*(report.get("ContainerHierarchyTexts") or ()), report["LeafNodeText"]])
    seconds = round(report.get("RunTime", 0) / 1e9, 1)
    why = next((line.strip() for line in message.splitlines() if line.strip()), "")
    result = Result(name, report["State"], seconds, why[:300], run)
    parts = [message, str((failure.get("Location") or {}).get("FullStackTrace") or "")]
    parts.append(str(report.get("CapturedGinkgoWriterOutput") or ""))
    return Finding(result, "" if result.passed else "\n\n".join(parts))


def _history_file() -> Path:
    return cache() / "history.jsonl"


def remember(results: Iterable[Result]) -> None:
    """Append to the history."""
    path = _history_file()
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(asdict(result)) + "\n" for result in results)


def history() -> Iterator[Result]:
    """All results ever on this machine, oldest first."""
    path = _history_file()
    if path.exists():
        for line in path.read_text().splitlines():
            yield Result(**json.loads(line))

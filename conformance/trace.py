# SPDX-License-Identifier: Apache-2.0
"""The API requests a spec made: out of the API server's audit log, by the user agent the suite sends."""

import json
from pathlib import Path

from conformance.specs import sig_of


class Trace:
    """Reads `audit.log` of a data directory; without one, traces are empty."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / "audit.log"

    def write(self, name: str, target: Path) -> int:
        """Write the requests of the spec `name`, a line each; how many there were."""
        if not self._path.exists():
            return 0
        mark = name.removeprefix(f"[{sig_of(name)}] ")
        count = 0
        with self._path.open() as log, target.open("w") as out:
            for line in log:
                if mark in line:
                    out.write(_line(json.loads(line)))
                    count += 1
        return count


def _line(event: dict[str, object]) -> str:
    status = event.get("responseStatus")
    code = status.get("code", "") if isinstance(status, dict) else ""
    when = event.get("requestReceivedTimestamp", "")
    return f"{when} {event.get('verb')} {event.get('requestURI')} {code}\n"

# SPDX-License-Identifier: Apache-2.0
"""metav1.Time and MicroTime as text, and durations as kubectl prints them."""

import datetime


def rfc3339(moment: datetime.datetime) -> str:
    """metav1.Time: whole seconds, UTC, "Z"."""
    return moment.isoformat(timespec="seconds")[:19] + "Z"


def rfc3339_micro(moment: datetime.datetime) -> str:
    """metav1.MicroTime: microseconds, UTC, "Z"."""
    return moment.isoformat(timespec="microseconds")[:26] + "Z"


def parse(text: str) -> datetime.datetime:
    """Any RFC 3339 text as an aware datetime. Raises ValueError."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment


_STEPS = (  # (below this many seconds, unit, its seconds, smaller unit, its seconds; 0 = not shown)
    (120, "s", 1, "", 0),
    (10 * 60, "m", 60, "s", 1),
    (3 * 3600, "m", 60, "", 0),
    (8 * 3600, "h", 3600, "m", 60),
    (48 * 3600, "h", 3600, "", 0),
    (192 * 3600, "d", 86400, "h", 3600),
    (2 * 365 * 86400, "d", 86400, "", 0),
    (8 * 365 * 86400, "y", 365 * 86400, "d", 86400),
)


def human_duration(seconds: float) -> str:
    """A duration as in kubectl's AGE column (upstream's duration.HumanDuration)."""
    total = int(seconds)
    if total < 0:
        return "<invalid>" if total < -1 else "0s"
    for limit, unit, size, small_unit, small_size in _STEPS:
        if total < limit:
            rest = total % size // small_size if small_size else 0
            return f"{total // size}{unit}" + (f"{rest}{small_unit}" if rest else "")
    return f"{total // (365 * 86400)}y"


def age(created: str | None, now: datetime.datetime) -> str:
    """The AGE cell for a creationTimestamp; "<unknown>" when there is none."""
    if not created:
        return "<unknown>"
    return human_duration((now - parse(created)).total_seconds())

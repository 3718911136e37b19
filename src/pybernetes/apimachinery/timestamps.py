# SPDX-License-Identifier: Apache-2.0
"""metav1.Time and MicroTime as text, and durations as kubectl prints them."""

import datetime


def rfc3339(moment: datetime.datetime) -> str:
    """metav1.Time: whole seconds, UTC, "Z"."""
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339_micro(moment: datetime.datetime) -> str:
    """metav1.MicroTime: microseconds, UTC, "Z"."""
    return moment.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def parse(text: str) -> datetime.datetime:
    """Any RFC 3339 text as an aware datetime. Raises ValueError."""
    moment = datetime.datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"no time zone in {text!r}")
    return moment


def human_duration(seconds: float) -> str:
    """A duration as in kubectl's AGE column (upstream's duration.HumanDuration)."""
    total = int(seconds)
    if total < -1:
        return "<invalid>"
    if total < 0:
        return "0s"
    if total < 120:
        return f"{total}s"
    minutes, hours, days = total // 60, total // 3600, total // 86400
    if minutes < 10:
        return _two(minutes, "m", total % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if hours < 192:
        return _two(days, "d", hours % 24, "h")
    if hours < 24 * 365 * 2:
        return f"{days}d"
    if hours < 24 * 365 * 8:
        return _two(days // 365, "y", days % 365, "d")
    return f"{days // 365}y"


def _two(big: int, big_unit: str, small: int, small_unit: str) -> str:
    return f"{big}{big_unit}{small}{small_unit}" if small else f"{big}{big_unit}"


def age(created: str | None, now: datetime.datetime) -> str:
    """The AGE cell for a creationTimestamp; "<unknown>" when there is none."""
    if not created:
        return "<unknown>"
    return human_duration((now - parse(created)).total_seconds())

# SPDX-License-Identifier: Apache-2.0
"""Cron schedules: "*/5 * * * *", "@daily", "@every 1h30m"."""

import datetime
import re
from dataclasses import dataclass

_MACROS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_BOUNDS = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 6))
_NAMES: tuple[tuple[str, ...], ...] = ((), (), (), _MONTHS, _DAYS)
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
_PART = re.compile(r"([0-9]+(?:\.[0-9]*)?)(h|ms|m|s|us|ns)")
_FIVE_YEARS = datetime.timedelta(days=5 * 366)


class ScheduleError(ValueError):
    """A text that is no schedule."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """When something happens: `every` so many seconds, or at the minutes that the sets name.

    `any_day` and `any_weekday`: the field was "*". Where neither was, one of both is enough.
    """

    every: float = 0
    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = True
    any_weekday: bool = True

    def next(self, after: datetime.datetime) -> datetime.datetime | None:
        """The first moment after `after`, in its time zone; None if there is none in five years."""
        if self.every:
            start = after.replace(microsecond=0)
            return start + datetime.timedelta(seconds=self.every)
        moment = after.replace(second=0, microsecond=0) + datetime.timedelta(minutes=1)
        end = moment + _FIVE_YEARS
        while moment < end:
            if moment.month not in self.months or not self._on(moment):
                moment = moment.replace(hour=0, minute=0) + datetime.timedelta(days=1)
            elif moment.hour not in self.hours:
                moment = moment.replace(minute=0) + datetime.timedelta(hours=1)
            elif moment.minute not in self.minutes:
                moment += datetime.timedelta(minutes=1)
            else:
                return moment
        return None

    def _on(self, moment: datetime.datetime) -> bool:
        day = moment.day in self.days
        weekday = (moment.weekday() + 1) % 7 in self.weekdays
        return day and weekday if self.any_day or self.any_weekday else day or weekday


def parse(text: str) -> Schedule:
    """The schedule that a text says. Raises ScheduleError."""
    text = re.sub(r"^(CRON_)?TZ=\S+\s+", "", text.strip())
    if text.startswith("@every "):
        return Schedule(every=_duration(text[7:].strip()))
    if text.startswith("@") and text not in _MACROS:
        raise ScheduleError(f"unrecognized descriptor: {text}")
    fields = _MACROS.get(text, text).split()
    if not fields:
        raise ScheduleError("empty spec string")
    if len(fields) != 5:
        listed = " ".join(fields)
        raise ScheduleError(f"expected exactly 5 fields, found {len(fields)}: [{listed}]")
    minutes, hours, days, months, weekdays = (
        _field(field, *_BOUNDS[number], _NAMES[number]) for number, field in enumerate(fields)
    )
    free = [any(part[0] in "*?" for part in field.split(",")) for field in (fields[2], fields[4])]
    return Schedule(0, minutes, hours, days, months, weekdays, *free)


def _duration(text: str) -> float:
    if not text or _PART.sub("", text):
        raise ScheduleError(f'failed to parse duration @every {text}: invalid duration "{text}"')
    total = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(text))
    return max(1.0, float(int(total)))


def _field(text: str, low: int, high: int, names: tuple[str, ...]) -> frozenset[int]:
    found: set[int] = set()
    for part in text.split(","):
        found.update(_range(part, low, high, names))
    return frozenset(found)


def _range(part: str, low: int, high: int, names: tuple[str, ...]) -> range:
    span, slash, step_text = part.partition("/")
    first, dash, last = span.partition("-")
    step = _number(step_text, ()) if slash else 1
    if first in {"*", "?"} and not dash:
        start, end = low, high
    else:
        offset = low if names is _MONTHS else 0
        start = _number(first, names, offset)
        end = _number(last, names, offset) if dash else (high if slash else start)
    if start < low:
        raise ScheduleError(f"beginning of range ({start}) below minimum ({low}): {part}")
    if end > high:
        raise ScheduleError(f"end of range ({end}) above maximum ({high}): {part}")
    if start > end:
        raise ScheduleError(f"beginning of range ({start}) beyond end of range ({end}): {part}")
    if step == 0:
        raise ScheduleError(f"step of range should be a positive number: {part}")
    return range(start, end + 1, step)


def _number(text: str, names: tuple[str, ...], offset: int = 0) -> int:
    if text.lower() in names:
        return names.index(text.lower()) + offset
    if not (text.isascii() and text.isdigit()):
        raise ScheduleError(f"failed to parse int from {text}: invalid syntax")
    return int(text)

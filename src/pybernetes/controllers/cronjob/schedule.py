# SPDX-License-Identifier: Apache-2.0
"""Schedules: five fields, the @names, "@every 1h30m", and time zones. Pure.

Fields are read by cronsim; names, "?" and intervals are as in upstream's parser.
"""

import datetime
import re
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass

from cronsim import CronSim, CronSimError

_NAMES = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = re.compile(r"@every\s+(?=\S)(?:([0-9]+)h)?(?:([0-9]+)m)?(?:([0-9]+)s)?")
_MANY = 100  # missed times that are worth a warning
_LOOK_BACK = 1000  # times looked at one by one


class ScheduleError(ValueError):
    """The schedule cannot be read, or there is no such time zone: an event's reason and message."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """`interval` for "@every", else `fields` in `zone`."""

    fields: str
    zone: zoneinfo.ZoneInfo
    interval: datetime.timedelta | None = None

    def after(self, moment: datetime.datetime) -> Iterator[datetime.datetime]:
        """The times after a moment (UTC), in order; ends where there are none."""
        if self.interval is not None:
            moment = moment.replace(microsecond=0)
            while True:
                moment += self.interval
                yield moment
        try:
            for found in CronSim(self.fields, moment.astimezone(self.zone)):
                yield found.astimezone(datetime.UTC)
        except CronSimError:
            return


def parse(text: str, zone: str = "") -> Schedule:
    """Raises ScheduleError."""
    try:
        place = zoneinfo.ZoneInfo(zone or "UTC")
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError) as error:
        message = f'invalid timeZone: "{zone}": unknown time zone {zone}'
        raise ScheduleError("UnknownTimeZone", message) from error
    every = _EVERY.fullmatch(text.strip())
    if every:
        hours, minutes, seconds = (int(part or 0) for part in every.groups())
        interval = datetime.timedelta(hours=hours, minutes=minutes, seconds=seconds)
        return Schedule("", place, max(interval, datetime.timedelta(seconds=1)))
    fields = _NAMES.get(text.strip(), text).replace("?", "*")
    try:
        CronSim(fields, datetime.datetime(2024, 1, 1, tzinfo=place))
        if (count := len(fields.split())) != 5:
            raise CronSimError(f"expected exactly 5 fields, found {count}: [{text}]")
    except CronSimError as error:
        message = f'unparseable schedule: "{text}" : {error}'
        raise ScheduleError("UnparseableSchedule", message) from error
    return Schedule(fields, place)


def most_recent(
    schedule: Schedule, since: datetime.datetime, now: datetime.datetime
) -> tuple[datetime.datetime | None, bool]:
    """(the newest time after `since` that is not after `now`, whether far too many were missed)."""
    newest = None
    for count, moment in enumerate(schedule.after(since)):
        if moment > now:
            return newest, count > _MANY
        if count >= _LOOK_BACK:  # go on from a moment just before now
            step = moment - newest if newest else datetime.timedelta(minutes=1)
            later = max(moment, now - 2 * max(step, datetime.timedelta(minutes=1)))
            found, _ = most_recent(schedule, later, now) if later > moment else (moment, True)
            return found or moment, True
        newest = moment
    return newest, False

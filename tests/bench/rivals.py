"""Other packages at the desk's job, run by an environment of their own: ``python rivals.py <cases.json``.

Reads places, each with the moments at which something was logged, and prints for each package how long it took and
what it answered. Imports nothing of the desk.
"""

from __future__ import annotations

import json
import sys
import time as timer
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import businesstimedelta
import holidays
import numpy as np
import pytz
from business_duration import businessDuration

OPENS, CLOSES, HOURS = time(9), time(17), 4
Answers = list[str | None]


def holidays_of(place: dict[str, Any]) -> Any:
    return holidays.country_holidays(place["country"], subdiv=place["subdivision"] or None, years=range(2025, 2029))


def by_businesstimedelta(place: dict[str, Any]) -> Callable[[list[datetime]], Answers]:
    zone = pytz.timezone(place["zone"])
    days = businesstimedelta.WorkDayRule(start_time=OPENS, end_time=CLOSES, working_days=[0, 1, 2, 3, 4], tz=zone)
    off = businesstimedelta.HolidayRule(holidays_of(place), tz=zone)
    length = businesstimedelta.BusinessTimeDelta(businesstimedelta.Rules([days, off]), hours=HOURS)
    return lambda moments: [(moment + length).isoformat() for moment in moments]


def by_business_duration(place: dict[str, Any]) -> Callable[[list[datetime]], Answers]:
    """It measures lengths between local times and finds no deadline: the first minute with 240 is looked for."""
    off = dict.fromkeys(holidays_of(place), "off")
    zone = ZoneInfo(place["zone"])

    def length(start: datetime, minutes: int) -> float:
        found = businessDuration(start, start + timedelta(minutes=minutes), OPENS, CLOSES, [5, 6], off, "min")
        return float(found) if found == found else 0.0  # not a number where nothing is open

    def answer(moment: datetime) -> str | None:
        start = moment.astimezone(zone).replace(tzinfo=None)
        low, high = 0, 15 * 24 * 60
        while high - low > 1:
            middle = (low + high) // 2
            if length(start, middle) >= HOURS * 60:
                high = middle
            else:
                low = middle
        return (start + timedelta(minutes=high)).replace(tzinfo=zone).isoformat()

    return lambda moments: [answer(moment) for moment in moments]


def by_numpy(place: dict[str, Any]) -> Callable[[list[datetime]], Answers]:
    """It knows days, not hours or zones: the local time is worked out around it, all moments at once inside it."""
    off = np.array(sorted(holidays_of(place)), dtype="datetime64[D]")
    calendar = np.busdaycalendar(holidays=off)
    zone = ZoneInfo(place["zone"])
    opens, closes = 9 * 60, 17 * 60

    def answer(moments: list[datetime]) -> Answers:
        local = [moment.astimezone(zone) for moment in moments]
        days = np.array([moment.date() for moment in local], dtype="datetime64[D]")
        minutes = np.array([moment.hour * 60 + moment.minute for moment in local])
        is_open = np.is_busday(days, busdaycal=calendar)
        minutes = np.where(is_open, np.clip(minutes, opens, closes), opens)
        days = np.busday_offset(days, 0, roll="forward", busdaycal=calendar)
        due = minutes + HOURS * 60
        over = due > closes
        days = np.where(over, np.busday_offset(days, 1, busdaycal=calendar), days)
        due = np.where(over, due - closes + opens, due)
        return [
            datetime.combine(day, time(int(minute) // 60, int(minute) % 60), tzinfo=zone).isoformat()
            for day, minute in zip(days.astype(date), due, strict=True)
        ]

    return answer


RIVALS = {
    "businesstimedelta": (by_businesstimedelta, None),
    "business-duration": (by_business_duration, 300),
    "numpy busday_offset": (by_numpy, None),
}


def main() -> None:
    places = json.load(sys.stdin)
    found = {}
    for name, (make, limit) in RIVALS.items():
        spent, answers = 0.0, []
        for place in places:
            moments = [datetime.fromisoformat(moment) for moment in place["moments"]][:limit]
            asked = make(place)
            asked(moments[:1])
            began = timer.perf_counter()
            answers.append(asked(moments))
            spent += timer.perf_counter() - began
        found[name] = {"seconds": spent, "answers": answers}
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    main()

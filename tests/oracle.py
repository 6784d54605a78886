"""A second opinion on deadlines: minute by minute, from the wall clock alone (R5, R6, D12, D23).

The walk shares nothing with ``sla``: zones are read from the files of tzdata, holidays asked of the package, closures
looked up one by one, hours counted in whole numbers. ``python -m tests.oracle SEED COUNT PART PARTS`` prints what is
wrong.
"""

from __future__ import annotations

import json
import random
import sys
from array import array
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache, lru_cache
from importlib.resources import files
from typing import NamedTuple
from zoneinfo import ZoneInfo

import holidays

from sla.closures import Reach, Rule, reaches_of
from sla.deadline import plan
from sla.holidays import calendar_with
from supportdesk.places import Place

YEARS = range(2024, 2031)
MINUTE = 60_000_000  # microseconds
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
FIRST = int((datetime(2023, 12, 1, tzinfo=UTC) - EPOCH) / timedelta(minutes=1))
LAST = int((datetime(2031, 12, 31, tzinfo=UTC) - EPOCH) / timedelta(minutes=1))
ORDINAL = date(1970, 1, 1).toordinal()
SPAN = 6 * 60  # no zone changes twice within it
CUSTOMER = 7


class Said(NamedTuple):
    """A closure, or an open day: for a country, a subdivision, a customer, or all of them empty for everyone."""

    opens: bool
    first: int  # days since 1970
    last: int
    country: str
    subdivision: str
    customer: int | None

    @property
    def name(self) -> str:
        return f"{self.first}–{self.last}"


class Case(NamedTuple):
    """What is asked: ``logged`` in microseconds since 1970, and how many business minutes later."""

    zone: str
    country: str
    subdivision: str
    logged: int
    minutes: int
    said: tuple[Said, ...]


class Answer(NamedTuple):
    """The deadline in microseconds since 1970, and the closed days on the way."""

    due: int
    skipped: tuple[tuple[int, str], ...]


def zones() -> list[str]:
    names = (files("tzdata") / "zones").read_text().split()
    return sorted(name for name in names if name not in ("Factory", "localtime"))


def places() -> list[tuple[str, str]]:
    known = holidays.list_supported_countries(include_aliases=False)
    return [(country, part) for country in sorted(known) for part in ("", *known[country])]


@cache
def _zone(name: str) -> ZoneInfo:
    with (files("tzdata") / "zoneinfo").joinpath(*name.split("/")).open("rb") as file:
        return ZoneInfo.from_file(file, key=name)


@lru_cache(maxsize=4)
def _offsets(name: str) -> array[int]:
    """The offset of a zone in minutes, for each quarter of an hour of UTC."""
    zone = _zone(name)

    def offset(minute: int) -> int:
        found = (EPOCH + timedelta(minutes=minute)).astimezone(zone).utcoffset()
        assert found is not None
        assert found % timedelta(minutes=15) == timedelta()
        return int(found / timedelta(minutes=1))

    table = array("h")
    now = offset(FIRST)
    for start in range(FIRST, LAST, SPAN):
        then = offset(start + SPAN)
        if now == then:
            table.extend([now] * (SPAN // 15))
        else:
            each = [offset(minute) for minute in range(start, start + SPAN)]
            assert all(len(set(each[n : n + 15])) == 1 for n in range(0, SPAN, 15)), "changes come by the quarter"
            table.extend(each[::15])
        now = then
    return table


@cache
def _holidays(country: str, subdivision: str) -> frozenset[int]:
    found = holidays.country_holidays(
        country, subdiv=subdivision or None, years=range(YEARS[0] - 1, YEARS[-1] + 2), categories="public"
    )
    return frozenset(day.toordinal() - ORDINAL for day in found)


def _kind(case: Case, day: int) -> str:
    """What a local day is: open, or why it is closed."""
    for country, subdivision, customer in (
        (None, None, CUSTOMER),
        (case.country, case.subdivision or "none", None),
        (case.country, "", None),
        ("", "", None),
    ):
        named = {
            one.opens
            for one in case.said
            if one.first <= day <= one.last
            and (
                one.customer == customer
                if customer is not None
                else (one.country, one.subdivision, one.customer) == (country, subdivision, None)
            )
        }
        if False in named:
            return "closure"
        if True in named:
            return "open"
    if (day + 3) % 7 >= 5:  # 1970 began on a Thursday
        return "weekend"
    return "holiday" if day in _holidays(case.country, case.subdivision) else "open"


def walk(case: Case) -> Answer:
    """The deadline of ``case``, found by looking at the clock on the wall every minute while it is open.

    While it is closed every quarter of an hour is enough: offsets are whole quarters and change by them, so neither a
    day nor an opening falls between.
    """
    offsets = _offsets(case.zone)
    minute, into = divmod(case.logged, MINUTE)
    left = case.minutes * MINUTE
    kinds: dict[int, str] = {}
    while True:
        day, time = divmod(minute + offsets[(minute - FIRST) // 15], 1440)
        kind = kinds.get(day)
        if kind is None:
            kind = kinds[day] = _kind(case, day)
        if kind == "open" and 540 <= time < 1020:
            length = MINUTE - into
            if length >= left:
                closed = ((day, kind) for day, kind in sorted(kinds.items()) if kind != "open")
                return Answer(minute * MINUTE + into + left, tuple(closed))
            left -= length
            minute += 1
        else:
            minute += 15 - minute % 15
        into = 0


def cases(*, seed: int, count: int, part: int, parts: int) -> Iterator[Case]:
    """Random questions over every zone, country and subdivision; half of them with closures and open days."""
    all_zones, all_places = zones(), places()
    for number in range(count * part // parts, count * (part + 1) // parts):
        chance = random.Random(f"{seed}/{number}")
        zone = all_zones[number * len(all_zones) // count]
        country, subdivision = all_places[(number * 7919) % len(all_places)]
        logged = _moment(chance, zone)
        said = tuple(_say(chance, logged, country, subdivision) for _ in range(chance.choice([0, 0, 1, 2, 3, 5])))
        minutes = chance.choice([240, 240, 240, 240, 1, 60, 480, 1_000])
        yield Case(zone, country, subdivision, logged, minutes, said)


def _moment(chance: random.Random, zone: str) -> int:
    """An instant of those years: any, at the edge of a business day, near a change of the clocks, at new year."""
    offsets = _offsets(zone)
    first = int((datetime(YEARS[0], 1, 1, tzinfo=UTC) - EPOCH) / timedelta(minutes=1))
    minute = chance.randrange(first, first + len(YEARS) * 365 * 1440)
    how = chance.randrange(4)
    if how == 1:
        changes = _changes(zone)
        if changes:
            minute = chance.choice(changes) - chance.randrange(-1440, 4 * 1440)
    elif how == 2:
        year = chance.choice(YEARS)
        minute = int((datetime(year, 12, 31, tzinfo=UTC) - EPOCH) / timedelta(minutes=1)) - chance.randrange(14 * 1440)
    if how:
        offset = offsets[(minute - FIRST) // 15]
        at = chance.choice([0, 539, 540, 541, 779, 780, 781, 1019, 1020, 1021, chance.randrange(1440)])
        minute += at - (minute + offset) % 1440
    return minute * MINUTE + chance.choice([0, 0, 0, 1, MINUTE - 1, chance.randrange(MINUTE)])


@lru_cache(maxsize=4)
def _changes(zone: str) -> list[int]:
    offsets = _offsets(zone)
    low, high = (int((datetime(year, 1, 8, tzinfo=UTC) - EPOCH) / timedelta(minutes=1)) for year in (2024, 2031))
    step = SPAN // 15
    near = [n for n in range(0, len(offsets) - step, step) if offsets[n] != offsets[n + step]]
    return [FIRST + 15 * n for n in near if low <= FIRST + 15 * n < high]


def _say(chance: random.Random, logged: int, country: str, subdivision: str) -> Said:
    first = logged // MINUTE // 1440 + chance.randrange(-4, 8)
    last = first + chance.choice([0, 0, 0, 1, 4, 9])
    whom = chance.choice(
        [
            ("", "", None),
            (country, "", None),
            (country, subdivision, None),
            ("", "", CUSTOMER),
            ("", "", CUSTOMER + 1),
            ("AT" if country != "AT" else "DE", "", None),
        ]
    )
    return Said(chance.random() < 0.4, first, last, *whom)


def asked_of_the_engine(case: Case) -> Answer:
    """What ``sla`` answers; nothing above leans on it."""

    def day(number: int) -> date:
        return date.fromordinal(number + ORDINAL)

    rules = [
        Rule(day(one.first), day(one.last), one.name, one.opens, Reach(one.country, one.subdivision, one.customer))
        for one in case.said
    ]
    reaches = reaches_of(Reach(case.country, case.subdivision, CUSTOMER))
    groups = tuple(group for reach in reaches if (group := tuple(rule for rule in rules if rule.reach == reach)))
    place = Place(case.country, case.subdivision, case.zone)
    logged = EPOCH + timedelta(microseconds=case.logged)
    found = plan(logged_at=logged, calendar=calendar_with(place, groups), minutes=case.minutes)
    skipped = tuple((skip.day.toordinal() - ORDINAL, skip.kind) for skip in found.skipped)
    return Answer(int((found.due_at - EPOCH) / timedelta(microseconds=1)), skipped)


def wrong(*, seed: int, count: int, part: int = 0, parts: int = 1) -> list[dict[str, object]]:
    """The cases of one part of the whole that the engine answers otherwise."""
    found: list[dict[str, object]] = []
    for case in cases(seed=seed, count=count, part=part, parts=parts):
        right, ours = walk(case), asked_of_the_engine(case)
        if right != ours:
            found.append({"case": case, "right": right, "ours": ours})
    return found


if __name__ == "__main__":
    json.dump(wrong(**dict(zip(("seed", "count", "part", "parts"), map(int, sys.argv[1:5]), strict=True))), sys.stdout)

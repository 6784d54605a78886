"""Closures from a calendar file, iCalendar as RFC 5545 has it (D23).

Pure and strict: whole days only, and nothing is guessed. A file with anything that this cannot mean exactly (times of
day, recurrences, a year with letters in it) is refused as a whole, with the line and the reason, so that nothing is
half imported. What says nothing of days is passed over: time zones, to-dos, alarms, descriptions, cancelled events.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from typing import Final, Literal, NamedTuple

from sla.calendar import DAY
from sla.closures import FIRST_YEAR, LAST_YEAR
from supportdesk.policy import POLICY

Code = Literal[
    "too_big", "not_utf8", "not_a_calendar", "not_a_line", "unfinished", "wrong_end", "too_many", "empty",
    "has_times", "repeats", "twice", "no_start", "bad_date", "bad_duration", "ends_before_it_starts",
    "longer_than_a_year", "outside_the_years", "no_summary", "long_summary", "long_uid",
]  # fmt: skip

REFUSED: Final = frozenset({"RRULE", "RDATE", "EXRULE", "EXDATE", "RECURRENCE-ID"})
ONCE: Final = frozenset({"DTSTART", "DTEND", "DURATION", "SUMMARY", "UID"})
UID_MAX: Final = 255
DEPTH_MAX: Final = 8

# A name, parameters with quoted or bare values, a colon, and the value. No part can match what the next one does, so
# the work grows with the line and not with its square.
_LINE: Final = re.compile(
    r'([A-Za-z0-9-]+)((?:;[A-Za-z0-9-]+=(?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)*):(.*)', re.DOTALL
)
_PARAMETER: Final = re.compile(r';([A-Za-z0-9-]+)=((?:"[^"]*"|[^";:,]*)(?:,(?:"[^"]*"|[^";:,]*))*)')
_DATE: Final = re.compile(r"(\d{4})(\d{2})(\d{2})", re.ASCII)
_DURATION: Final = re.compile(r"\+?P(\d{1,3})([DW])", re.ASCII)
_CONTROL: Final = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_ESCAPE: Final = re.compile(r"\\([\\;,nN])")


class BadCalendar(ValueError):
    """A file that is not imported: ``line`` (from 1, 0 for the whole) and ``code`` say where and why."""

    def __init__(self, line: int, code: Code, shown: str = "") -> None:
        self.line = line
        self.code = code
        self.shown = shown[:60]
        super().__init__(f"line {line}: {code}")


@dataclass(frozen=True, slots=True)
class Event:
    """One event: whole local days from ``first_day`` to ``last_day``, both included; ``line`` is where it begins."""

    line: int
    uid: str
    name: str
    first_day: date
    last_day: date


class _Line(NamedTuple):
    number: int
    name: str
    parameters: dict[str, str]
    value: str


def parse(data: bytes) -> tuple[Event, ...]:
    """The events of a calendar file, in its order. Raises ``BadCalendar``; then none of them counts (D23)."""
    if len(data) > POLICY.closure_file_bytes_max:
        raise BadCalendar(0, "too_big")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadCalendar(data.count(b"\n", 0, error.start) + 1, "not_utf8") from error
    events: list[Event] = []
    open_parts: list[_Line] = []
    own: dict[str, _Line] = {}
    last = 1
    for line in _lines(text):
        last = line.number
        if not open_parts and (line.name, line.value.upper()) != ("BEGIN", "VCALENDAR"):
            raise BadCalendar(line.number, "not_a_calendar", line.name)
        if line.name == "BEGIN":
            if len(open_parts) >= DEPTH_MAX:
                raise BadCalendar(line.number, "not_a_calendar", line.value)
            open_parts.append(line)
            if _is_event(open_parts):
                own = {}
        elif line.name == "END":
            if line.value.upper() != open_parts[-1].value.upper():
                raise BadCalendar(line.number, "wrong_end", line.value)
            if _is_event(open_parts) and not _is_cancelled(own):
                if len(events) >= POLICY.closure_file_events_max:
                    raise BadCalendar(open_parts[-1].number, "too_many")
                events.append(_event(open_parts[-1].number, own))
            open_parts.pop()
        elif _is_event(open_parts):
            if line.name in REFUSED:
                raise BadCalendar(line.number, "repeats", line.name)
            if line.name in ONCE and line.name in own:
                raise BadCalendar(line.number, "twice", line.name)
            own[line.name] = line
    if open_parts:
        raise BadCalendar(last, "unfinished", open_parts[-1].value)
    if not events:
        raise BadCalendar(0, "empty")
    return tuple(events)


def _is_event(open_parts: list[_Line]) -> bool:
    return len(open_parts) == 2 and open_parts[-1].value.upper() == "VEVENT"


def _is_cancelled(own: dict[str, _Line]) -> bool:
    return "STATUS" in own and own["STATUS"].value.strip().upper() == "CANCELLED"


def _event(begins: int, own: dict[str, _Line]) -> Event:
    if "DTSTART" not in own:
        raise BadCalendar(begins, "no_start")
    first = _date(own["DTSTART"])
    at = own.get("DTEND") or own.get("DURATION") or own["DTSTART"]
    if "DTEND" in own and "DURATION" in own:
        raise BadCalendar(own["DURATION"].number, "twice", "DTEND")
    days = 1  # an all-day event without an end lasts its day
    if "DTEND" in own:
        days = (_date(own["DTEND"]) - first).days
    elif "DURATION" in own:
        found = _DURATION.fullmatch(own["DURATION"].value.strip())
        if not found:
            raise BadCalendar(at.number, "bad_duration", own["DURATION"].value)
        days = int(found[1]) * (7 if found[2] == "W" else 1)
    if days < 1:
        raise BadCalendar(at.number, "ends_before_it_starts", at.value)
    if days > POLICY.closure_days_max:
        raise BadCalendar(at.number, "longer_than_a_year", at.value)
    last = first + DAY * (days - 1)
    if last.year > LAST_YEAR:
        raise BadCalendar(at.number, "outside_the_years", at.value)
    name = " ".join(_unescaped(own["SUMMARY"].value).split()) if "SUMMARY" in own else ""
    if not name:
        raise BadCalendar(own["SUMMARY"].number if "SUMMARY" in own else begins, "no_summary")
    if len(name) > POLICY.closure_name_max:
        raise BadCalendar(own["SUMMARY"].number, "long_summary", name)
    uid = _unescaped(own["UID"].value).strip() if "UID" in own else ""
    if len(uid) > UID_MAX:
        raise BadCalendar(own["UID"].number, "long_uid", uid)
    return Event(line=begins, uid=uid, name=name, first_day=first, last_day=last)


def _date(line: _Line) -> date:
    value = line.value.strip()
    found = _DATE.fullmatch(value)
    # Some programs leave VALUE=DATE away; eight digits can mean nothing else.
    if not found and line.parameters.get("VALUE", "DATE-TIME").upper() != "DATE":
        raise BadCalendar(line.number, "has_times", value)
    try:
        day = date(*(int(part) for part in found.groups())) if found else None
    except ValueError:
        day = None
    if day is None:
        raise BadCalendar(line.number, "bad_date", value)
    if not FIRST_YEAR <= day.year <= LAST_YEAR + 1:  # an end is not included: it may be the first day behind
        raise BadCalendar(line.number, "outside_the_years", value)
    return day


def _lines(text: str) -> Iterator[_Line]:
    """The content lines, unfolded, each with the number of the line where it begins."""
    number = 0
    parts: list[str] = []
    for at, raw in enumerate(re.split(r"\r\n|\n|\r", text), start=1):
        if raw[:1] in (" ", "\t") and parts:
            parts.append(raw[1:])
            continue
        if parts:
            yield _content(number, "".join(parts))
        number, parts = at, [raw] if raw.strip() else []
    if parts:
        yield _content(number, "".join(parts))


def _content(number: int, text: str) -> _Line:
    found = _LINE.fullmatch(text)
    if not found or _CONTROL.search(text):
        raise BadCalendar(number, "not_a_line", text)
    parameters = {name.upper(): value.strip('"') for name, value in _PARAMETER.findall(found[2])}
    return _Line(number, found[1].upper(), parameters, found[3])


def _unescaped(value: str) -> str:
    return _ESCAPE.sub(lambda found: "\n" if found[1] in "nN" else found[1], value)

"""Closures from a calendar file: read exactly, or refused with the line (D23)."""

from __future__ import annotations

from contextlib import suppress
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sla.ics import BadCalendar, Event, parse

pytestmark = pytest.mark.rule("D23")


def calendar(*events: str, end: str = "\r\n") -> bytes:
    """A file with ``events``, each the lines between BEGIN and END; the first begins on line 4, its lines on line 5."""
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//Office//Calendar//EN"]
    for event in events:
        lines += ["BEGIN:VEVENT", *event.strip().split("\n"), "END:VEVENT"]
    return end.join([*lines, "END:VCALENDAR", ""]).encode()


GOOD = "UID:1@office\nDTSTART;VALUE=DATE:20271224\nDTEND;VALUE=DATE:20271227\nSUMMARY:Winter break"


def test_the_end_is_not_included():
    assert parse(calendar(GOOD)) == (Event(4, "1@office", "Winter break", date(2027, 12, 24), date(2027, 12, 26)),)


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"])
def test_any_line_end_and_a_mark_before_it_all(end, mark):
    assert len(parse(mark + calendar(GOOD, GOOD, end=end))) == 2


@pytest.mark.parametrize(
    ("event", "name", "days"),
    [
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:One day", "One day", 1),
        ("DTSTART:20271224\nDTEND:20271225\nSUMMARY:Bare", "Bare", 1),
        ("dtstart;value=date:20271224\nsummary:Small letters", "Small letters", 1),
        ('DTSTART;X-NOTE="a:b;c,d";VALUE=DATE:20271224\nSUMMARY;LANGUAGE=de:Fest', "Fest", 1),
        ("DTSTART;VALUE=DATE:20271224\nDURATION:P3D\nSUMMARY:Three", "Three", 3),
        ("DTSTART;VALUE=DATE:20271224\nDURATION:P2W\nSUMMARY:Weeks", "Weeks", 14),
        ("DTSTART;VALUE=DATE:20240101\nDTEND;VALUE=DATE:20250101\nSUMMARY:A leap year", "A leap year", 366),
        ("DTSTART;VALUE=DATE:21001231\nDTEND;VALUE=DATE:21010101\nSUMMARY:The last", "The last", 1),
        (
            "DTSTART;VALUE=DATE:20271224\nSUMMARY:Fol\n ded\\, and \\;esc\\\\aped\\nname",
            "Folded, and ;esc\\aped name",
            1,
        ),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:Weihnachten – 聖誕節", "Weihnachten – 聖誕節", 1),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:Alarm\nBEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM", "Alarm", 1),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:Said twice\nCOMMENT:a\nCOMMENT:b", "Said twice", 1),
    ],
)
def test_what_is_read(event, name, days):
    (found,) = parse(calendar(event))
    assert (found.name, found.last_day - found.first_day) == (name, timedelta(days=days - 1))


def test_what_says_nothing_of_days_is_passed_over():
    zone = b"BEGIN:VTIMEZONE\r\nTZID:Berlin\r\nBEGIN:STANDARD\r\nRRULE:FREQ=YEARLY\r\nEND:STANDARD\r\nEND:VTIMEZONE\r\n"
    cancelled = "DTSTART:20270101T090000Z\nSTATUS:CANCELLED\nSUMMARY:Off"
    data = calendar(GOOD, cancelled).replace(b"BEGIN:VEVENT", zone + b"BEGIN:VEVENT", 1)
    assert [event.line for event in parse(data)] == [10]


@pytest.mark.parametrize(
    ("event", "line", "code"),
    [
        ("DTSTART:20271224T090000Z\nSUMMARY:x", 5, "has_times"),
        ("DTSTART;TZID=Europe/Berlin:20271224T090000\nSUMMARY:x", 5, "has_times"),
        ("DTSTART;VALUE=DATE:20271224\nDTEND:20271225T000000\nSUMMARY:x", 6, "has_times"),
        ("DTSTART;VALUE=DATE:20271224\nDURATION:PT8H\nSUMMARY:x", 6, "bad_duration"),
        ("DTSTART;VALUE=DATE:20271224\nDURATION:P9999999D\nSUMMARY:x", 6, "bad_duration"),
        ("DTSTART;VALUE=DATE:20270229\nSUMMARY:x", 5, "bad_date"),
        ("DTSTART;VALUE=DATE:2027-12-24\nSUMMARY:x", 5, "bad_date"),
        ("DTSTART;VALUE=DATE:٢٠٢٧١٢٢٤\nSUMMARY:x", 5, "bad_date"),
        ("DTSTART;VALUE=DATE:19691231\nSUMMARY:x", 5, "outside_the_years"),
        ("DTSTART;VALUE=DATE:21010101\nSUMMARY:x", 5, "outside_the_years"),
        ("DTSTART;VALUE=DATE:20271224\nDTEND;VALUE=DATE:20271224\nSUMMARY:x", 6, "ends_before_it_starts"),
        ("DTSTART;VALUE=DATE:20271224\nDTEND;VALUE=DATE:20271223\nSUMMARY:x", 6, "ends_before_it_starts"),
        ("DTSTART;VALUE=DATE:20271224\nDTEND;VALUE=DATE:20281225\nSUMMARY:x", 6, "longer_than_a_year"),
        ("DTSTART;VALUE=DATE:20271224\nRRULE:FREQ=YEARLY\nSUMMARY:x", 6, "repeats"),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:x\nRDATE;VALUE=DATE:20281224", 7, "repeats"),
        ("DTSTART;VALUE=DATE:20271224\nDTSTART;VALUE=DATE:20271225\nSUMMARY:x", 6, "twice"),
        ("DTSTART;VALUE=DATE:20271224\nDTEND;VALUE=DATE:20271225\nDURATION:P1D\nSUMMARY:x", 7, "twice"),
        ("SUMMARY:x", 4, "no_start"),
        ("DTSTART;VALUE=DATE:20271224", 4, "no_summary"),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY: ", 6, "no_summary"),
        (f"DTSTART;VALUE=DATE:20271224\nSUMMARY:{'x' * 121}", 6, "long_summary"),
        (f"DTSTART;VALUE=DATE:20271224\nSUMMARY:x\nUID:{'x' * 256}", 7, "long_uid"),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:x\nno line at all", 7, "not_a_line"),
        ("DTSTART;VALUE=DATE:20271224\nSUMMARY:a\x00b", 6, "not_a_line"),
        ("DTSTART;VALUE=DATE:20271224\nEND:VTODO", 6, "wrong_end"),
    ],
)
def test_what_is_refused_names_the_line(event, line, code):
    with pytest.raises(BadCalendar) as refused:
        parse(calendar(event, GOOD))
    assert (refused.value.line, refused.value.code) == (line, code)


@pytest.mark.parametrize(
    ("data", "line", "code"),
    [
        (b"", 0, "empty"),
        (calendar(), 0, "empty"),
        (b"<html>", 1, "not_a_line"),
        (b"X:1\n", 1, "not_a_calendar"),
        (b"END:VCALENDAR", 1, "not_a_calendar"),
        (calendar(GOOD)[:-15], 9, "unfinished"),
        (calendar(GOOD).replace(b"Winter", b"W\xe9nter"), 8, "not_utf8"),
        (b"BEGIN:VCALENDAR\n" * 100, 9, "not_a_calendar"),
        (calendar(GOOD) + b" " * 256 * 1024, 0, "too_big"),
        (calendar(*["DTSTART:20270101\nSUMMARY:x"] * 1_001), 4_004, "too_many"),
    ],
)
def test_a_file_that_is_none_is_refused(data, line, code):
    with pytest.raises(BadCalendar) as refused:
        parse(data)
    assert (refused.value.line, refused.value.code) == (line, code)
    assert len(refused.value.shown) <= 60


def test_a_thousand_events_are_taken():
    assert len(parse(calendar(*["DTSTART:20270101\nSUMMARY:x"] * 1_000))) == 1_000


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: calendar(text)))
def test_any_bytes_are_read_or_refused(data):
    with suppress(BadCalendar):
        assert parse(data)


@pytest.mark.parametrize("sign", [";", ";a=", ';a="', ",", "\r\n ", 'x;a=b,"', "\\"])
def test_the_work_grows_with_the_file_and_not_with_its_square(sign):
    # A square of 250,000 signs would not come to an end here.
    with pytest.raises(BadCalendar):
        parse(b"BEGIN:VCALENDAR\r\nX" + sign.encode() * (250_000 // len(sign)))

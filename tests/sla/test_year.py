"""A year of business hours, as data for pages and printed by ``manage.py business_hours`` (R5, D23, D24)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from io import StringIO
from pathlib import Path

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.holidays import UnknownPlace, language_of
from sla.management.reading import CUT_OFF
from sla.queries import BadYear, YearDay, year_of
from supportdesk import clock
from supportdesk.places import Place

pytestmark = [pytest.mark.django_db, pytest.mark.rule("R5", "D23")]

BAVARIA = Place("DE", "BY", "Europe/Berlin")
AT = datetime(2026, 11, 1, tzinfo=UTC)


def close(first: date, last: date | None = None, **kw) -> None:
    rule = Rule(first, last or first, kw.pop("name", "Inventory"), **kw)
    add_closure(rule=rule, by=None, at=AT, key=f"{first}{last}")


def printed(*arguments: str) -> str:
    out = StringIO()
    call_command("business_hours", *arguments, stdout=out)
    return out.getvalue()


def test_every_day_says_what_it_is_and_why(django_assert_num_queries):
    close(date(2027, 3, 1), reach=Reach("DE"))
    close(date(2027, 3, 6), name="Release", opens=True)
    with django_assert_num_queries(1):
        found = year_of(BAVARIA, 2027, language="de-at")
    days = {day.date: day for day in found.days}
    assert len(days) == 365
    winter, summer = timedelta(hours=1), timedelta(hours=2)
    for expected in (
        YearDay(date=date(2027, 1, 5), kind="open", name="", minutes=480, offset=winter),
        YearDay(date=date(2027, 1, 6), kind="holiday", name="Heilige Drei Könige", minutes=0, offset=winter),
        YearDay(date=date(2027, 3, 1), kind="closure", name="Inventory", minutes=0, offset=winter),
        YearDay(date=date(2027, 3, 6), kind="open_day", name="Release", minutes=480, offset=winter),
        YearDay(date=date(2027, 7, 3), kind="weekend", name="Saturday", minutes=0, offset=summer),
    ):
        assert days[expected.date] == expected
    assert found.offset_changes == (
        (date(2027, 3, 28), winter, summer),
        (date(2027, 10, 31), summer, winter),
    )
    assert (found.open_days, found.minutes, len(found.months)) == (253, 253 * 480, 12)


def test_a_customers_closures_are_in_its_year(cast):
    close(date(2027, 3, 1), reach=Reach(customer_id=cast.other.pk))
    assert year_of(BAVARIA, 2027, customer_id=cast.other.pk).open_days == year_of(BAVARIA, 2027).open_days - 1


def test_a_skipped_day_is_not_in_its_year():
    found = year_of(Place("WS", "", "Pacific/Apia"), 2011)
    assert len(found.days) == 364
    assert date(2011, 12, 30) not in {day.date for day in found.days}


def test_a_year_whose_holidays_are_not_known_says_so():
    colombo = Place("LK", "", "Asia/Colombo")
    assert year_of(colombo, 2026).is_known
    assert not year_of(colombo, 2099).is_known
    assert "weekends and closures alone are closed" in printed("LK", "--year", "2099")
    assert "alone are closed" not in printed("LK", "--year", "2026")
    assert json.loads(printed("LK", "--year", "2099", "--json"))["holidays_known"] is False


@pytest.mark.parametrize("year", [1969, 2101])
def test_a_year_without_a_calendar_is_refused(year):
    with pytest.raises(BadYear, match="outside the years 1970 to 2100"):
        year_of(BAVARIA, year)
    with pytest.raises(UnknownPlace):
        year_of(Place("QQ", "", "UTC"), 2027)


@pytest.mark.parametrize(
    ("country", "wanted", "spoken"),
    [
        ("DE", "de", "de"),
        ("DE", "de-AT", "de"),
        ("BR", "pt", "pt_BR"),
        ("BR", "pt-br", "pt_BR"),
        ("IN", "en", "en_IN"),
        ("DE", "xx", "en_US"),
    ],
)
def test_the_nearest_language_that_is_spoken(country, wanted, spoken):
    assert language_of(country, wanted) == spoken


def test_a_year_is_printed_by_month():
    close(date(2027, 8, 2), date(2027, 8, 6), name="Works holiday")
    text = printed("de-by", "--zone", "Europe/Berlin", "--year", "2027", "--language", "de")
    for line in (
        "Bayern, Germany, Europe/Berlin, 2027: Monday to Friday 09:00–17:00",
        "January      19 open, 10 weekend, 2 holiday or closed; 9,120 minutes",
        "  Wed 06          holiday  Heilige Drei Könige",
        "  Mon 02 – Fri 06 closed   Works holiday",
        "  Sun 28          clocks   UTC+01:00 → UTC+02:00: opens at 08:00 UTC before, at 07:00 UTC from here on",
        "Year        248 open, 104 weekend, 13 holiday or closed; 119,040 minutes",
    ):
        assert line in text.splitlines()


def test_years_without_a_change_of_the_clocks_and_with_a_day_that_was_skipped():
    assert "No change of the clocks: opens at 03:30 UTC all year." in printed("IN", "--year", "2027")
    apia = printed("WS", "--year", "2011")
    assert "  30              zone     skipped this day to cross the date line" in apia
    assert "UTC-10:00 → UTC+14:00" in apia


def test_a_customer_is_a_place_and_this_year_is_the_default(cast):
    with clock.set_to(AT):
        assert printed("--customer", str(cast.acme.pk)).startswith("New York, United States, America/New_York, 2026")


def test_json_has_every_day():
    found = json.loads(printed("IN", "--year", "2027", "--json"))
    assert (len(found["days"]), found["zone"], found["open_days"]) == (365, "Asia/Kolkata", 250)
    assert found["days"][0] == {
        "day": "2027-01-01",
        "kind": "open",
        "name": "",
        "minutes": 480,
        "offset": "+05:30",
    }


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["QQ"], "“QQ” is no country code"),
        (["DE-XX", "--zone", "Europe/Berlin"], "“XX” is no subdivision of Germany. Known are: BB"),
        (["US"], "--zone: say which; United States has America/New_York"),
        (["DE", "--zone", "X/Y"], "“X/Y” is no time zone"),
        (["IN", "--year", "1969"], "--year: 1969 is outside the years 1970 to 2100"),
        (["IN", "--year", "2101"], "--year: 2101 is outside"),
        (["IN", "--year", "soon"], "invalid int value"),
        ([], "Name a place, for example DE-BY, or a --customer"),
        (["--customer", "999999"], "there is no customer 999999"),
    ],
)
def test_a_bad_question_is_told_what_is_wrong(arguments, says):
    with pytest.raises(CommandError, match=says):
        printed(*arguments)


def test_what_is_said_of_a_month_is_in_the_order_of_its_days():
    close(date(2027, 3, 30), date(2027, 3, 31), name="Moving house")
    text = printed("DE-BY", "--zone", "Europe/Berlin", "--year", "2027")
    march = text[text.index("March") : text.index("April")].split("\n")[1:-2]
    days = [int(line.split()[1]) for line in march]
    assert len(days) == 4
    assert days == sorted(days), "the clocks change on the 28th, between a holiday and a closure"


@pytest.mark.parametrize(
    "asked", ["business_hours DE-BY --zone Europe/Berlin --year 2027", "deadline", "deadline FILE"]
)
def test_a_reader_who_has_seen_enough_ends_a_command_without_a_word(asked: str, tmp_path: Path):
    line = json.dumps({"logged_at": "2026-12-18T21:00:00Z", "zone": "Europe/Berlin", "country": "DE"})
    file = tmp_path / "lines.jsonl"
    file.write_text(f"{line}\nnot JSON\n")
    run = subprocess.Popen(
        [sys.executable, str(settings.BASE_DIR / "manage.py"), *asked.replace("FILE", str(file)).split()],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=os.environ | {"DJANGO_SETTINGS_MODULE": "tests.settings", "DATABASE_URL": "postgres://x@127.0.0.1:9/none"},
        text=True,
    )
    assert run.stdout is not None
    run.stdout.close()
    _out, complaints = run.communicate(file.read_text() * 300)
    assert run.returncode == CUT_OFF
    assert "Traceback" not in complaints
    assert "Broken" not in complaints

"""A year of business hours as a picture, for technicians and admins (R5, D23, D24)."""

from __future__ import annotations

import re
from datetime import date, datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from sla.closing import add_closure
from sla.closures import Reach, Rule
from sla.queries import year_of
from supportdesk.places import Place, zone_info
from tests.cast import Cast
from tests.incidents_helpers import key, opened, signed_in
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("R5", "D23", "D24")
PAGE = "/desk/calendar/"
MUNICH = {"place": "DE-BY", "zone": "Europe/Berlin", "year": "2027"}


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def told(answer: Any) -> str:
    return plain(answer.content.decode())


def cells(answer: Any) -> dict[str, str]:
    """The kind of each day."""
    found = re.findall(r'<td data-day="(\w+)"[^>]*><time datetime="([^"]+)"', answer.content.decode())
    return {day: kind for kind, day in found}


def test_a_year_day_by_day(desk: Client, cast: Cast, clock_at: datetime):
    bavaria = Reach("DE", "BY")
    for rule in (
        Rule(date(2027, 3, 8), date(2027, 3, 10), "Moving house", reach=bavaria),
        Rule(date(2027, 8, 15), date(2027, 8, 15), "Big release", opens=True, reach=bavaria),
    ):
        add_closure(rule=rule, by=cast.admin, at=clock_at, key=key())
    answer = desk.get(PAGE, MUNICH)
    found, text = cells(answer), told(answer)
    assert len(found) == 365
    year = year_of(Place("DE", "BY", "Europe/Berlin"), 2027)
    assert found == {day.date.isoformat(): day.kind for day in year.days}
    assert (found["2027-01-06"], found["2027-03-09"], found["2027-08-15"]) == ("holiday", "closure", "open_day")
    assert "Bayern, Germany 2027" in text
    assert f"{year.open_days} business days" in text
    assert f"{year.minutes // 60:,} business hours" in text
    assert "9 Moving house, closure" in text, "each special day is named for ears"
    assert re.search(r"Mon 8 Mar\s*–\s*Wed 10 Mar\s*Moving house\s*closure", text)
    assert re.search(r"Sun 28 Mar\s*forward by 1:00", text)
    assert re.search(r"Sun 31 Oct\s*back by 1:00", text)
    assert answer.content.decode().count("<table") == 12
    assert "style=" not in answer.content.decode()


def test_the_years_before_and_after(desk: Client):
    body = desk.get(PAGE, MUNICH).content.decode()
    assert "?place=DE-BY&amp;zone=Europe%2FBerlin&amp;year=2026" in body
    assert "?place=DE-BY&amp;zone=Europe%2FBerlin&amp;year=2028" in body
    first, last = (desk.get(PAGE, MUNICH | {"year": year}).content.decode() for year in ("1970", "2100"))
    assert "year=1969" not in first
    assert "year=2101" not in last


def test_a_year_whose_holidays_nobody_knows_says_so(desk: Client):
    asked = {"place": "AE", "zone": "Asia/Dubai"}
    assert "The holidays of 1971 are not known" in told(desk.get(PAGE, asked | {"year": "1971"}))
    assert "are not known" not in told(desk.get(PAGE, asked | {"year": "2027"}))


def test_a_customers_own_closures(desk: Client, cast: Cast, clock_at: datetime):
    rule = Rule(date(2027, 3, 8), date(2027, 3, 8), "Stock-taking", reach=Reach(customer_id=cast.acme.pk))
    add_closure(rule=rule, by=cast.admin, at=clock_at, key=key())
    theirs = desk.get(PAGE, {"customer": str(cast.acme.pk), "year": "2027"})
    assert "Stock-taking" in told(theirs)
    assert "New York, United States" in told(theirs)
    assert "Stock-taking" not in told(desk.get(PAGE, {"place": "US-NY", "zone": "America/New_York", "year": "2027"}))
    number = opened(cast.owner, at=clock_at).number
    page = desk.get(f"/desk/incidents/{number}/").content.decode()
    assert f'href="{PAGE}?customer={cast.acme.pk}"' in page


@pytest.mark.parametrize("asked", ["0", "x", "9" * 30, "-1", "²"])
def test_no_such_customer(desk: Client, asked: str):
    assert desk.get(PAGE, {"customer": asked}).status_code == 404


def test_today_is_the_places_own(desk: Client, clock_at: datetime):
    body = desk.get(PAGE, {"place": "NZ", "zone": "Pacific/Auckland", "year": ""}).content.decode()
    (today,) = re.findall(r'aria-current="date"[^>]*><time datetime="([^"]+)"', body)
    assert today == clock_at.astimezone(zone_info("Pacific/Auckland")).date().isoformat()


def test_without_a_question_the_readers_own_country(desk: Client, clock_at: datetime):
    assert f"India {clock_at.year}" in told(desk.get(PAGE))


def test_a_reader_in_no_country_chooses_first(desk: Client, cast: Cast):
    cast.technician.zone = "UTC"
    cast.technician.save()
    answer = desk.get(PAGE)
    assert answer.status_code == 200
    assert "business days" not in told(answer)
    assert 'class="error"' not in answer.content.decode()


def test_without_a_zone_the_countrys_own(desk: Client):
    assert "in Europe/Berlin" in told(desk.get(PAGE, {"place": "DE", "year": "2027"}))


def test_a_zone_elsewhere_is_said(desk: Client):
    answer = desk.get(PAGE, MUNICH | {"zone": "Asia/Tokyo"})
    assert answer.status_code == 200
    assert "No part of Germany uses Asia/Tokyo" in told(answer)


def test_a_day_that_its_zone_skipped_has_no_cell(desk: Client):
    found = cells(desk.get(PAGE, {"place": "WS", "zone": "Pacific/Apia", "year": "2011"}))
    assert "2011-12-30" not in found
    assert len(found) == 364


@pytest.mark.parametrize(
    ("given", "field", "said"),
    [
        ({"place": ""}, "place", "Choose a country"),
        ({"place": "XX"}, "place", "no country code"),
        ({"place": "DE-XX"}, "place", "no subdivision of Germany"),
        ({"zone": "Mars/Base"}, "zone", "is no time zone"),
        ({"year": "1969"}, "year", "1970 to 2100"),
        ({"year": "2101"}, "year", "1970 to 2100"),
        ({"year": "soon"}, "year", "four digits"),
        ({"year": "9" * 400}, "year", "1970 to 2100"),
    ],
)
def test_errors_stand_at_their_field(desk: Client, given: dict[str, str], field: str, said: str):
    answer = desk.get(PAGE, MUNICH | given)
    assert answer.status_code == 422
    (error,) = re.findall(rf'id="id_{field}_error">([^<]*)', answer.content.decode())
    assert said in error


def test_the_same_number_of_queries_for_any_year(desk: Client, cast: Cast, clock_at: datetime):
    desk.get(PAGE, MUNICH)

    def asked(**given: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            assert desk.get(PAGE, MUNICH | given).status_code == 200
        return len(queries)

    before = asked()
    for n in range(1, 6):
        rule = Rule(date(2027, n, 3), date(2027, n, 3), f"Closed {n}", reach=Reach("DE"))
        add_closure(rule=rule, by=cast.admin, at=clock_at, key=key())
    asked()
    assert asked() == before == asked(year="2031", place="US-NY")


def test_a_zone_that_there_is_not_is_refused(desk: Client):
    for asked in ({"zone": "Mars/X"}, {"zone": "Mars/X", "place": "DE-BY"}):
        assert desk.get(PAGE, asked).status_code == 422


def test_the_year_field_holds_the_year_shown(desk: Client, clock_at: datetime, cast: Cast):
    def year_field(**asked: str) -> str:
        fields: list[str] = re.findall(
            r'<input type="number" name="year"[^>]*>', desk.get(PAGE, asked).content.decode()
        )
        return fields[0]

    this = f'value="{clock_at.year}"'
    assert this in year_field()
    assert this in year_field(place="DE-BY", zone="Europe/Berlin", year="")
    assert this in year_field(customer=str(cast.acme.pk))
    assert 'value="2027"' in year_field(**MUNICH)
    cast.technician.zone = "UTC"
    cast.technician.save()
    assert this in year_field(), "nothing is shown, so it offers this year"


def test_each_month_has_its_named_days_beside_it(desk: Client, cast: Cast, clock_at: datetime):
    rule = Rule(date(2027, 2, 22), date(2027, 3, 5), "Moving house", reach=Reach("DE", "BY"))
    add_closure(rule=rule, by=cast.admin, at=clock_at, key=key())
    months = desk.get(PAGE, MUNICH).content.decode().split('<div class="cal-month">')[1:]
    months[-1] = months[-1].partition("</section>")[0]
    named = [plain(month.partition("</table>")[2]) for month in months]
    assert len(named) == 12
    assert named[0] == "Fri 1 Jan New Year's Day holiday Wed 6 Jan Epiphany holiday"
    assert "Mon 22 Feb – Fri 5 Mar Moving house closure" in named[1]
    assert "Mon 22 Feb – Fri 5 Mar Moving house closure" in named[2]
    assert named[6] == ""

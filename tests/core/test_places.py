"""Places: what is known of countries, subdivisions and zones (D23)."""

from __future__ import annotations

import zoneinfo

import pytest

from supportdesk import places
from supportdesk.places import Place, Problem, problems_of

pytestmark = pytest.mark.rule("D23")


def test_zones_come_from_the_pinned_package_alone():
    assert zoneinfo.TZPATH == ()
    assert places.zone_info("Europe/Berlin").key == "Europe/Berlin"


@pytest.mark.parametrize(
    "place",
    [
        Place("US", "NY", "America/New_York"),
        Place("GB", "SCT", "Europe/London"),
        Place("NZ", "AUK", "Pacific/Auckland"),
        Place("DE", "", "Europe/Berlin"),
        Place("BR", "São Paulo Capital", "America/Sao_Paulo"),
        Place("IN", "KA", "Asia/Calcutta"),  # what some browsers still say
        Place("DK", "", "Europe/Berlin"),  # one zone with Copenhagen since 1970
        Place("XK", "", "Europe/Belgrade"),  # no zone of its own
    ],
)
def test_a_right_place_has_no_problem(place):
    assert problems_of(place) == ()


@pytest.mark.parametrize(
    ("place", "problem"),
    [
        (Place("", "", "UTC"), Problem("country", "unknown_country")),
        (Place("UK", "", "Europe/London"), Problem("country", "unknown_country")),
        (Place("DEU", "", "Europe/Berlin"), Problem("country", "unknown_country")),
        (Place("de", "", "Europe/Berlin"), Problem("country", "unknown_country")),
        (Place("DE", "DE-BY", "Europe/Berlin"), Problem("subdivision", "unknown_subdivision")),
        (Place("DE", "Bayern", "Europe/Berlin"), Problem("subdivision", "unknown_subdivision")),
        (Place("SG", "NY", "Asia/Singapore"), Problem("subdivision", "unknown_subdivision")),
        (Place("DE", "BY", ""), Problem("zone", "unknown_zone")),
        (Place("DE", "BY", "Europe/Munich"), Problem("zone", "unknown_zone")),
        (Place("DE", "BY", "../Europe/Berlin"), Problem("zone", "unknown_zone")),
        (Place("DE", "BY", "Factory"), Problem("zone", "unknown_zone")),
        (Place("US", "NY", "Europe/Berlin"), Problem("zone", "zone_not_in_country", warning=True)),
        (Place("US", "NY", "UTC"), Problem("zone", "zone_not_in_country", warning=True)),
    ],
)
def test_one_wrong_field_is_named(place, problem):
    assert problems_of(place) == (problem,)


def test_a_country_without_holiday_data_is_told_from_one_that_is_none(monkeypatch):
    monkeypatch.setattr(places, "countries", lambda: ("DE",))
    assert problems_of(Place("FR", "", "Europe/Paris")) == (Problem("country", "no_holiday_data"),)


def test_every_wrong_field_is_named_at_once():
    problems = problems_of(Place("DE", "NY", "Mars/Olympus"))
    assert [problem.field for problem in problems] == ["subdivision", "zone"]
    assert not any(problem.warning for problem in problems)


def test_every_zone_that_is_offered_is_one_and_fits_its_country():
    offered = [(country, zone) for country in places.countries() for zone in places.zones_of(country)]
    assert len(offered) > 400
    assert all(zone in places.zones() for _country, zone in offered)
    assert [place for place in offered if problems_of(Place(place[0], "", place[1]))] == []


def test_a_name_that_is_no_zone_makes_none():
    with pytest.raises(ValueError, match="'Europe/Munich' is no time zone"):
        places.zone_info("Europe/Munich")


@pytest.mark.rule("D21")
@pytest.mark.parametrize(
    ("zone", "city"),
    [
        ("America/Argentina/Buenos_Aires", "Buenos Aires"),
        ("America/Sao_Paulo", "São Paulo"),
        ("America/St_Johns", "St. John’s"),
        ("America/Port-au-Prince", "Port-au-Prince"),
        ("UTC", "UTC"),
    ],
)
def test_a_zone_is_called_by_its_city(zone, city):
    assert places.city_of(zone) == city


@pytest.mark.parametrize(("code", "name"), [("DE", "Germany"), ("GB", "Britain (UK)"), ("XK", "Kosovo"), ("QQ", "QQ")])
def test_a_country_has_a_name(code, name):
    assert places.country_name(code) == name


@pytest.mark.parametrize(
    ("country", "code", "name"),
    [("DE", "BY", "Bayern"), ("US", "IL", "Illinois"), ("FR", "971", "Guadeloupe"), ("QQ", "X", "X"), ("DE", "X", "X")],
)
def test_a_subdivision_has_a_name(country, code, name):
    assert places.subdivision_name(country, code) == name

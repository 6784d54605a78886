"""Facts of places: countries and subdivisions as ``holidays`` knows them, zones as the pinned ``tzdata`` does (D23).

No Django and no clock. All that is read are the files of those two packages.
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Final, Literal
from zoneinfo import ZoneInfo

import holidays

# The operating system's zones can be a year old; the pinned package alone counts. Zones that were made
# before this line may have come from there, so they are forgotten.
zoneinfo.reset_tzpath(to=())
ZoneInfo.clear_cache()

Field = Literal["country", "subdivision", "zone"]
Code = Literal["unknown_country", "no_holiday_data", "unknown_subdivision", "unknown_zone", "zone_not_in_country"]

# Zone names are ASCII; these are the cities that spell themselves otherwise.
_CITIES: Final = {
    "America/Asuncion": "Asunción",
    "America/Bogota": "Bogotá",
    "America/Cancun": "Cancún",
    "America/Ciudad_Juarez": "Ciudad Juárez",
    "America/Argentina/Cordoba": "Córdoba",
    "America/Argentina/Tucuman": "Tucumán",
    "America/Belem": "Belém",
    "America/Cuiaba": "Cuiabá",
    "America/Eirunepe": "Eirunepé",
    "America/Maceio": "Maceió",
    "America/Mazatlan": "Mazatlán",
    "America/Merida": "Mérida",
    "America/Sao_Paulo": "São Paulo",
    "America/St_Johns": "St. John’s",
    "Asia/Ho_Chi_Minh": "Ho Chi Minh City",
    "Europe/Chisinau": "Chișinău",
    "Europe/Zurich": "Zürich",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a customer is: what decides its holidays and its hours (R5, D23).

    ``country`` is ISO 3166-1 alpha-2 (``"DE"``), ``subdivision`` a code of ``subdivisions()`` (``"BY"``) or empty,
    ``zone`` an IANA name (``"Europe/Berlin"``). Nothing is checked here: see ``problems_of``.
    """

    country: str
    subdivision: str
    zone: str


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one field of a place. A ``warning`` may be saved anyway, anything else may not."""

    field: Field
    code: Code
    warning: bool = False


@cache
def countries() -> tuple[str, ...]:
    """The countries whose holidays are known, by ISO 3166-1 alpha-2 code, sorted."""
    return tuple(sorted(holidays.list_supported_countries(include_aliases=False)))


@cache
def subdivisions(country: str) -> tuple[str, ...]:
    """The subdivision codes of ``country`` that holidays can differ by; none for an unknown country."""
    return tuple(holidays.list_supported_countries(include_aliases=False).get(country, ()))


@cache
def country_name(country: str) -> str:
    """The English name of ``country``, or the code itself where none is known."""
    return _country_names().get(country, country)


@cache
def all_countries() -> tuple[str, ...]:
    """Every country of ISO 3166-1, those whose holidays nobody knows included, in the order of their names."""
    return tuple(sorted(_country_names(), key=country_name))


@cache
def subdivision_code(country: str, text: str) -> str:
    """The subdivision of ``country`` that ``text`` means, by code or by a name of it in any case; empty for none.

    >>> subdivision_code("DE", "bayern")
    'BY'
    """
    wanted = text.strip().casefold()
    aliases: dict[str, str] = {}
    if country in countries():
        aliases = getattr(holidays.country_holidays(country), "subdivisions_aliases", {})
    named = {name.casefold(): code for name, code in aliases.items()}
    by_code = {code.casefold(): code for code in subdivisions(country)}
    return by_code.get(wanted) or named.get(wanted, "")


@cache
def subdivision_name(country: str, subdivision: str) -> str:
    """What ``subdivision`` calls itself (``"Bayern"``), or the code itself where no name is known."""
    if subdivision not in subdivisions(country):
        return subdivision
    aliases: dict[str, str] = getattr(holidays.country_holidays(country), "subdivisions_aliases", {})
    # Some aliases are other codes (GP for 971); a name has a small letter in it.
    return next((name for name, code in aliases.items() if code == subdivision and not name.isupper()), subdivision)


@cache
def zones() -> tuple[str, ...]:
    """The zones to choose from, sorted: every country's own, and UTC. Older names are valid, but not offered."""
    return tuple(sorted({zone for own in _zone_table().values() for zone in own} | {"UTC"}))


@cache
def zones_of(country: str) -> tuple[str, ...]:
    """The zones of ``country``, in the order of tzdata (most populous first); none where it lists none."""
    return _zone_table().get(country, ())


def city_of(zone: str) -> str:
    """The city that a zone is named after.

    >>> city_of("America/Argentina/Buenos_Aires")
    'Buenos Aires'
    """
    return _CITIES.get(zone) or zone.rsplit("/", 1)[-1].replace("_", " ")


def is_zone(zone: str) -> bool:
    """Whether ``zone`` is an IANA name of the pinned tzdata, older names (``Asia/Calcutta``) included."""
    return zone in _all_zones()


def zone_info(zone: str) -> ZoneInfo:
    """The rules of ``zone``, from the pinned tzdata. Raises ``ValueError`` for a name that is none."""
    if not is_zone(zone):
        raise ValueError(f"{zone!r} is no time zone")
    return ZoneInfo(zone)


def problems_of(place: Place) -> tuple[Problem, ...]:
    """All that is wrong with ``place``, at most one problem a field; empty when it can be saved as it is (D23)."""
    problems: list[Problem] = []
    known_country = place.country in countries()
    if not known_country:
        real = place.country in _country_names()
        problems.append(Problem("country", "no_holiday_data" if real else "unknown_country"))
    elif place.subdivision and place.subdivision not in subdivisions(place.country):
        problems.append(Problem("subdivision", "unknown_subdivision"))
    if not is_zone(place.zone):
        problems.append(Problem("zone", "unknown_zone"))
    elif known_country and not _keeps_time_of(place.zone, place.country):
        problems.append(Problem("zone", "zone_not_in_country", warning=True))
    return tuple(problems)


def _keeps_time_of(zone: str, country: str) -> bool:
    # Names that tzdata merged (Europe/Copenhagen into Europe/Berlin) are the same zone. A country
    # without zones of its own (Kosovo, Bouvet Island) is in no position to complain.
    own = zones_of(country)
    links = _links()
    return not own or links.get(zone, zone) in {links.get(name, name) for name in own}


@cache
def _all_zones() -> frozenset[str]:
    return frozenset(zoneinfo.available_timezones() - {"Factory", "localtime"})


@cache
def _zone_table() -> dict[str, tuple[str, ...]]:
    table: dict[str, list[str]] = {}
    for line in _lines("zone.tab"):
        country, _coordinates, zone, *_comment = line.split("\t")
        table.setdefault(country, []).append(zone)
    return {country: tuple(own) for country, own in table.items()}


@cache
def _country_names() -> dict[str, str]:
    names = dict(line.split("\t", 1) for line in _lines("iso3166.tab"))
    return {"XK": "Kosovo"} | names  # in holidays, but not in ISO 3166


@cache
def _links() -> dict[str, str]:
    """Older or merged zone names and the zone that each stands for."""
    links = (line.split() for line in _lines("tzdata.zi") if line.startswith("L "))
    return {alias: target for _l, target, alias in links}


def _lines(name: str) -> list[str]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line for line in text.splitlines() if line and not line.startswith("#")]

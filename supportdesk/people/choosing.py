"""Choosing a place from lists with names, and what is wrong with it in words, at the field (D21, D23).

A country and a subdivision are one choice, ``DE`` or ``DE-BY``: no list depends on another, so no script is needed.
"""

from __future__ import annotations

from functools import cache
from typing import Any

from django import forms
from django.core.exceptions import ValidationError

from supportdesk.people.placing import place_errors
from supportdesk.places import (
    Place,
    countries,
    country_name,
    subdivision_name,
    subdivisions,
    zones,
    zones_of,
)

Choices = list[tuple[str, Any]]


def region_code(country: str, subdivision: str) -> str:
    """The one code of a country and a subdivision of it, which may be empty.

    >>> region_code("DE", "BY")
    'DE-BY'
    """
    return f"{country}-{subdivision}" if subdivision else country


def region_of(code: str) -> tuple[str, str]:
    """Country and subdivision of such a code, whatever somebody typed as one.

    >>> region_of("de-BY")
    ('DE', 'BY')
    """
    country, _, subdivision = code.strip().partition("-")
    return country.upper(), subdivision


def region_name(country: str, subdivision: str) -> str:
    """What people call it: "Germany", "Bayern, Germany"."""
    name = country_name(country)
    return f"{subdivision_name(country, subdivision)}, {name}" if subdivision else name


@cache
def region_choices() -> Choices:
    """Every country whose holidays are known, by name, with its subdivisions below it."""
    found: list[tuple[str, Any]] = []
    for country in sorted(countries(), key=country_name):
        own = sorted((subdivision_name(country, one), region_code(country, one)) for one in subdivisions(country))
        name = country_name(country)
        inside = [(code, f"{said}, {name}") for said, code in own]
        found.append((name, [(country, name), *inside]) if inside else (country, name))
    return found


@cache
def zone_choices() -> Choices:
    """Every zone that is offered, by its region."""
    groups: dict[str, list[tuple[str, str]]] = {}
    for zone in zones():
        region, _, rest = zone.partition("/")
        groups.setdefault(region if rest else "", []).append((zone, zone.replace("_", " ")))
    bare = groups.pop("", [])
    return [*groups.items(), *bare]


def home_of(zone: str) -> str:
    """The country that has ``zone``, or nothing where none that is known does."""
    return next((country for country in countries() if zone in zones_of(country)), "")


class RegionField(forms.CharField):
    """A country or a subdivision, chosen by name; its value is ``(country, subdivision)``, empty ones for none."""

    def __init__(self, *, empty: Any = "", **kwargs: Any) -> None:
        widget = forms.Select(attrs={"class": "input"}, choices=lambda: [("", empty), *region_choices()])  # type: ignore[arg-type]
        super().__init__(widget=widget, max_length=60, **kwargs)

    def clean(self, value: Any) -> Any:
        code = super().clean(value)
        country, subdivision = region_of(code)
        if not country:
            return "", ""
        errors = place_errors(Place(country, subdivision, "UTC"))
        for field in ("country", "subdivision"):
            if field in errors:
                raise ValidationError(errors[field])
        return country, subdivision


class ZoneField(forms.CharField):
    """A zone of tzdata, chosen from a list; older names are taken, too."""

    def __init__(self, *, empty: Any = "", **kwargs: Any) -> None:
        widget = forms.Select(attrs={"class": "input"}, choices=lambda: [("", empty), *zone_choices()])  # type: ignore[arg-type]
        super().__init__(widget=widget, max_length=64, **kwargs)

    def clean(self, value: Any) -> Any:
        zone = super().clean(value)
        if zone and (errors := place_errors(Place("DE", "", zone)).get("zone")):
            raise ValidationError(errors)
        return zone


def default_zone(country: str) -> str:
    """The zone that most people of ``country`` live by; UTC where tzdata knows none."""
    return next(iter(zones_of(country)), "UTC")

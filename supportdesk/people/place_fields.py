"""Fields for a place that cannot be mistyped into another one: "Ge" is Georgia, not Germany (D21, D23)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from django import forms
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from supportdesk.places import (
    all_countries,
    city_of,
    country_name,
    is_zone,
    subdivision_code,
    subdivision_name,
    subdivisions,
    zones,
)


@cache
def _countries() -> list[tuple[str, str]]:
    return [("", "—"), *((code, f"{country_name(code)} ({code})") for code in all_countries())]


@cache
def _zones() -> list[tuple[str, str | list[tuple[str, str]]]]:
    """The zones by their region, each by its city and its name."""
    by_region: dict[str, list[tuple[str, str]]] = {}
    for zone in zones():
        region = zone.split("/", 1)[0]
        by_region.setdefault(region, []).append((zone, f"{city_of(zone)} ({zone})" if "/" in zone else zone))
    return [("", "—"), *((region, sorted(own, key=lambda pair: pair[1])) for region, own in sorted(by_region.items()))]


class CountryField(forms.ChoiceField):
    """Every country by its name; whether its holidays are known, the place says with what to do (D23)."""

    def __init__(self, **kwargs: Any) -> None:
        unknown = _("“%(value)s” is no country code. Choose the country from the list.")
        super().__init__(
            label=_("Country"),
            choices=_countries,
            help_text=_("Decides which holidays count."),
            error_messages={"invalid_choice": unknown},
            **kwargs,
        )


class ZoneField(forms.ChoiceField):
    """Every zone by its city. An older name of one (Asia/Calcutta) is not offered and may stay."""

    def __init__(self, **kwargs: Any) -> None:
        unknown = _("“%(value)s” is no time zone. Give it as Region/City, for example Europe/Berlin.")
        super().__init__(label=_("Time zone"), choices=_zones, error_messages={"invalid_choice": unknown}, **kwargs)

    def valid_value(self, value: Any) -> bool:
        return is_zone(str(value))

    def keep(self, zone: str) -> None:
        """Offers a zone that is there already and that the list leaves out."""
        if zone not in zones() and is_zone(zone):
            self.choices = [(zone, zone), *_zones()]


class Suggesting(forms.TextInput):
    """A line of text with suggestions, without any script: pairs of what is filled in and what it means."""

    suggestions: Iterable[tuple[str, str]] = ()

    def render(self, name: str, value: Any, attrs: Mapping[str, Any] | None = None, renderer: Any = None) -> SafeString:
        pairs = tuple(self.suggestions)
        listed = f"{(attrs or {}).get('id', name)}_list"
        line = super().render(name, value, {**(attrs or {}), **({"list": listed} if pairs else {})}, renderer)
        if not pairs:
            return line
        options = format_html_join("", '<option value="{}">{}</option>', pairs)
        return format_html('{}<datalist id="{}">{}</datalist>', line, listed, options)


class SubdivisionField(forms.CharField):
    """A subdivision by its code or its name; ``of`` a country, it suggests those of that country."""

    def __init__(self, **kwargs: Any) -> None:
        text = _("Code or name, for example BY or Bayern. Decides which holidays count; empty: those of the country.")
        super().__init__(
            label=_("Subdivision"), required=False, max_length=40, help_text=text, widget=Suggesting(), **kwargs
        )

    def of(self, country: str) -> None:
        widget = self.widget
        assert isinstance(widget, Suggesting)
        widget.suggestions = tuple((code, subdivision_name(country, code)) for code in subdivisions(country))


def read_subdivision(country: str, text: str) -> str:
    """The code that ``text`` means in ``country``; the text itself where it means none."""
    return subdivision_code(country, text) or text.strip()

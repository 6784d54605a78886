"""What is wrong with a place, in words, at the field (D21, D23)."""

from __future__ import annotations

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from supportdesk.places import Place, Problem, country_name, problems_of, subdivisions, zones_of


def _words(problem: Problem, place: Place) -> str:
    match problem.code:
        case "unknown_country":
            return _("“%(country)s” is no country code. Give the two letters of ISO 3166, for example DE.") % {
                "country": place.country
            }
        case "no_holiday_data":
            return _(
                "No holidays are known for %(country)s, so business hours cannot be promised there. "
                "Choose the country whose holidays shall count."
            ) % {"country": country_name(place.country)}
        case "unknown_subdivision":
            known = subdivisions(place.country)
            if not known:
                return _("%(country)s has no subdivisions here. Leave this empty.") % {
                    "country": country_name(place.country)
                }
            return _("“%(code)s” is no subdivision of %(country)s. Known are: %(known)s.") % {
                "code": place.subdivision,
                "country": country_name(place.country),
                "known": ", ".join(known),
            }
        case "unknown_zone":
            return _("“%(zone)s” is no time zone. Give it as Region/City, for example Europe/Berlin.") % {
                "zone": place.zone
            }
    return _("No part of %(country)s uses %(zone)s; its own are: %(known)s.") % {
        "country": country_name(place.country),
        "zone": place.zone,
        "known": ", ".join(zones_of(place.country)),
    }


def place_errors(place: Place) -> dict[str, list[ValidationError]]:
    """What must be mended before ``place`` can be saved, by field; empty where nothing must."""
    return _by_field(place, warning=False)


def place_warnings(place: Place) -> dict[str, list[ValidationError]]:
    """What is odd about ``place`` but may be saved anyway, by field."""
    return _by_field(place, warning=True)


def _by_field(place: Place, *, warning: bool) -> dict[str, list[ValidationError]]:
    found: dict[str, list[ValidationError]] = {}
    for problem in problems_of(place):
        if problem.warning == warning:
            found.setdefault(problem.field, []).append(ValidationError(_words(problem, place), code=problem.code))
    return found

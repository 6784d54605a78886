"""Where the vendor points those whom an incident does not help (R11): addresses from the settings, or none."""

from __future__ import annotations

from django.conf import settings


def elsewhere() -> dict[str, str]:
    """The pages of the onsite teams, the partners and Professional Services; empty where the settings name none."""
    return {
        "onsite": settings.ONSITE_TEAMS_URL,
        "partners": settings.PARTNERS_URL,
        "services": settings.PROFESSIONAL_SERVICES_URL,
    }

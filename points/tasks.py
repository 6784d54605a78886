"""Thin tasks: one look at the clock, one call."""

from __future__ import annotations

from celery import shared_task

from points import services, warning_services
from supportdesk import clock


@shared_task(name="points.write_expiries")
def write_expiries() -> int:
    """Writes the expiries that are due (D1)."""
    return services.write_expiries(at=clock.now())


@shared_task(name="points.warn")
def warn() -> int:
    """Warns of the expiries that are near (D7)."""
    return warning_services.warn_of_expiries(at=clock.now())

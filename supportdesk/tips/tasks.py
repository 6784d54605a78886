"""Thin tasks: one look at the clock, one call. Safe twice, safe late, safe with two schedulers."""

from __future__ import annotations

from celery import shared_task

from supportdesk import clock
from supportdesk.tips import sending, services


@shared_task(name="tips.send")
def send() -> int:
    """Puts the next lot of an issue into the outbox (R15)."""
    return sending.send_due(at=clock.now())


@shared_task(name="tips.sweep")
def sweep() -> int:
    """Deletes what was asked for and not confirmed, some days later (D34)."""
    return services.sweep_asked(at=clock.now())

"""Mails to those who work here. They belong to no conversation: staff answer on the desk (D13, D26)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.models import Incident
from incidents.queries import told_of_clocks
from sla.models import ResponseClock
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail


def warned(incident: Incident, *, clock: ResponseClock, minutes: int, at: datetime) -> int:
    """Tells the owner, or everyone on the desk, that a deadline is near; gives how many mails were queued (D13)."""
    return _tell_staff("warned", incident, clock=clock, key=f"clock-warned:{clock.pk}:{minutes}", at=at, left=minutes)


def breached(incident: Incident, *, clock: ResponseClock, at: datetime) -> int:
    """Tells the owner, or everyone on the desk, that a deadline has passed; gives how many mails were queued (D13)."""
    return _tell_staff("breached", incident, clock=clock, key=f"clock-breached:{clock.pk}", at=at)


def _tell_staff(name: str, incident: Incident, *, clock: ResponseClock, key: str, at: datetime, **context: Any) -> int:
    """One mail to each who is told. It belongs to no conversation: staff answer on the desk (D26)."""
    sent = 0
    link = settings.BASE_URL + reverse("desk:incident", args=[incident.number])
    for reader in told_of_clocks(incident.owner):
        if not can_be_mailed(reader.email):
            continue
        rendered = render_mail(
            f"staff_{name}",
            {
                "incident": incident,
                "customer": incident.customer,
                "clock": clock,
                "reader": reader,
                "link": link,
                "at": at,
                **context,
            },
        )
        queue_mail(
            to_address=reader.email,
            to_name=reader.name,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            at=at,
            kind=f"staff_{name}",
            key=f"{key}:{reader.pk}",
            about=f"incident:{incident.pk}",
        )
        sent += 1
    return sent

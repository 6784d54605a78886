"""Mails to those who work here. They belong to no conversation: staff answer on the desk (D26, D39)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.models import Incident, NoticeCode
from incidents.notices import place_of, say
from sla.models import ResponseClock
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.people.models import User

# These say more than a line: when an answer was due there and here (D13, D21).
OWN_SHAPE = frozenset({NoticeCode.WARNED, NoticeCode.BREACHED})


def kind_of(code: NoticeCode) -> str:
    """What the outbox calls a notice of that code."""
    return f"staff_{code.value}"


def staff_notices(
    code: NoticeCode,
    *,
    incident: Incident | None,
    to: Iterable[User],
    key: str,
    data: Mapping[str, Any],
    at: datetime,
) -> None:
    """One mail to each; ``key`` names the cause. It says what is so and where, nothing that a customer wrote."""
    readers = [reader for reader in to if can_be_mailed(reader.email)]
    if not readers:
        return
    name, values = place_of(code, incident)
    context: dict[str, Any] = {
        "said": say(code, data),
        "at": at,
        "incident": incident,
        "customer": None if incident is None else incident.customer,
        "link": settings.BASE_URL + reverse(name, args=values),
        "settings_link": settings.BASE_URL + reverse("desk:notice_settings"),
    }
    if code in OWN_SHAPE:
        context |= {"clock": ResponseClock.objects.get(pk=data["clock"]), "left": data.get("minutes")}
    for reader in readers:
        rendered = render_mail(kind_of(code) if code in OWN_SHAPE else "staff_notice", {**context, "reader": reader})
        queue_mail(
            to_address=reader.email,
            to_name=reader.name,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            at=at,
            kind=kind_of(code),
            key=f"{key}:{code.value}:{reader.pk}",
            about="" if incident is None else f"incident:{incident.pk}",
        )

"""The mails about points, one function each. They are rows of the outbox, written with what causes them (D7, D30)."""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from points.models import Hold, HoldDecision, Lot, LowBalance
from points.queries import balance, told_of_points
from points.warnings import days_left, lasts_all_day
from supportdesk.mail.outgoing import NotAnAddress, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.people.models import Customer, Edition
from supportdesk.places import city_of


def expiring(lot: Lot, *, days: int, at: datetime) -> int:
    """Which points expire and when, by the calendar of their purchase; gives how many mails were queued."""
    zone = lot.purchase.zone
    return _send(
        "expiring",
        lot.customer,
        at=at,
        key=f"points-expiring:{lot.pk}:{days}",
        about=f"lot:{lot.pk}",
        lot=lot,
        zone=zone,
        place=lot.customer.place_name if zone == lot.customer.zone else city_of(zone),
        days_left=days_left(expires_at=lot.expires_at, zone=zone, at=at),
        all_day=lasts_all_day(expires_at=lot.expires_at, zone=zone),
        on_hand=balance(customer_id=lot.customer_id, at=at),
    )


def low(mark: LowBalance, *, at: datetime) -> int:
    """How many points are left, and what incidents cost; gives how many mails were queued."""
    cause = f"charge-{mark.charge_id}" if mark.charge_id else mark.fell_at.isoformat()
    return _send(
        "low",
        mark.customer,
        at=at,
        key=f"points-low:{mark.customer_id}:{cause}",
        about=f"customer:{mark.customer_id}",
        on_hand=mark.on_hand,
        by_phone=mark.customer.edition != Edition.COMMUNITY,
    )


def bought(lot: Lot, *, at: datetime) -> int:
    """What was bought and paid, and through which day it can be spent; gives how many mails were queued (D32)."""
    return _send(
        "bought",
        lot.customer,
        at=at,
        key=f"points-bought:{lot.purchase_id}",
        about=f"customer:{lot.customer_id}",
        lot=lot,
        purchase=lot.purchase,
        zone=lot.purchase.zone,
        on_hand=balance(customer_id=lot.customer_id, at=at),
    )


def held(hold: Hold, *, points: int, at: datetime) -> int:
    """How many points are on hold and why; gives how many mails were queued (D32)."""
    customer = hold.purchase.customer
    return _send(
        "held",
        customer,
        at=at,
        key=f"points-held:{hold.pk}",
        about=f"customer:{customer.pk}",
        hold=hold,
        purchase=hold.purchase,
        points=points,
        on_hand=balance(customer_id=customer.pk, at=at),
    )


def hold_decided(decision: HoldDecision, *, at: datetime) -> int:
    """That held points are free again, or written off, and why; gives how many mails were queued (D32)."""
    customer = decision.hold.purchase.customer
    return _send(
        "hold_decided",
        customer,
        at=at,
        key=f"points-hold-decided:{decision.pk}",
        about=f"customer:{customer.pk}",
        decision=decision,
        purchase=decision.hold.purchase,
        on_hand=balance(customer_id=customer.pk, at=at),
    )


def _buy_link() -> str:
    """Where points are bought by card; empty where they are not (D32)."""
    return settings.BASE_URL + reverse("portal:buy") if settings.STRIPE_SECRET_KEY else ""


def _send(name: str, customer: Customer, *, at: datetime, key: str, about: str, **context: Any) -> int:
    """One mail to everybody who is told; an address that is none keeps nobody else from theirs."""
    sent = 0
    link = settings.BASE_URL + reverse("portal:points")
    common = {"customer": customer, "link": link, "buy_link": _buy_link(), "at": at}
    rendered = render_mail(f"points_{name}", {**common, **context})
    for contact in told_of_points(customer.pk):
        with suppress(NotAnAddress):
            queue_mail(
                to_address=contact.email,
                to_name=contact.name,
                subject=rendered.subject,
                text=rendered.text,
                html=rendered.html,
                at=at,
                kind=f"points_{name}",
                key=f"{key}:{contact.pk}",
                about=about,
            )
            sent += 1
    return sent

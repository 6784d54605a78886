"""Makers of product failures, and what a refusal must not have changed."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents.cases import CreditCase
from incidents.models import Incident, TimelineEntry
from incidents.services import crediting
from points.models import Entry, Lot
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import key

DAY = timedelta(days=1)


def marked(incident: Incident, cast: Cast, *, at: datetime, reference: str = "QM-4518", key_: str = "") -> CreditCase:
    return crediting.mark_bug(
        incident_id=incident.pk, reference=reference, user=cast.technician, at=at, key=key_ or key()
    )


def decide(case: CreditCase, cast: Cast, outcome: str = "credited", *, at: datetime, **given: object) -> CreditCase:
    values = {"reason": "", "user": cast.admin, "key": key(), **given}
    return crediting.determine(case_id=case.pk, outcome=outcome, at=at, **values)  # type: ignore[arg-type]


def everything() -> tuple[object, ...]:
    """What a refusal must not have changed."""
    return (
        list(CreditCase.objects.order_by("pk").values()),
        list(Lot.objects.order_by("pk").values()),
        Entry.objects.count(),
        list(Incident.objects.order_by("pk").values()),
        TimelineEntry.objects.count(),
        OutgoingMail.objects.count(),
    )


def mail(kind: str) -> OutgoingMail:
    return OutgoingMail.objects.get(kind=f"incident_{kind}")


def flat(text: str) -> str:
    return " ".join(text.split())

"""Mail that belongs nowhere for sure, put before the technicians (D26, D29, D39)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction

from incidents.models import HeldMail, HeldReason, NoticeCode, Settled
from incidents.notices import everyone
from incidents.services.noticing import notify, tell_of_held
from supportdesk.mail.incoming import read
from supportdesk.mail.models import Outcome, RawMail

HELD_CHARS = 20_000
# How long after giving a mail up its row is still looked for; the index keeps that cheap.
GIVEN_UP_FOR = timedelta(days=30)


@transaction.atomic
def hold(
    *,
    raw: RawMail,
    reason: str,
    at: datetime,
    sender: str = "",
    subject: str = "",
    text: str = "",
    incident: int | None = None,
) -> HeldMail:
    """Puts a mail before the technicians, and tells them (D26, D39); that of a blocked sender is put away at once."""
    blocked = reason == HeldReason.BLOCKED
    held, made = HeldMail.objects.get_or_create(
        raw_mail=raw,
        defaults={
            "reason": reason,
            "sender": sender[:320],
            "subject": subject[:400],
            "text": text[:HELD_CHARS],
            "incident_id": incident,
            "held_at": at,
            "settled_at": at if blocked else None,
            "settled_as": Settled.BLOCKED if blocked else "",
        },
    )
    if made and not blocked:
        notify(NoticeCode.MAIL_HELD, to=everyone(), at=at, key=f"held:{held.pk}", data={"held": held.pk})
        tell_of_held(at=at)
    return held


def hold_given_up(*, at: datetime) -> int:
    """Puts the mails that were given up before the technicians, and gives how many (D29).

    Whoever gave one up may have died in the next moment, so every run looks for them. The row is made of what
    is stored; only then is the mail read once more, for it may have been what killed.
    """
    since = at - GIVEN_UP_FOR
    given_up = RawMail.objects.filter(outcome=Outcome.HELD, handled_at__gte=since, held=None).defer("source")
    count = 0
    for raw in given_up.order_by("handled_at")[:100]:
        held = hold(raw=raw, reason=HeldReason.UNREADABLE, at=at, sender=raw.mail_from)
        count += 1
        mail = read(raw)
        held.sender = (mail.from_address or raw.mail_from)[:320]
        held.subject, held.text = mail.subject[:400], mail.text[:HELD_CHARS]
        held.save(update_fields=["sender", "subject", "text"])
    return count

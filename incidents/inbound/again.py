"""A held mail that is filed once more: what a technician made of it stays, nothing is added twice (D26, D29)."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from incidents.models import Draft, HeldMail, HeldReason, Message, Settled
from supportdesk.mail.models import Outcome, RawMail
from supportdesk.rows import columns, fetch, made

_HELD: Final = f"""
    SELECT {columns(HeldMail, "incidents_heldmail")} FROM incidents_heldmail WHERE raw_mail_id = %s FOR UPDATE
"""  # noqa: S608


def held_before(raw: RawMail) -> HeldMail | None:
    """The row of the mail among held mail, locked; None where it was never held."""
    rows = fetch(_HELD, [raw.pk])
    return made(HeldMail, rows[0]) if rows else None


def is_settled(held: HeldMail) -> bool:
    """True where it has become a message or a draft."""
    return held.settled_as in (Settled.ATTACHED, Settled.DRAFT)


def settle_again(held: HeldMail, *, outcome: Outcome, reason: str, at: datetime) -> None:
    """Says among held mail what came of filing it once more; held again, it is open for a technician again."""
    settled_as, incident_id, draft = "", None, None
    if outcome == Outcome.DRAFT:
        settled_as, draft = Settled.DRAFT, Draft.objects.filter(raw_mail=held.raw_mail_id).first()
    elif outcome == Outcome.HELD:
        settled_as = Settled.BLOCKED if reason == HeldReason.BLOCKED else ""
    else:
        message = Message.objects.filter(raw_mail=held.raw_mail_id).first()
        settled_as, incident_id = Settled.ATTACHED, message and message.incident_id
    HeldMail.objects.filter(pk=held.pk).update(
        reason=reason[:20] if outcome == Outcome.HELD else held.reason,
        settled_as=settled_as,
        settled_at=at if settled_as else None,
        settled_by=None,
        attached_to=incident_id,
        draft=draft,
    )

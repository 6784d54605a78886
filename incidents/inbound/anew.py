"""Held mail decided once more, by what is known now (D26)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from incidents.filing import decide
from incidents.inbound.carrying import carry_out
from incidents.inbound.evidence import evidence_of, senders_of
from incidents.inbound.settling import AlreadySettled, lock_held, settle
from incidents.models import Draft, HeldMail, Incident, Message, Settled
from supportdesk.mail.incoming import read
from supportdesk.mail.models import Outcome
from supportdesk.people.models import User
from supportdesk.people.services import add_address
from supportdesk.policy import POLICY


@transaction.atomic
def file_anew(*, held_id: int, user: User, at: datetime) -> HeldMail:
    """Decides a held mail again: added, kept, made a draft, or held still, with the reason of now (D26).

    Held still, its sender is answered nothing again. Raises AlreadySettled, and what its message refuses; then
    nothing has changed.
    """
    held = lock_held(held_id)
    mail = read(held.raw_mail)
    senders = senders_of(mail)
    decision = decide(evidence_of(held.raw_mail, mail, senders, at=at))
    if decision.action == "hold":
        return _hold_still(held, decision.reason, decision.incident)
    outcome, reason = carry_out(decision, raw=held.raw_mail, mail=mail, senders=senders, at=at)
    if outcome == Outcome.HELD:
        return _hold_still(held, reason, decision.incident)
    message = Message.objects.select_related("incident").filter(raw_mail=held.raw_mail_id).first()
    if message is not None:
        settle(held, Settled.ATTACHED, user=user, at=at, attached_to=message.incident)
    else:
        made = Q(pk=decision.draft) if decision.draft is not None else Q(raw_mail=held.raw_mail_id)
        settle(held, Settled.DRAFT, user=user, at=at, draft=Draft.objects.get(made))
    return held


def _hold_still(held: HeldMail, reason: str, incident: int | None) -> HeldMail:
    held.reason, held.incident_id = reason, incident
    held.save(update_fields=["reason", "incident"])
    return held


@dataclass(slots=True, kw_only=True)
class Filed:
    """What became of the mails of an address; ``left`` were not looked at, ``incidents`` have what was added."""

    added: int = 0
    drafts: int = 0
    held: int = 0
    left: int = 0
    mails: list[int] = field(default_factory=list)
    incidents: dict[int, Incident] = field(default_factory=dict)


def belongs_to(*, held_id: int, contact_id: int, user: User, at: datetime, confirmed: bool = False) -> Filed:
    """The sender's address is one that the contact writes from; what waits from it is decided anew (D26).

    Each mail in a transaction of its own, POLICY.filed_anew_at_once of them: one that cannot be filed stays held.
    Raises AlreadySettled, and what ``add_address`` refuses; then nothing has changed.
    """
    with transaction.atomic():
        held = lock_held(held_id)
        add_address(contact_id=contact_id, address=held.sender, at=at, by=user, confirmed=confirmed)
    return file_those_of(held.sender, user=user, at=at)


def file_those_of(address: str, *, user: User, at: datetime) -> Filed:
    """Decides anew what is held of an address, the oldest first (D26)."""
    waiting = HeldMail.objects.filter(settled_at=None).alias(low=Lower("sender")).filter(low=address.lower())
    ids = list(waiting.order_by("held_at", "pk").values_list("pk", flat=True)[: POLICY.filed_anew_at_once])
    done = Filed(left=waiting.count() - len(ids), mails=ids)
    for pk in ids:
        try:
            after = file_anew(held_id=pk, user=user, at=at)
        except AlreadySettled:
            continue
        if after.attached_to is not None:
            done.incidents[after.attached_to.pk] = after.attached_to
        done.added += after.settled_as == Settled.ATTACHED
        done.drafts += after.settled_as == Settled.DRAFT
        done.held += after.settled_at is None
    return done

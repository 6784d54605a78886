"""Mails about a case that is divided, or would be once there are points (D8, D14). None of them is a response (D11)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.mails.sending import send, tell
from incidents.models import Incident, Proposal
from points.models import Charge
from points.queries import balance, charge_parts
from sla.models import ResponseClock
from sla.queries import explain_clock
from supportdesk.mail.models import OutgoingMail


@dataclass(frozen=True, slots=True, kw_only=True)
class MadePart:
    """A part that has become an incident, with its charge and its clock."""

    incident: Incident
    charge: Charge
    clock: ResponseClock


def split_off(part: MadePart, *, origin: Incident, at: datetime) -> OutgoingMail | None:
    """The part's own number, by when a technician answers, and what was spent (R9, D14)."""
    incident = part.incident
    return send(
        "split_off",
        incident,
        to=incident.contact,
        at=at,
        key=f"split-off:{incident.pk}",
        origin=origin,
        clock=part.clock,
        rows=explain_clock(part.clock),
        spent=part.charge.points,
        parts=charge_parts(charge_id=part.charge.pk),
        kept=balance(customer_id=incident.customer_id, at=at),
    )


def split(incident: Incident, *, proposal: Proposal, parts: Sequence[MadePart], at: datetime) -> list[OutgoingMail]:
    """What stays under the number, and the numbers of all that became incidents of their own (D14).

    A restricted contact who only follows it is told how many they are: they see none of them (D21, D38).
    """
    made = [(part, _link(part.incident)) for part in parts]
    return tell("split", incident, at=at, key=f"split:{proposal.pk}", made=made, by_customer=proposal.accepted_by)


def split_proposed(
    incident: Incident, *, proposal: Proposal, needed: int, on_hand: int, at: datetime
) -> OutgoingMail | None:
    """What would be divided, what it costs, what is missing, and where one click carries it out (D8).

    To the contact alone, who sees the quote of their own incident: whoever else reads along need not see points (D21).
    """
    kept, *parts = proposal.parts.all()
    return send(
        "split_proposed",
        incident,
        to=incident.contact,
        at=at,
        key=f"split-proposed:{proposal.pk}",
        proposal=proposal,
        kept=kept,
        parts=parts,
        price=needed // len(parts),
        needed=needed,
        on_hand=on_hand,
        short_by=needed - on_hand,
        proposal_link=f"{_link(incident)}#proposal",
    )


def split_withdrawn(incident: Incident, *, proposal: Proposal, at: datetime) -> OutgoingMail | None:
    """The incident stays whole: nothing is asked of the customer any more, nothing was spent."""
    return send("split_withdrawn", incident, to=incident.contact, at=at, key=f"split-withdrawn:{proposal.pk}")


def _link(incident: Incident) -> str:
    return settings.BASE_URL + reverse("portal:incident", args=[incident.number])

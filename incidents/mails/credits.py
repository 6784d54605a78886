"""Mails about product failures and what comes back for them (R14, D17)."""

from __future__ import annotations

from datetime import datetime

from incidents.mails.sending import send
from incidents.models import Incident
from incidents.queries import Credit
from points.models import Refund
from supportdesk.mail.models import OutgoingMail


def bug_marked(incident: Incident, *, credit: Credit, at: datetime) -> OutgoingMail | None:
    """It was a bug of ours: points or card, each as it would come today, and by when to say which (R14, D17)."""
    return send("bug_marked", incident, to=incident.contact, at=at, key=f"bug-marked:{credit.case.pk}", credit=credit)


def bug_determined(incident: Incident, *, credit: Credit, at: datetime) -> OutgoingMail | None:
    """What came back and until when, or why nothing does (D17)."""
    key = f"bug-determined:{credit.case.pk}"
    return send("bug_determined", incident, to=incident.contact, at=at, key=key, credit=credit)


def refund_failed(incident: Incident, *, credit: Credit, refund: Refund, at: datetime) -> OutgoingMail | None:
    """The card did not take what goes back, so it comes back as points: which, and until when (D4)."""
    credits_ = tuple(part for part in credit.parts if part.lot.purchase_id == refund.purchase_id)
    key = f"refund-failed:{refund.pk}"
    return send(
        "refund_failed",
        incident,
        to=incident.contact,
        at=at,
        key=key,
        credit=credit,
        refund=refund,
        parts=credits_,
        held=any(part.held for part in credits_),
    )

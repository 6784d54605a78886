"""Mails about drafts and proposals that are about to lapse (D8, D14)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.mails.sending import tell
from incidents.models import Draft, Proposal
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.policy import POLICY


def draft_lapsing(draft: Draft, *, at: datetime) -> OutgoingMail | None:
    """Through which day a report is kept that was not sent yet, and what it needs (D8). It belongs to no incident."""
    to = draft.contact
    if not to.email or to.removed_at is not None or not can_be_mailed(to.email):
        return None
    rendered = render_mail(
        "draft_lapsing",
        {
            "draft": draft,
            "customer": draft.customer,
            "needed": POLICY.points_for(draft.channel),
            "link": settings.BASE_URL + reverse("portal:draft", args=[draft.pk]),
        },
    )
    return queue_mail(
        to_address=to.email,
        to_name=to.name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind="draft_lapsing",
        key=f"draft-lapsing:{draft.pk}",
        about=f"draft:{draft.pk}",
    )


def proposal_lapsing(proposal: Proposal, *, at: datetime) -> list[OutgoingMail]:
    """Through which day a proposal is kept that waits for points (D14)."""
    return tell("proposal_lapsing", proposal.incident, at=at, key=f"proposal-lapsing:{proposal.pk}", proposal=proposal)

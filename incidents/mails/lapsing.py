"""Mails about drafts and proposals that are about to lapse (D8, D14)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.mails.drafts import can_be_told
from incidents.mails.sending import tell
from incidents.models import Draft, DraftMail, Proposal
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.policy import POLICY


def draft_lapsing(draft: Draft, *, at: datetime) -> OutgoingMail | None:
    """Through which day a report is kept that was not sent yet, and what it needs (D8). It belongs to no incident.

    Of a mail that nobody has said anything about yet, not a word is repeated: it may be a forger's (D27).
    """
    to = draft.contact
    if not can_be_told(to):
        return None
    came = [*draft.mails.values_list("came__message_id", "sent__message_id")]
    thread = [one or other for one, other in came]
    rendered = render_mail(
        "draft_lapsing",
        {
            "draft": draft,
            "customer": draft.customer,
            "at": at,
            "needed": POLICY.points_for(draft.channel),
            "link": settings.BASE_URL + reverse("portal:draft", args=[draft.pk]),
        },
    )
    mail = queue_mail(
        to_address=to.email,
        to_name=to.name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind="draft_lapsing",
        key=f"draft-lapsing:{draft.pk}",
        about=f"draft:{draft.pk}",
        references=thread,
    )
    DraftMail.objects.get_or_create(sent=mail, defaults={"draft": draft})
    return mail


def proposal_lapsing(proposal: Proposal, *, at: datetime) -> list[OutgoingMail]:
    """Through which day a proposal is kept that waits for points (D14)."""
    return tell("proposal_lapsing", proposal.incident, at=at, key=f"proposal-lapsing:{proposal.pk}", proposal=proposal)

"""The mail that says that a mail was kept as a draft (D27)."""

from __future__ import annotations

from datetime import datetime

from django.conf import settings
from django.urls import reverse

from incidents.models import Draft
from points.queries import balance
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.outgoing import can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.people.models import Contact
from supportdesk.policy import POLICY

DRAFT_MADE = "draft_made"


def can_be_told(contact: Contact) -> bool:
    """True where a mail reaches the contact: only then can they be sent the link to a draft."""
    return bool(contact.email) and contact.removed_at is None and can_be_mailed(contact.email)


def draft_made(draft: Draft, *, raw: RawMail, several: bool, at: datetime) -> OutgoingMail | None:
    """That a mail is kept as a draft, what opening it costs, and the link; in the thread of that mail (D27).

    Not a word of what was written: whoever puts somebody else's address into From would be heard there. It goes to the
    stored address alone. The points are those of the contact's customer: not told where there are ``several``, of
    which they choose, nor to who may not see the points (D21).
    """
    to = draft.contact
    if not can_be_told(to):
        return None
    rendered = render_mail(
        DRAFT_MADE,
        {
            "draft": draft,
            "customer": draft.customer,
            "came_at": raw.received_at,
            "needed": POLICY.points_for(draft.channel),
            "on_hand": None if several or to.restricted else balance(customer_id=draft.customer_id, at=at),
            "several": several,
            "at": at,
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
        kind=DRAFT_MADE,
        key=f"draft-made:{draft.pk}",
        about=f"draft:{draft.pk}",
        in_reply_to=raw.message_id,
        references=(raw.message_id,),
    )

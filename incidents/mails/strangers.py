"""Mails to addresses that nobody vouches for (D27): the same words whoever wrote."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.models import VisitorReport
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import NotAnAddress, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.policy import POLICY

NOT_FILED = "not_filed"
TOO_BIG = "too_big"
LINK, NO_CUSTOMER = "report_link", "report_no_customer"
VISITED = (LINK, NO_CUSTOMER)


def not_filed(*, to_address: str, about: str, in_reply_to: str, key: str, at: datetime) -> OutgoingMail | None:
    """Says that a mail was taken and that a person looks at it (D27); the caller keeps to one a day.

    The same words whoever wrote: they tell neither who is a customer nor what a ticket number belongs to,
    and they repeat nothing of what was written.
    """
    return _answer(NOT_FILED, {}, to_address=to_address, about=about, in_reply_to=in_reply_to, key=key, at=at)


def too_big(*, to_address: str, about: str, in_reply_to: str, key: str, at: datetime) -> OutgoingMail | None:
    """Says that a mail was larger than the desk takes, and where a file goes instead (D31); once a day, as above."""
    context = {"megabytes": POLICY.mail_bytes_max // 1024**2, "link": settings.BASE_URL + reverse("portal:home")}
    return _answer(TOO_BIG, context, to_address=to_address, about=about, in_reply_to=in_reply_to, key=key, at=at)


def _answer(
    name: str, context: Mapping[str, Any], *, to_address: str, about: str, in_reply_to: str, key: str, at: datetime
) -> OutgoingMail | None:
    rendered = render_mail(name, {"report_link": settings.BASE_URL + reverse("portal:report"), **context})
    try:
        return queue_mail(
            to_address=to_address,
            to_name="",
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            at=at,
            kind=name,
            key=f"{name.replace('_', '-')}:{key}",
            about=about,
            in_reply_to=in_reply_to,
            references=(in_reply_to,),
        )
    except NotAnAddress:
        return None


def visited(visit: VisitorReport, *, token: str, is_known: bool, about: str, at: datetime) -> OutgoingMail:
    """The link to a visitor's report, or how to become a customer (D25). Not a word of what the visitor wrote:
    whoever fills in the form with somebody else's address would be heard there.
    """
    name = LINK if is_known else NO_CUSTOMER
    rendered = render_mail(
        name,
        {
            "link": settings.BASE_URL + reverse("portal:follow_link", args=[token]),
            "report_link": settings.BASE_URL + reverse("portal:report"),
        },
    )
    return queue_mail(
        to_address=visit.email,
        to_name="",
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=name,
        key=f"visit:{visit.pk}",
        about=about,
    )

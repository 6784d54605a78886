"""The mails of an incident, one function each. They are rows of the outbox, written with what causes them (D30).

Mail goes to stored addresses of contacts only; a contact without one gets none (D21, D26).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.conf import settings
from django.urls import reverse

from incidents.models import Incident, IncidentMail, Message
from incidents.queries import Credit, told_of_clocks
from incidents.windows import reopen_until
from points.models import Charge, Refund
from points.queries import balance, charge_parts
from sla.models import ResponseClock
from sla.queries import explain_clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import NotAnAddress, can_be_mailed, queue_mail
from supportdesk.mail.render import render_mail
from supportdesk.mail.tokens import reply_address
from supportdesk.people.models import Contact
from supportdesk.places import zone_info

THREAD_IDS = 8
NOT_FILED = "not_filed"


def opened(incident: Incident, *, charge: Charge, clock: ResponseClock, text: str, at: datetime) -> OutgoingMail | None:
    """The ticket number, by when a technician answers, what was spent, and what was written (R7)."""
    return _send(
        "opened",
        incident,
        to=incident.contact,
        at=at,
        key=f"opened:{incident.pk}",
        clock=clock,
        rows=explain_clock(clock),
        spent=charge.points,
        parts=charge_parts(charge_id=charge.pk),
        kept=balance(customer_id=incident.customer_id, at=at),
        text=text,
    )


def answered(incident: Incident, *, message: Message, at: datetime) -> OutgoingMail | None:
    """A technician's answer (D11)."""
    return _send("answered", incident, to=incident.contact, at=at, key=f"message:{message.pk}", message=message)


def closed(incident: Incident, *, message: Message | None, at: datetime) -> OutgoingMail | None:
    """The closure, with its resolution, and until when it can be re-opened (R13)."""
    return _send(
        "closed",
        incident,
        to=incident.contact,
        at=at,
        key=f"closed:{incident.pk}:{at.isoformat()}",
        message=message,
        reopen_until=_reopen_until(incident),
    )


def reopened(incident: Incident, *, clock: ResponseClock, at: datetime) -> OutgoingMail | None:
    """The same problem again: open, at no charge, with a fresh deadline (D16)."""
    return _send(
        "reopened",
        incident,
        to=incident.contact,
        at=at,
        key=f"reopened:{clock.pk}",
        clock=clock,
        rows=explain_clock(clock),
    )


def reopening_refused(incident: Incident, *, message: Message, at: datetime) -> OutgoingMail | None:
    """A different problem, with the reason, and the way to a new report (D16)."""
    return _send(
        "reopening_refused", incident, to=incident.contact, at=at, key=f"message:{message.pk}", message=message
    )


def reopening_too_late(incident: Incident, *, contact: Contact, at: datetime) -> OutgoingMail | None:
    """The window is over; what was written is kept, and a new report is offered (D16)."""
    return _send(
        "reopening_too_late",
        incident,
        to=contact,
        at=at,
        # Once a day: two machines that answer each other end here.
        key=f"too-late:{incident.pk}:{contact.pk}:{at.astimezone(zone_info(incident.customer.zone)):%Y-%m-%d}",
        reopen_until=_reopen_until(incident),
    )


def bug_marked(incident: Incident, *, credit: Credit, at: datetime) -> OutgoingMail | None:
    """It was a bug of ours: points or card, each as it would come today, and by when to say which (R14, D17)."""
    return _send("bug_marked", incident, to=incident.contact, at=at, key=f"bug-marked:{credit.case.pk}", credit=credit)


def bug_determined(incident: Incident, *, credit: Credit, at: datetime) -> OutgoingMail | None:
    """What came back and until when, or why nothing does (D17)."""
    key = f"bug-determined:{credit.case.pk}"
    return _send("bug_determined", incident, to=incident.contact, at=at, key=key, credit=credit)


def refund_failed(incident: Incident, *, credit: Credit, refund: Refund, at: datetime) -> OutgoingMail | None:
    """The card did not take what goes back, so it comes back as points: which, and until when (D4)."""
    credits_ = tuple(part for part in credit.parts if part.lot.purchase_id == refund.purchase_id)
    key = f"refund-failed:{refund.pk}"
    return _send(
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


def warned(incident: Incident, *, clock: ResponseClock, minutes: int, at: datetime) -> int:
    """Tells the owner, or everyone on the desk, that a deadline is near; gives how many mails were queued (D13)."""
    return _tell_staff("warned", incident, clock=clock, key=f"clock-warned:{clock.pk}:{minutes}", at=at, left=minutes)


def breached(incident: Incident, *, clock: ResponseClock, at: datetime) -> int:
    """Tells the owner, or everyone on the desk, that a deadline has passed; gives how many mails were queued (D13)."""
    return _tell_staff("breached", incident, clock=clock, key=f"clock-breached:{clock.pk}", at=at)


def not_filed(*, to_address: str, about: str, in_reply_to: str, key: str, at: datetime) -> OutgoingMail | None:
    """Says that a mail was taken and that a person looks at it (D27); the caller keeps to one a day.

    The same words whoever wrote: they tell neither who is a customer nor what a ticket number belongs to,
    and they repeat nothing of what was written.
    """
    rendered = render_mail("not_filed", {"report_link": settings.BASE_URL + reverse("portal:report")})
    try:
        return queue_mail(
            to_address=to_address,
            to_name="",
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            at=at,
            kind=NOT_FILED,
            key=f"not-filed:{key}",
            about=about,
            in_reply_to=in_reply_to,
            references=(in_reply_to,),
        )
    except NotAnAddress:
        return None


def _reopen_until(incident: Incident) -> datetime | None:
    if incident.first_closed_at is None:
        return None
    return reopen_until(first_closed_at=incident.first_closed_at, zone=incident.customer.zone)


def _send(
    name: str,
    incident: Incident,
    *,
    to: Contact,
    at: datetime,
    key: str,
    message: Message | None = None,
    **context: Any,
) -> OutgoingMail | None:
    if not to.email or to.removed_at is not None or not can_be_mailed(to.email):
        return None
    rendered = render_mail(
        f"incident_{name}",
        {
            "incident": incident,
            "contact": to,
            "customer": incident.customer,
            "message": message,
            "can_answer": True,
            "link": settings.BASE_URL + reverse("portal:incident", args=[incident.number]),
            "report_link": settings.BASE_URL + reverse("portal:report"),
            **context,
        },
    )
    thread = _thread(incident)
    theirs = _last_message_id(incident)
    mail = queue_mail(
        to_address=to.email,
        to_name=to.name,
        subject=rendered.subject,
        text=rendered.text,
        html=rendered.html,
        at=at,
        kind=f"incident_{name}",
        key=key,
        about=f"incident:{incident.pk}",
        reply_to=reply_address(incident_id=incident.pk, contact_id=to.pk),
        in_reply_to=theirs or (thread[-1] if thread else ""),
        references=(*thread, *([theirs] if theirs else [])),
        automatic=message is None,
    )
    IncidentMail.objects.get_or_create(mail=mail, defaults={"incident": incident, "contact": to, "message": message})
    return mail


def _tell_staff(name: str, incident: Incident, *, clock: ResponseClock, key: str, at: datetime, **context: Any) -> int:
    """One mail to each who is told. It belongs to no conversation: staff answer on the desk (D26)."""
    sent = 0
    link = settings.BASE_URL + reverse("desk:incident", args=[incident.number])
    for reader in told_of_clocks(incident.owner):
        if not can_be_mailed(reader.email):
            continue
        rendered = render_mail(
            f"staff_{name}",
            {
                "incident": incident,
                "customer": incident.customer,
                "clock": clock,
                "reader": reader,
                "link": link,
                **context,
            },
        )
        queue_mail(
            to_address=reader.email,
            to_name=reader.name,
            subject=rendered.subject,
            text=rendered.text,
            html=rendered.html,
            at=at,
            kind=f"staff_{name}",
            key=f"{key}:{reader.pk}",
            about=f"incident:{incident.pk}",
        )
        sent += 1
    return sent


def _thread(incident: Incident) -> list[str]:
    """The Message-IDs that mail programs go by: of the first mail of the incident, and of the latest ones."""
    ids = incident.mails.values_list("mail__message_id", flat=True)
    latest = list(ids.order_by("-id")[:THREAD_IDS])[::-1]
    if len(latest) < THREAD_IDS:
        return latest
    return list(dict.fromkeys([*ids.order_by("id")[:1], *latest]))


def _last_message_id(incident: Incident) -> str:
    """The Message-ID of the customer's latest mail, so that their program shows our answer below it."""
    theirs = incident.messages.filter(raw_mail__isnull=False, kind="customer").order_by("at", "id")
    return theirs.values_list("raw_mail__message_id", flat=True).last() or ""

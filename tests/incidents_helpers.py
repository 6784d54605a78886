"""Makers of incidents and mails for the tests of every room that shows them."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable
from datetime import date, datetime
from email.utils import format_datetime
from typing import Any

from django.db import connections
from django.test import Client

from incidents.inbound import file_mail
from incidents.models import Channel, HeldMail, Incident, Kind, Message, Product, Release
from incidents.services import conversation, opening
from points.services import grant
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import RawMail
from supportdesk.people.models import Contact, Customer, User

_serial = itertools.count(1)
DESK = "support@support.quillmark.example"


def key() -> str:
    """A key that no form had before."""
    return f"test-key-{next(_serial)}"


def a_release(*, since: date = date(2026, 1, 1), until: date | None = None, name: str = "12.3") -> Release:
    """A release of one product, current all through the tests unless said otherwise (D19)."""
    product, _made = Product.objects.get_or_create(name="Quillmark Server")
    release, _made = Release.objects.get_or_create(
        product=product, name=name, defaults={"released_on": since, "supported_until": until}
    )
    return release


def with_points(customer: Customer, points: int, *, at: datetime) -> None:
    """Gives the customer points."""
    grant(customer=customer, points=points, at=at, reason="For the test", actor=None, key=key())


def a_report(contact: Contact, **given: Any) -> opening.Report:
    """A report as the form makes it."""
    values: dict[str, Any] = {
        "channel": Channel.EMAIL,
        "kind": Kind.OPERATION,
        "release_id": given.get("release_id") or a_release().pk,
        "subject": "It stops at night",
        "text": "Each night at two it stops.",
    }
    return opening.Report(contact=contact, **(values | given))


def opened(contact: Contact, *, at: datetime, points: int = 10, key_: str = "", **given: Any) -> Incident:
    """An incident that was paid with points bought for it."""
    if points:
        with_points(contact.customer, points, at=at)
    return opening.open_incident(report=a_report(contact, **given), at=at, key=key_ or key())


def answered(
    incident: Incident, user: User, *, at: datetime, then: str = "waiting", text: str = "Try this."
) -> Message:
    """A technician's answer."""
    return conversation.answer(incident_id=incident.pk, text=text, then=then, user=user, at=at, key=key())


def again(incident: Incident) -> Incident:
    """The incident as the database has it now."""
    return Incident.objects.select_related("customer", "contact", "owner").get(pk=incident.pk)


def steps(incident: Incident) -> list[str]:
    """The codes of its timeline, in order."""
    return list(incident.timeline.order_by("id").values_list("code", flat=True))


def signed_in(who: User | Contact | None) -> Client:
    """A browser in which they have signed in; nobody in one for None."""
    client = Client()
    user = who.user if isinstance(who, Contact) else who
    if user is not None:
        client.force_login(user, backend="allauth.account.auth_backends.AuthenticationBackend")
    return client


def raw_mail(
    *, sender: str, at: datetime, subject: str = "Hello", text: str = "It works now.", to: str = DESK, **headers: str
) -> bytes:
    """The source of a mail; further headers by name, underscores for dashes."""
    fields = {
        "From": sender,
        "To": to,
        "Date": format_datetime(at),
        "Message-ID": f"<{next(_serial)}@mail.example>",
        "Subject": subject,
        **{name.replace("_", "-"): value for name, value in headers.items()},
        "Content-Type": "text/plain; charset=utf-8",
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{head}\r\n{text}\r\n".encode()


def delivered(source: bytes, *, at: datetime, mail_from: str = "someone@mail.example", to: str = DESK) -> RawMail:
    """The mail as the gateway takes it, then filed as the worker does."""
    raw, _new = store_raw(source=source, mail_from=mail_from, rcpt_to=[to], at=at, via="smtp")
    file_mail(raw_id=raw.pk, at=at)
    raw.refresh_from_db()
    return raw


def mailed(*, at: datetime, to: str = DESK, mail_from: str = "someone@mail.example", **mail: str) -> RawMail:
    """A mail written, delivered and filed."""
    return delivered(raw_mail(at=at, to=to, **mail), at=at, to=to, mail_from=mail_from)


def why_held(raw: RawMail) -> str:
    """The reason for which a mail is held; empty where it is not."""
    held = HeldMail.objects.filter(raw_mail=raw).first()
    return "" if held is None else held.reason


def at_once(*works: Callable[[], Any]) -> list[Any]:
    """Runs all of them in threads that start together; gives what each returned, or the exception it raised."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(place: int, work: Callable[[], Any]) -> None:
        try:
            start.wait()
            results[place] = work()
        except Exception as error:
            results[place] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=(place, work)) for place, work in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results

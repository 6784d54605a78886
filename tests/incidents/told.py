"""Makers of followers and of what was told, for the tests of D38 and D39."""

from __future__ import annotations

from datetime import datetime

from incidents.models import Follower, Incident, Notice
from incidents.services import following
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.services import sign_in_for
from tests.cast import Cast


def a_mate(customer: Customer, name: str = "Mia Mate", *, email: str = "mia@acme.example", **given: bool) -> Contact:
    """A colleague who can sign in."""
    contact = Contact.objects.create(customer=customer, name=name, email=email, phone="+12125550100", **given)
    if email:
        sign_in_for(contact=contact)
    return contact


def follows(incident: Incident, contact: Contact, cast: Cast, *, at: datetime) -> Follower:
    """A follower whom a technician added."""
    return following.add_follower(incident_id=incident.pk, contact_id=contact.pk, user=cast.technician, at=at)


def mailed_to(kind: str) -> list[str]:
    """Who gets the mails of a kind, in the order of sending."""
    mails = OutgoingMail.objects.filter(kind=f"incident_{kind}").order_by("id")
    return list(mails.values_list("to_address", flat=True))


def on_page(user: User) -> list[str]:
    """The codes of somebody's notices, oldest first."""
    return list(Notice.objects.filter(user=user).order_by("id").values_list("code", flat=True))


def by_mail(user: User) -> list[str]:
    """The codes of what staff were mailed."""
    mails = OutgoingMail.objects.filter(kind__startswith="staff_", to_address=user.email).order_by("id")
    return [kind.removeprefix("staff_") for kind in mails.values_list("kind", flat=True)]

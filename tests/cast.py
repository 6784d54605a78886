"""The people of the tests, the same in every room."""

from __future__ import annotations

from dataclasses import dataclass

from supportdesk.people.models import Contact, Customer, Edition, User
from supportdesk.people.services import sign_in_for

PASSWORD = "correct horse battery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """``acme`` in New York with its owner and a restricted colleague; ``other`` in Berlin; staff in Kolkata."""

    acme: Customer
    owner: Contact
    restricted: Contact
    other: Customer
    stranger: Contact
    technician: User
    colleague: User
    admin: User


def make_cast() -> Cast:
    """Makes the cast; everybody signs in with ``PASSWORD``."""
    acme = Customer.objects.create(
        name="Acme Tools",
        edition=Edition.ENTERPRISE,
        country="US",
        subdivision="NY",
        zone="America/New_York",
        place_name="New York",
    )
    other = Customer.objects.create(
        name="Other Works",
        edition=Edition.COMMUNITY,
        country="DE",
        subdivision="BE",
        zone="Europe/Berlin",
        place_name="Berlin",
    )
    owner = Contact.objects.create(customer=acme, name="Olive Owner", email="olive@acme.example", is_administrator=True)
    restricted = Contact.objects.create(
        customer=acme, name="Rufus Restricted", email="rufus@acme.example", restricted=True
    )
    stranger = Contact.objects.create(customer=other, name="Otto Other", email="otto@other.example")
    for contact in (owner, restricted, stranger):
        user = sign_in_for(contact=contact)
        user.set_password(PASSWORD)
        user.save()
    staff = {"zone": "Asia/Kolkata", "place_name": "Kolkata"}
    return Cast(
        acme=acme,
        owner=owner,
        restricted=restricted,
        other=other,
        stranger=stranger,
        technician=User.objects.create_user(
            "tess@desk.example", PASSWORD, name="Tess Technician", is_technician=True, **staff
        ),
        colleague=User.objects.create_user(
            "carl@desk.example", PASSWORD, name="Carl Colleague", is_technician=True, **staff
        ),
        admin=User.objects.create_superuser("ada@desk.example", PASSWORD, name="Ada Admin", **staff),
    )

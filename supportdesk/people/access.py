"""The only source of people for pages and API (D22)."""

from __future__ import annotations

from typing import Final

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from supportdesk.people.models import STAFF, Contact, ContactAddress, Customer, User
from supportdesk.people.scope import Scope
from supportdesk.rows import columns, fetch, made

_WRITING_FROM: Final = f"""
    SELECT {columns(Contact, "contact")}, {columns(Customer, "customer")}
    FROM people_contact contact JOIN people_customer customer ON customer.id = contact.customer_id
    WHERE contact.removed_at IS NULL AND contact.id IN (
        SELECT id FROM people_contact WHERE removed_at IS NULL AND email <> '' AND lower(email) = %(low)s
        UNION SELECT contact_id FROM people_contactaddress WHERE lower(address) = %(low)s
    ) ORDER BY contact.name, contact.id
"""  # noqa: S608
_STAFF_WITH: Final = """
    SELECT EXISTS (SELECT FROM people_user WHERE (is_technician OR is_staff) AND lower(email) = %s)
"""


def customers_for(scope: Scope) -> QuerySet[Customer]:
    """Customers that ``scope`` may see."""
    if scope.desk:
        return Customer.objects.all()
    return Customer.objects.filter(id__in=scope.customer_ids)


def contacts_for(scope: Scope) -> QuerySet[Contact]:
    """Contacts that ``scope`` may see: all for the desk; themselves, and their colleagues unless restricted."""
    contacts = Contact.objects.filter(removed_at=None)
    if scope.desk:
        return contacts
    return contacts.filter(Q(id__in=scope.contact_ids) | Q(customer_id__in=scope.full_customer_ids))


def contacts_bounced(scope: Scope) -> QuerySet[Contact]:
    """Of those whom somebody signed in is, by address, the ones whose mails come back to us (D28)."""
    mine = Contact.objects.filter(id__in=scope.contact_ids, removed_at=None, bounced_at__isnull=False)
    return mine.order_by("email", "pk").distinct("email")


def technicians_for(scope: Scope) -> QuerySet[User]:
    """Staff whom an incident can be handed to; nobody for contacts."""
    staff = User.objects.filter(Q(is_technician=True) | Q(is_staff=True), is_active=True)
    return staff.order_by("name") if scope.desk else staff.none()


def contacts_by_email(address: str) -> QuerySet[Contact]:
    """Present contacts, of whatever customer, who write from that address: their own, or a further one (D26).

    Known is who wrote. Where something is sent to the address, or somebody signs in by it, ask ``contacts_mailed_at``.
    """
    low = address.strip().lower()
    own = _mailed_at(low).order_by().values("pk")
    further = ContactAddress.objects.alias(low=Lower("address")).filter(low=low).order_by().values("contact")
    # Two questions to two indexes: an OR over both tables would read every contact.
    return Contact.objects.filter(removed_at=None, pk__in=own.union(further)).select_related("customer")


def contacts_writing_from(address: str) -> list[Contact]:
    """The contacts of ``contacts_by_email`` with their customers, for the mails that come in."""
    size = len(Contact._meta.concrete_fields)
    found = []
    for row in fetch(_WRITING_FROM, {"low": address.strip().lower()}):
        contact = made(Contact, row[:size])
        contact.customer = made(Customer, row[size:])
        found.append(contact)
    return found


def contacts_mailed_at(address: str) -> QuerySet[Contact]:
    """Present contacts whose own address it is: what is sent there reaches them, and they sign in by it (D25, D33)."""
    return _mailed_at(address.strip().lower()).select_related("customer")


def _mailed_at(low: str) -> QuerySet[Contact]:
    return Contact.objects.filter(removed_at=None).exclude(email="").alias(low=Lower("email")).filter(low=low)


def staff_has_email(address: str) -> bool:
    """True where a member of staff signs in with that address: staff answer on the desk, not by mail (D26)."""
    return bool(fetch(_STAFF_WITH, [address.strip().lower()])[0][0])


def contacts_of_domain(domain: str) -> QuerySet[Contact]:
    """Present contacts who write from an address of that domain, their own or a further one."""
    ending = f"@{domain.strip().lower()}"
    own = (
        Contact.objects.filter(removed_at=None)
        .alias(low=Lower("email"))
        .filter(low__endswith=ending)
        .order_by()
        .values("pk")
    )
    further = ContactAddress.objects.alias(low=Lower("address")).filter(low__endswith=ending).order_by()
    found = Contact.objects.filter(removed_at=None, pk__in=own.union(further.values("contact")))
    return found.select_related("customer")


def staff_has_domain(domain: str) -> bool:
    """True where a member of staff signs in with an address of that domain."""
    staff = User.objects.filter(STAFF).alias(low=Lower("email"))
    return staff.filter(low__endswith=f"@{domain.strip().lower()}").exists()

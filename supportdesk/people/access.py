"""The only source of people for pages and API (D22)."""

from __future__ import annotations

from django.db.models import Q, QuerySet
from django.db.models.functions import Lower

from supportdesk.people.models import Contact, Customer, User
from supportdesk.people.scope import Scope


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


def technicians_for(scope: Scope) -> QuerySet[User]:
    """Staff whom an incident can be handed to; nobody for contacts."""
    staff = User.objects.filter(Q(is_technician=True) | Q(is_staff=True), is_active=True)
    return staff.order_by("name") if scope.desk else staff.none()


def contacts_by_email(address: str) -> QuerySet[Contact]:
    """Present contacts with that e-mail address, of whatever customer: a sender of mail (D26)."""
    low = address.strip().lower()
    present = Contact.objects.filter(removed_at=None).exclude(email="")
    return present.alias(low=Lower("email")).filter(low=low).select_related("customer")


def staff_has_email(address: str) -> bool:
    """True where a member of staff signs in with that address: staff answer on the desk, not by mail (D26)."""
    staff = User.objects.filter(Q(is_technician=True) | Q(is_staff=True))
    return staff.alias(low=Lower("email")).filter(low=address.strip().lower()).exists()

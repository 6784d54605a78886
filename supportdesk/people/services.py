"""What changes people."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import connection, transaction

from supportdesk.mail.addresses import mailboxes
from supportdesk.people.access import contacts_by_email, staff_has_email
from supportdesk.people.models import Contact, ContactAddress, Customer, User, writes_from
from supportdesk.people.phones import e164

# Plain SQL, for every write waits behind this: its query was a fifth of what a charge took.
_COLUMNS: Final = [field.attname for field in Customer._meta.concrete_fields]
_LOCK: Final = f'SELECT {", ".join(_COLUMNS)} FROM "people_customer" WHERE id = %s FOR NO KEY UPDATE'  # noqa: S608


def lock_customer(customer_id: int) -> Customer:
    """The customer's row, locked until the transaction ends: the first lock of every write.

    Raises RuntimeError outside a transaction, where a lock would be gone at once; Customer.DoesNotExist.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("lock_customer belongs into a transaction.")
    with connection.cursor() as cursor:
        cursor.execute(_LOCK, [customer_id])
        row = cursor.fetchone()
    if row is None:
        raise Customer.DoesNotExist(f"There is no customer {customer_id}.")
    return Customer.from_db(connection.alias, _COLUMNS, row)


@transaction.atomic
def keep_sign_in(*, contact: Contact) -> None:
    """Ties a contact to the user of its present address: who had a former one no longer sees the customer (D22)."""
    if contact.removed_at is not None or not contact.email:
        if contact.user_id is not None:
            contact.user = None
            contact.save(update_fields=["user"])
    elif contact.user is None or contact.user.email != contact.email.lower():
        sign_in_for(contact=contact)


@transaction.atomic
def sign_in_for(*, contact: Contact) -> User:
    """Lets a contact sign in by their e-mail address (D33); one address may be a contact of several customers (D21)."""
    user, _made = User.objects.get_or_create(
        email=contact.email.lower(), defaults={"name": contact.name, "zone": contact.customer.zone}
    )
    if not user.password:
        user.set_unusable_password()
        user.save(update_fields=["password"])
    contact.user = user
    contact.save(update_fields=["user"])
    return user


class ContactExists(Exception):
    """Somebody of the customer has this e-mail address, or this phone number: nothing was changed."""

    def __init__(self, contact: Contact, *, field: str) -> None:
        super().__init__(f"contact {contact.pk} has this {field}")
        self.contact = contact
        self.field = field


@transaction.atomic
def add_contact(*, customer_id: int, name: str, email: str = "", phone: str = "", shared: bool = False) -> Contact:
    """A caller who isn't known yet becomes a contact (D20): restricted, for nobody has vouched for them (D21, D22).

    A number may be ``shared``, as that of a switchboard. The same person once more is the contact that is there.

    Raises ContactExists; ValidationError for a name, address or number that is none. Then nothing has changed.
    """
    customer = lock_customer(customer_id)
    contact = Contact(customer=customer, name=" ".join(name.split()), email=email, phone=phone, restricted=True)
    # One with the same address has words of its own below.
    contact.clean_fields()
    contact.email = contact.email.strip().lower()
    contact.phone = e164(contact.phone, country=customer.country) if contact.phone else ""
    there = Contact.objects.filter(customer=customer, removed_at=None)
    same = there.filter(name__iexact=contact.name, email=contact.email, phone=contact.phone).first()
    if same is not None:
        return same
    others = {"email": writes_from(contact.email, customer_id=customer_id) if contact.email else None}
    if not shared:
        others["phone"] = there.filter(phone=contact.phone).exclude(phone="").first()
    for field, other in others.items():
        if other is not None:
            raise ContactExists(other, field=field)
    contact.full_clean()
    contact.save()
    keep_sign_in(contact=contact)
    return contact


class NoSender(Exception):
    """That is no address that a mail can come from."""


class AddressIsOurs(Exception):
    """The address is one of staff, or of the desk itself: it is no customer's (D26)."""


class AddressElsewhere(Exception):
    """Contacts of other customers write from the address: it is asked once more whether it is meant (D22)."""

    def __init__(self, contacts: tuple[Contact, ...]) -> None:
        super().__init__(f"{len(contacts)} contacts")
        self.contacts = contacts


@transaction.atomic
def add_address(
    *, contact_id: int, address: str, at: datetime, by: User | None, confirmed: bool = False
) -> ContactAddress | None:
    """A further address that a contact writes from: their mail is known by it, none is sent to it (D26).

    None where it is the contact's own address. The same once more changes nothing. ``confirmed``: it was seen that
    contacts of other customers write from it.

    Raises NoSender, AddressIsOurs, ContactExists, AddressElsewhere, Contact.DoesNotExist; then nothing has changed.
    """
    address = address.strip().lower()
    contact = Contact.objects.get(pk=contact_id, removed_at=None)
    lock_customer(contact.customer_id)
    if [one.address for one in mailboxes(address)] != [address]:
        raise NoSender
    if staff_has_email(address) or address.rpartition("@")[2] == settings.MAIL_DOMAIN.lower():
        raise AddressIsOurs
    if contact.email.lower() == address:
        return None
    known = contact.addresses.filter(address__iexact=address).first()
    if known is not None:
        return known
    other = writes_from(address, customer_id=contact.customer_id, but=contact.pk)
    if other is not None:
        raise ContactExists(other, field="email")
    elsewhere = tuple(contacts_by_email(address).order_by("customer__name", "pk")[:10])
    if elsewhere and not confirmed:
        raise AddressElsewhere(elsewhere)
    return ContactAddress.objects.create(contact=contact, address=address, added_at=at, added_by=by)

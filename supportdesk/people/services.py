"""What changes people."""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from supportdesk.people.models import Contact, Customer, User
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
    others = {"email": there.filter(email__iexact=contact.email).exclude(email="")}
    if not shared:
        others["phone"] = there.filter(phone=contact.phone).exclude(phone="")
    for field, having in others.items():
        other = having.first()
        if other is not None:
            raise ContactExists(other, field=field)
    contact.full_clean()
    contact.save()
    keep_sign_in(contact=contact)
    return contact

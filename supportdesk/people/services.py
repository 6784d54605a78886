"""What changes people."""

from __future__ import annotations

from typing import Final

from django.db import connection, transaction

from supportdesk.people.models import Contact, Customer, User

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

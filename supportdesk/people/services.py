"""What changes people."""

from __future__ import annotations

from django.db import connection, transaction

from supportdesk.people.models import Contact, Customer, User


def lock_customer(customer_id: int) -> Customer:
    """The customer's row, locked until the transaction ends: the first lock of every write.

    Raises RuntimeError outside a transaction, where a lock would be gone at once.
    """
    if not connection.in_atomic_block:
        raise RuntimeError("lock_customer belongs into a transaction.")
    return Customer.objects.select_for_update(no_key=True).get(pk=customer_id)


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

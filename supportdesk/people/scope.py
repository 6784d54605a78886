"""Who somebody is and whose data they may see, as a value (D21, D22).

Every ``access.py`` takes a ``Scope`` and returns querysets. A scope that names nobody sees nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from django.contrib.auth.models import AnonymousUser

from supportdesk.people.models import Contact, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Membership:
    """One customer that somebody is a contact of; ``restricted`` to their own incidents or not (D21)."""

    contact_id: int
    customer_id: int
    restricted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """Somebody's reach. ``desk``: all customers' incidents. ``admin``: Django admin as well (D22)."""

    user_id: int | None = None
    memberships: tuple[Membership, ...] = field(default=())
    desk: bool = False
    admin: bool = False

    @property
    def customer_ids(self) -> tuple[int, ...]:
        """Customers whose incidents they may see, all of them or only their own."""
        return tuple(member.customer_id for member in self.memberships)

    @property
    def full_customer_ids(self) -> tuple[int, ...]:
        """Customers of which they see everything: incidents of colleagues, and the points."""
        return tuple(member.customer_id for member in self.memberships if not member.restricted)

    @property
    def restricted_contact_ids(self) -> tuple[int, ...]:
        """The contacts that they are, and as which they see their own incidents only, and those they follow."""
        return tuple(member.contact_id for member in self.memberships if member.restricted)

    @property
    def contact_ids(self) -> tuple[int, ...]:
        return tuple(member.contact_id for member in self.memberships)

    def as_contact(self) -> Scope:
        """The reach of the same person in the portal: staff who are contacts, too, see there what contacts see."""
        return replace(self, desk=False, admin=False)

    def membership(self, customer_id: int) -> Membership | None:
        """The contact that they are of that customer, or None."""
        return next((member for member in self.memberships if member.customer_id == customer_id), None)


NOBODY = Scope()


def scope_of(user: User | AnonymousUser) -> Scope:
    """The reach of ``user``: one query for the contacts they are (D21)."""
    if not isinstance(user, User) or not user.is_active:
        return NOBODY
    members = Contact.objects.filter(user=user, removed_at=None).order_by("customer__name", "id")
    return Scope(
        user_id=user.pk,
        memberships=tuple(
            Membership(contact_id=contact, customer_id=customer, restricted=restricted)
            for contact, customer, restricted in members.values_list("id", "customer_id", "restricted")
        ),
        desk=user.works_here,
        admin=user.is_staff,
    )


def scope_of_contact(contact: Contact) -> Scope:
    """The reach of one contact, for mail: its sender is known by address, not by sign-in (D26)."""
    if contact.removed_at is not None:
        return NOBODY
    member = Membership(contact_id=contact.pk, customer_id=contact.customer_id, restricted=contact.restricted)
    return Scope(user_id=contact.user_id, memberships=(member,))

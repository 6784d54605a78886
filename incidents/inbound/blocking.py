"""Senders whose mail is put away unseen and never answered (D26)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Lower

from incidents.models import BlockedSender, HeldMail, Settled
from incidents.services.common import Refused
from supportdesk.mail.addresses import ADDRESS_CHARS_MAX, mailboxes
from supportdesk.people.access import contacts_by_email, contacts_of_domain, staff_has_domain, staff_has_email
from supportdesk.people.models import Contact, User
from supportdesk.rows import fetch

NAMED: Final = 10  # contacts that a warning names
_BLOCKED: Final = "SELECT EXISTS (SELECT FROM incidents_blockedsender WHERE address = ANY(%s))"


class NotASender(Refused):
    """What is to be blocked is neither an address nor a domain."""


class OurOwn(Refused):
    """Our own domain, or an address of staff, is never blocked."""


class BlocksContacts(Refused):
    """Contacts of customers write from there: it is asked once more whether their mail is to be put away unseen."""

    def __init__(self, contacts: tuple[Contact, ...], *, more: bool) -> None:
        super().__init__(f"{len(contacts)} contacts")
        self.contacts = contacts
        self.more = more


def _plain(address: str) -> str:
    """In small letters, and without the dot that may end any domain and names the same one."""
    return address.strip().lower().rstrip(".")


def domain_of(address: str) -> str:
    """The domain as it is blocked.

    >>> domain_of("Spam@Shop.example.")
    '@shop.example'
    """
    return "@" + _plain(address).rpartition("@")[2]


def is_blocked(address: str) -> bool:
    """True where the sender's address, or its domain, is blocked."""
    if not address:
        return False
    return bool(fetch(_BLOCKED, [[_plain(address), domain_of(address)]])[0][0])


def whom_it_blocks(address: str) -> BlocksContacts | None:
    """The contacts whose mail would be put away unseen; None where there are none."""
    found = contacts_of_domain(address[1:]) if address.startswith("@") else contacts_by_email(address)
    contacts = tuple(found.order_by("customer__name", "name", "pk")[: NAMED + 1])
    return BlocksContacts(contacts[:NAMED], more=len(contacts) > NAMED) if contacts else None


def checked_sender(address: str) -> str:
    """An address, or a domain as ``@example.org``, as it is stored. Raises NotASender, OurOwn."""
    address = _plain(address)
    whole = f"x{address}" if address.startswith("@") else address
    if len(address) > ADDRESS_CHARS_MAX or [one.address for one in mailboxes(whole)] != [whole]:
        raise NotASender
    domain = whole.rpartition("@")[2]
    # A domain without a dot would be a whole country's, or nobody's.
    if "." not in domain:
        raise NotASender
    own = settings.MAIL_DOMAIN.lower()
    if domain == own or (staff_has_domain(domain) if address.startswith("@") else staff_has_email(address)):
        raise OurOwn
    return address


@dataclass(frozen=True, slots=True, kw_only=True)
class Blockable:
    """What of a sender can be blocked; empty where it is ours, with the contacts whose mail that would put away."""

    address: str
    domain: str
    whom: BlocksContacts | None
    whom_of_domain: BlocksContacts | None


def blockable(sender: str) -> Blockable | None:
    """What the page of a held mail offers; None where its sender cannot be blocked."""
    found = []
    for wanted in (sender, domain_of(sender)):
        try:
            found.append(checked_sender(wanted))
        except (NotASender, OurOwn):
            found.append("")
    if not any(found):
        return None
    address, domain = found
    return Blockable(
        address=address,
        domain=domain,
        whom=whom_it_blocks(address) if address else None,
        whom_of_domain=whom_it_blocks(domain) if domain else None,
    )


@transaction.atomic
def block_sender(*, address: str, user: User, at: datetime, confirmed: bool = False) -> int:
    """Puts away what comes from there from now on, and what of it waits; gives how many waited (D26).

    ``address`` is one, or a domain as ``@example.org``: that domain alone, not those below it. Blocked before, it
    puts away what waits. ``confirmed``: it was seen that contacts write from there.

    Raises NotASender, OurOwn, BlocksContacts; then nothing has changed.
    """
    address = checked_sender(address)
    warning = None if confirmed else whom_it_blocks(address)
    if warning is not None:
        raise warning
    BlockedSender.objects.get_or_create(address=address, defaults={"blocked_at": at, "blocked_by": user})
    waiting = HeldMail.objects.filter(settled_at=None).alias(low=Lower("sender"))
    meant = Q()
    for spelling in (address, f"{address}."):
        meant |= Q(low__endswith=spelling) if address.startswith("@") else Q(low=spelling)
    # Locked in one order: two who put the same mails away wait for each other, and for nothing else.
    ids = list(waiting.filter(meant).order_by("pk").select_for_update().values_list("pk", flat=True))
    return HeldMail.objects.filter(pk__in=ids).update(
        settled_as=Settled.BLOCKED, settled_at=at, settled_by=user, attached_to=None, draft=None
    )


@transaction.atomic
def unblock_sender(*, blocked_id: int) -> str:
    """Lets a sender's mail in again; what was put away stays, and can be brought back. Gives what was blocked.

    Empty where somebody else was faster.
    """
    blocked = BlockedSender.objects.select_for_update().filter(pk=blocked_id).first()
    if blocked is None:
        return ""
    blocked.delete()
    return blocked.address

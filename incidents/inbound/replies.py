"""What the desk replies by itself to mail that nobody vouches for, within a budget (D27, D28)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from django.db import connection

from incidents import mails
from incidents.models import HeldReason, Reply
from incidents.services.common import Refused
from supportdesk.mail.addresses import address_mark
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.people.access import contacts_by_email, contacts_mailed_at
from supportdesk.people.networks import network_of
from supportdesk.policy import POLICY

HOUR = timedelta(hours=1)
# Not those that a machine or a forger may have sent, and not our own people (D26, D28).
ANSWERED_WHEN_HELD = frozenset(
    {
        HeldReason.UNKNOWN_SENDER,
        HeldReason.NOT_THEIRS,
        HeldReason.NO_INCIDENT,
        HeldReason.BODY_NUMBER,
        HeldReason.TWO_INCIDENTS,
        HeldReason.NO_TEXT,
        HeldReason.TOO_LONG,
        HeldReason.TOO_BIG,
        HeldReason.ENCRYPTED,
    }
)


class NoRoom(Refused):
    """The hour's budget of the address or of its network is used up (D28)."""


def take_room(*, address: str, raw: RawMail, at: datetime) -> None:
    """Makes sure that one more reply may go out, until the transaction ends (D28). Raises NoRoom.

    What a person's act on an incident causes is not asked for here, and does not count here.
    """
    mark, network = address_mark(address), network_from(raw)
    with connection.cursor() as cursor:
        # Two mails at once must not both find the last room; in one order, or they would wait for each other.
        for name in sorted({mark, f"network:{network}"}):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
    lately, most = Reply.objects.filter(at__gt=at - HOUR), POLICY.unauthenticated_mails_an_hour
    if lately.filter(mark=mark).count() >= most:
        raise NoRoom
    # Where our server did not say where from, the address alone is counted.
    if network and lately.filter(network=network).count() >= most:
        raise NoRoom


def remember(mail: OutgoingMail, *, address: str, raw: RawMail, at: datetime) -> None:
    """Counts a reply that goes out (D28)."""
    values = {"mark": address_mark(address), "network": network_from(raw), "at": at}
    Reply.objects.get_or_create(mail=mail, defaults=values)


def network_from(raw: RawMail) -> str:
    """The network that a mail counts for, by what our own server says of where it came from; may be empty."""
    try:
        return network_of(raw.peer)
    except ValueError:
        return raw.peer


def answer_held(mail: ParsedMail, *, raw: RawMail, at: datetime) -> None:
    """Tells the sender once in 24 hours that a person looks at it, whatever stands behind a + in the address (D27)."""
    _reply(mails.not_filed, mails.NOT_FILED, mail=mail, raw=raw, at=at)


def answer_too_big(mail: ParsedMail, *, raw: RawMail, at: datetime) -> None:
    """Tells the sender of a mail larger than the desk takes where the file goes instead, once a day (D28, D31)."""
    _reply(mails.too_big, mails.TOO_BIG, mail=mail, raw=raw, at=at)


def _reply(
    send: Callable[..., OutgoingMail | None], kind: str, *, mail: ParsedMail, raw: RawMail, at: datetime
) -> None:
    if contacts_by_email(mail.from_address).exists() and not contacts_mailed_at(mail.from_address).exists():
        return  # a further address of theirs: nothing is mailed to it (D26)
    try:
        take_room(address=mail.from_address, raw=raw, at=at)
    except NoRoom:
        return
    about = address_mark(mail.from_address)
    lately = OutgoingMail.objects.filter(about=about, kind=kind, queued_at__gt=at - timedelta(days=1))
    if lately.count() >= POLICY.unknown_sender_answers_a_day:
        return
    sent = send(to_address=mail.from_address, about=about, in_reply_to=mail.message_id, key=raw.digest, at=at)
    if sent is not None:
        remember(sent, address=mail.from_address, raw=raw, at=at)

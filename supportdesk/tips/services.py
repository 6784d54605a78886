"""Subscribing by a link that was mailed, and unsubscribing by one click (R15)."""

from __future__ import annotations

import hashlib
import secrets
from datetime import datetime, timedelta

from django.db import connection, transaction

from supportdesk.mail.addresses import address_mark
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import spellings
from supportdesk.mail.withdrawing import withdraw
from supportdesk.policy import POLICY
from supportdesk.tips import mails
from supportdesk.tips.access import digest_of, reader_at
from supportdesk.tips.models import Asked, Delivery, Subscriber

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
SWEPT_AT_ONCE = 1_000


class LinkGone(Exception):
    """There is no such link, its time is over, or the address was unsubscribed since: nothing was changed."""


class LinkUsed(Exception):
    """The link was followed before: nothing was changed."""


@transaction.atomic
def ask(*, email: str, network: str, at: datetime, key: str) -> Asked | None:
    """Mails the link that confirms; to a reader, that they get the tips already.

    The same rows and the same questions whoever it is: neither the answer nor the time tells who is a reader (D33).
    None where the day's mails of the address, or the hour's of the network, are used up: then nothing is kept (D28).

    Raises NotAnAddress.
    """
    email = spellings(email)[0]
    mark = address_mark(email)
    with connection.cursor() as cursor:
        # Two at once must not both find that the budget has room; in one order, or they would wait for each other.
        for name in sorted([mark, f"network:{network}"]):
            cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [name])
    # Of both: a form that is sent twice asks once, one that was changed asks for the other address.
    key = hashlib.sha256(f"{key} {email}".encode()).hexdigest()
    before = Asked.objects.filter(key=key).first()
    if before is not None:
        return before
    if _budget_is_used(mark, network, at=at):
        return None
    token = secrets.token_urlsafe(32)
    mail = mails.asked(key=key, email=email, token=token, reader=reader_at(email), about=mark, at=at)
    return Asked.objects.create(
        key=key,
        digest=digest_of(token),
        email=email,
        network=network,
        asked_at=at,
        kept_until=at + timedelta(hours=POLICY.tips_link_hours),
        message_id=mail.message_id,
    )


@transaction.atomic
def confirm(*, digest: str, at: datetime) -> Subscriber:
    """Subscribes the address of a link, once: followed again, it does not bring back who unsubscribed since.

    Raises LinkGone, LinkUsed.
    """
    asked = Asked.objects.select_for_update(no_key=True).filter(digest=digest).first()
    if asked is None:
        raise LinkGone
    if asked.confirmed_at is not None:
        raise LinkUsed
    before = reader_at(asked.email)
    if asked.kept_until <= at or (before is not None and (before.unsubscribed_at or asked.asked_at) > asked.asked_at):
        raise LinkGone
    asked.confirmed_at = at
    asked.save(update_fields=["confirmed_at"])
    return _subscribe(asked.email, asked_at=asked.asked_at, proof=asked.message_id, at=at)


@transaction.atomic
def subscribe_own(*, email: str, at: datetime) -> Subscriber:
    """Subscribes the address that somebody signed in has proved to be theirs: nothing is left to confirm."""
    return _subscribe(spellings(email)[0], asked_at=at, proof="", at=at)


def _subscribe(email: str, *, asked_at: datetime, proof: str, at: datetime) -> Subscriber:
    """The reader of that address, with the date and the proof of this time unless they read already."""
    made = Subscriber(email=email, asked_at=asked_at, confirmed_at=at, proof=proof)
    # ON CONFLICT DO NOTHING: two at once make one reader.
    Subscriber.objects.bulk_create([made], ignore_conflicts=True)
    reader = Subscriber.objects.select_for_update(no_key=True).get(email=email)
    if not reader.is_reading:
        reader.asked_at, reader.confirmed_at, reader.proof = asked_at, at, proof
        reader.unsubscribed_at = reader.bounced_at = None
        reader.save()
    return reader


@transaction.atomic
def unsubscribe(*, subscriber_id: int, at: datetime) -> bool:
    """Ends the tips for a reader at once: what waits in the outbox for them goes out no more.

    False where there is no such reader any more, or they were gone before: then that stays.
    """
    reader = Subscriber.objects.select_for_update(no_key=True).filter(pk=subscriber_id).first()
    if reader is None:
        return False
    was_reading = reader.unsubscribed_at is None
    if was_reading:
        reader.unsubscribed_at = at
        reader.save(update_fields=["unsubscribed_at"])
    waiting = Delivery.objects.filter(subscriber=reader, mail__sent_at=None, mail__isnull=False)
    take_back(mail_ids=list(waiting.values_list("mail_id", flat=True)), at=at)
    return was_reading


def take_back(*, mail_ids: list[int | None], at: datetime) -> int:
    """Takes mails of issues out of the outbox, all that no worker holds; gives how many."""
    ids = [pk for pk in mail_ids if pk is not None]
    if not ids:
        return 0
    deliveries = {mail: pk for pk, mail in Delivery.objects.filter(mail__in=ids).values_list("pk", "mail_id")}
    gone = withdraw(mail_ids=ids, at=at)
    Delivery.objects.filter(pk__in=[deliveries[pk] for pk in gone]).update(mail=None, withdrawn_at=at)
    return len(gone)


def sweep_asked(*, at: datetime) -> int:
    """Deletes what was asked for some days after its time (D34). Gives how many."""
    over = at - timedelta(days=POLICY.tips_asked_swept_days)
    due = Asked.objects.filter(kept_until__lte=over).order_by("kept_until").values_list("pk", flat=True)
    return Asked.objects.filter(pk__in=list(due[:SWEPT_AT_ONCE])).delete()[0]


def _budget_is_used(mark: str, network: str, *, at: datetime) -> bool:
    """Whether the address has had its mails of the day, or the network asked for all of the hour (D28)."""
    mailed = OutgoingMail.objects.filter(about=mark, kind__in=mails.ANSWERS, queued_at__gt=at - DAY).count()
    asked = Asked.objects.filter(network=network, asked_at__gt=at - HOUR).count()
    return mailed >= POLICY.tips_mails_a_day or asked >= POLICY.unauthenticated_mails_an_hour

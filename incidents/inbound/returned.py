"""Automatic mail about a mail of ours: which one it is, and what a report says of it (D28)."""

from __future__ import annotations

from dataclasses import dataclass

from supportdesk.mail.bounces import failure_in
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.outgoing import spellings
from supportdesk.mail.parse import ParsedMail
from supportdesk.mail.reports import Bounce
from supportdesk.mail.tokens import read_bounce_address


@dataclass(frozen=True, slots=True, kw_only=True)
class Returned:
    """The mail of ours that an automatic mail is about; ``failure`` where a report says that it did not arrive."""

    mail_id: int
    message_id: str
    failure: Bounce | None


def returned_in(raw: RawMail, mail: ParsedMail) -> Returned | None:
    """By the address that it came to, which is one mail's alone; else, of a report, by what it brings back (D28).

    Whoever got the mail can write such a report, so one that knows its Message-ID alone must come as servers send it.
    """
    if not mail.automatic:
        return None
    addresses = dict.fromkeys((*raw.rcpt_to, *mail.delivered_to, *mail.to, *mail.cc))
    named = {pk for pk in map(read_bounce_address, addresses) if pk is not None}
    by_envelope = OutgoingMail.objects.filter(pk__in=named) if len(named) == 1 else OutgoingMail.objects.none()
    ours = by_envelope.only("message_id", "to_address").first() if named else None
    if ours is not None:
        failure = failure_in(mail, to=spellings(ours.to_address), by_envelope=True)
        return Returned(mail_id=ours.pk, message_id=ours.message_id, failure=failure)
    if not mail.bounces or not mail.null_sender:
        return None
    ids = (mail.returned_id,) if mail.returned_id else (*mail.in_reply_to, *mail.references)
    for one in OutgoingMail.objects.filter(message_id__in=ids).only("message_id", "to_address").order_by("pk"):
        failure = failure_in(mail, to=spellings(one.to_address), by_envelope=False)
        if failure is not None:
            return Returned(mail_id=one.pk, message_id=one.message_id, failure=failure)
    return None

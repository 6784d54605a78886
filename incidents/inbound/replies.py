"""What the desk answers to a mail that it holds, within a budget (D27, D28)."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import connection

from incidents import mails
from incidents.models import HeldReason
from supportdesk.mail.addresses import address_mark
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.parse import ParsedMail
from supportdesk.policy import POLICY

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
    }
)


def answer_held(mail: ParsedMail, *, raw: RawMail, at: datetime) -> None:
    """Tells the sender once in 24 hours that a person looks at it, whatever stands behind a + in the address (D27)."""
    about = address_mark(mail.from_address)
    with connection.cursor() as cursor:
        # Two mails at once must not both find that nothing was answered yet.
        cursor.execute("SELECT pg_advisory_xact_lock(hashtext(%s))", [about])
    lately = OutgoingMail.objects.filter(about=about, kind=mails.NOT_FILED, queued_at__gt=at - timedelta(days=1))
    if lately.count() < POLICY.unknown_sender_answers_a_day:
        mails.not_filed(to_address=mail.from_address, about=about, in_reply_to=mail.message_id, key=raw.digest, at=at)

"""Mail that waited in a restored database (D30).

A dump does not know what went out after it was taken. So what waits there is put aside as failed, with a word about it,
and an admin says what is tried again; what is queued from then on goes out as ever.
"""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from django.db import connection, transaction
from django.db.models import F, QuerySet
from django.utils.translation import gettext as _

from supportdesk.mail.models import Outbox, OutgoingMail

logger = logging.getLogger(__name__)
THE_ONE: Final = 1


def this_database() -> str:
    """What this database is known by: another one once a dump is restored, or a base backup recovered (D30, R15)."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT concat_ws('.', (pg_control_system()).system_identifier, (pg_control_checkpoint()).timeline_id,"
            " (SELECT oid FROM pg_database WHERE datname = current_database()), 'mail_outgoingmail'::regclass::oid)"
        )
        return str(cursor.fetchone()[0])


def put_aside_restored(*, at: datetime) -> int:
    """Where the database is not the one of the last delivery, puts aside what waits; gives how many mails.

    They fail without having been refused by anybody: it says nothing of their addresses.
    """
    here = this_database()
    known = Outbox.objects.first()
    if known is None:
        Outbox.objects.bulk_create([Outbox(pk=THE_ONE, database=here)], ignore_conflicts=True)
        return 0
    if known.database == here:
        return 0
    with transaction.atomic():
        # One worker does it; any other waits here until that is committed, and claims nothing before.
        if not Outbox.objects.filter(database=known.database).update(database=here):
            return 0
        count = OutgoingMail.objects.filter(sent_at=None, failed_at=None).update(
            failed_at=at,
            give_up_at=at,
            claimed_until=None,
            fence=F("fence") + 1,
            last_error=_("The database was restored while this waited: it may have gone out since."),
        )
        if count:
            Outbox.objects.update(restored_at=at)
            logger.error("The database was restored: %s mails that waited in it are put aside for an admin", count)
    return count


def put_aside() -> QuerySet[OutgoingMail]:
    """The mails that were put aside, and that nobody has tried again or left so, the oldest first."""
    restored = Outbox.objects.exclude(restored_at=None).values("restored_at")
    return OutgoingMail.objects.filter(failed_at__in=restored).order_by("pk")


def leave_aside() -> int:
    """Leaves what was put aside as it is, failed: an admin has looked. Gives how many mails."""
    with transaction.atomic():
        count = put_aside().count()
        Outbox.objects.update(restored_at=None)
    return count

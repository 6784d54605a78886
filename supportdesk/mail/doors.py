"""Whether each way of mail in and out works, and since when it does not: one row each, for the operator (D39)."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta
from typing import Final

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Coalesce

from supportdesk.mail.models import MailDoor
from supportdesk.mail.texts import one_line
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

OUT: Final = "out"
GATEWAY: Final = "gateway"
# A door that works is written down this often, not with every mail.
EVERY = timedelta(minutes=1)


def works(name: str, *, at: datetime) -> None:
    """Notes that mail goes through; what failed is over (D39). One small statement where that is known already."""
    due = Q(worked_at=None) | Q(worked_at__lte=at - EVERY) | Q(failing_since__isnull=False)
    if MailDoor.objects.filter(due, name=name).update(worked_at=at, failing_since=None, last_error=""):
        return
    if not MailDoor.objects.filter(name=name).exists():
        MailDoor.objects.bulk_create([MailDoor(name=name, worked_at=at)], ignore_conflicts=True)


def fails(name: str, error: str, *, at: datetime) -> None:
    """Notes that nothing goes through, and why, in words for the operator; since when stays the first time (D39)."""
    word = one_line(error, 500)
    logger.warning("Mail does not go through %s: %s", name, word)
    MailDoor.objects.bulk_create([MailDoor(name=name)], ignore_conflicts=True)
    MailDoor.objects.filter(name=name).update(failing_since=Coalesce(F("failing_since"), at), last_error=word)


def set_up() -> list[str]:
    """The names of the doors that the settings ask for; any other one stood there before and counts no more."""
    return [OUT, GATEWAY, *(mailbox.door for mailbox in settings.IMAP_MAILBOXES)]


def doors() -> list[MailDoor]:
    """Every door that is set up, in the order of ``set_up``; one that nothing was heard of is not stored."""
    names = set_up()
    known = {door.name: door for door in MailDoor.objects.filter(name__in=names)}
    return [known.get(name) or MailDoor(name=name) for name in names]


def failing_long(*, at: datetime) -> list[MailDoor]:
    """The doors that have failed for so long that the admins are told, and were not told yet (D39)."""
    since = at - timedelta(minutes=POLICY.door_failing_minutes)
    return list(MailDoor.objects.filter(name__in=set_up(), failing_since__lte=since, told_at=None))


def working_again() -> list[MailDoor]:
    """The doors of whose failure the admins were told, and that work again (D39)."""
    return list(MailDoor.objects.exclude(told_at=None).filter(name__in=set_up(), failing_since=None))


def told(door: MailDoor, *, at: datetime | None) -> bool:
    """Notes that the admins were told of a failure, or with None that it is over; False if another one did (D39)."""
    before = MailDoor.objects.filter(pk=door.pk, told_at=door.told_at)
    return bool(before.update(told_at=at))

"""How mail is doing, for the operator: what waits, for how long, what failed, and which ways work (D30, D39)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final

from django.conf import settings
from django.db.models import Count, Min, Q

from supportdesk.mail import doors
from supportdesk.mail.models import MailDoor, Outbox, Outcome, OutgoingMail, RawMail

# A worker looks every few seconds; what has waited this long is not only busy.
SLOW: Final = timedelta(minutes=15)
# A fetcher writes down that it works every few minutes, even where nothing comes.
SILENT: Final = timedelta(minutes=15)
HELD_SINCE: Final = timedelta(days=30)


@dataclass(frozen=True, slots=True, kw_only=True)
class DoorState:
    """One way of mail. ``state``: works, fails, new (never used), silent (nothing was heard of its fetcher lately)."""

    name: str
    state: str
    worked_at: datetime | None
    failing_since: datetime | None
    error: str

    @property
    def is_trouble(self) -> bool:
        return self.state in ("fails", "silent")


@dataclass(frozen=True, slots=True, kw_only=True)
class MailStatus:
    """Counts and the oldest of what waits. ``out_failed`` are mails that were given up and not tried again.

    ``out_aside`` are those of them that waited in a restored database, until an admin has settled them.
    ``overdue`` counts what nobody has looked at since it was due: a mail that another server puts off is not.
    """

    at: datetime
    out_waiting: int
    out_oldest: datetime | None
    out_tried: int
    out_failed: int
    out_aside: int
    in_unhandled: int
    in_oldest: datetime | None
    in_trouble: int
    in_held: int
    overdue: int
    doors: tuple[DoorState, ...]

    @property
    def well(self) -> bool:
        """True where no way fails, nothing waits for longer than it takes, and nothing was put aside by a restore."""
        return not self.overdue and not self.out_aside and not any(door.is_trouble for door in self.doors)

    def seconds(self, oldest: datetime | None) -> int | None:
        """How long the oldest has waited."""
        return None if oldest is None else max(0, int((self.at - oldest).total_seconds()))

    def as_json(self) -> dict[str, Any]:
        """For monitoring: numbers, instants in ISO 8601, no address of anybody who writes."""
        return {
            "ok": self.well,
            "at": self.at.isoformat(),
            "out": {
                "waiting": self.out_waiting,
                "oldest_seconds": self.seconds(self.out_oldest),
                "tried_before": self.out_tried,
                "failed": self.out_failed,
                "put_aside": self.out_aside,
            },
            "in": {
                "unhandled": self.in_unhandled,
                "oldest_seconds": self.seconds(self.in_oldest),
                "in_trouble": self.in_trouble,
                "held_30_days": self.in_held,
            },
            "doors": [
                {
                    "name": door.name,
                    "state": door.state,
                    "worked_at": door.worked_at and door.worked_at.isoformat(),
                    "failing_since": door.failing_since and door.failing_since.isoformat(),
                    "error": door.error,
                }
                for door in self.doors
            ],
        }


def mail_status(*, at: datetime) -> MailStatus:
    """Asked in five queries over partial indexes, however much mail there ever was."""
    waiting = OutgoingMail.objects.filter(sent_at=None, failed_at=None)
    overdue = Count("pk", filter=Q(next_try_at__lte=at - SLOW))
    out = waiting.aggregate(
        count=Count("pk"), oldest=Min("queued_at"), tried=Count("pk", filter=Q(tries__gt=0)), overdue=overdue
    )
    unhandled = RawMail.objects.filter(outcome=Outcome.WAITING)
    came = unhandled.aggregate(
        count=Count("pk"), oldest=Min("received_at"), trouble=Count("pk", filter=~Q(last_error="")), overdue=overdue
    )
    failed = OutgoingMail.objects.filter(failed_at__isnull=False).aggregate(
        count=Count("pk"), aside=Count("pk", filter=Q(failed_at__in=Outbox.objects.values("restored_at")))
    )
    return MailStatus(
        at=at,
        out_waiting=out["count"],
        out_oldest=out["oldest"],
        out_tried=out["tried"],
        out_failed=failed["count"],
        out_aside=failed["aside"],
        in_unhandled=came["count"],
        in_oldest=came["oldest"],
        in_trouble=came["trouble"],
        in_held=RawMail.objects.filter(outcome=Outcome.HELD, handled_at__gte=at - HELD_SINCE).count(),
        overdue=out["overdue"] + came["overdue"],
        doors=tuple(_state(door, at=at) for door in doors.doors()),
    )


def _state(door: MailDoor, *, at: datetime) -> DoorState:
    fetched = door.name in {mailbox.door for mailbox in settings.IMAP_MAILBOXES}
    if door.failing_since is not None:
        state = "fails"
    elif fetched and (door.worked_at is None or door.worked_at < at - SILENT):
        state = "silent"
    else:
        state = "works" if door.worked_at else "new"
    return DoorState(
        name=door.name,
        state=state,
        worked_at=door.worked_at,
        failing_since=door.failing_since,
        error=door.last_error,
    )

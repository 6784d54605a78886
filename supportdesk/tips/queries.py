"""How far an issue has come (R15)."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from supportdesk.tips.access import readers
from supportdesk.tips.models import Delivery, Issue, Subscriber
from supportdesk.tips.quarters import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Of ``total`` readers: ``sent`` left us, ``queued`` wait in the outbox, ``failed`` or came back, ``ahead`` are
    not reached yet, ``left_out`` got none: they unsubscribed, bounced, or it was cancelled before."""

    total: int
    sent: int
    queued: int
    failed: int
    ahead: int

    @property
    def left_out(self) -> int:
        return max(0, self.total - self.sent - self.queued - self.failed - self.ahead)

    @property
    def under_way(self) -> int:
        """Sent or in the outbox, for the picture."""
        return self.sent + self.queued


def reader_count() -> int:
    """How many an issue would go to now."""
    return readers().count()


def progress(issue: Issue) -> Progress:
    """Two questions, whatever its size."""
    bad = Q(mail__failed_at__isnull=False) | Q(mail__bounced_at__isnull=False)
    good = Q(mail__sent_at__isnull=False, mail__bounced_at=None)
    wait = Q(mail__isnull=False, mail__sent_at=None, mail__failed_at=None)
    found = Delivery.objects.filter(issue=issue).aggregate(
        sent=Count("pk", filter=good), queued=Count("pk", filter=wait), failed=Count("pk", filter=bad)
    )
    ahead = 0
    if issue.state in (State.SENDING, State.PAUSED):
        reading = Subscriber.objects.reading().filter(pk__gt=issue.reached)
        ahead = reading.filter(confirmed_at__lte=issue.started_at).count()
    return Progress(total=issue.readers, ahead=ahead, **found)


def failures(issue: Issue, *, at_most: int = 50) -> list[Delivery]:
    """Whom it did not reach, and why."""
    bad = Q(mail__failed_at__isnull=False) | Q(mail__bounced_at__isnull=False)
    return list(Delivery.objects.filter(bad, issue=issue).select_related("mail").order_by("-pk")[:at_most])

"""An issue on its way: small lots into the outbox, shortly before they go (R15).

A batch is one transaction with the issue's row locked, so that two schedulers and two workers share it. Whatever dies
leaves no half of one, and the next goes on behind the reader whom the last one ended with. What a batch costs does not
depend on how many readers there are, nor on how many were reached.
"""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q

from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import NotAnAddress, wake_deliverer
from supportdesk.mail.restored import this_database
from supportdesk.policy import POLICY
from supportdesk.tips import mails
from supportdesk.tips.access import BOUNCED
from supportdesk.tips.models import Delivery, Issue, Subscriber
from supportdesk.tips.services import take_back

logger = logging.getLogger(__name__)


def send_due(*, at: datetime) -> int:
    """One batch of each issue that is due; gives how many mails went into the outbox (R15)."""
    take_back_unwanted(at=at)
    due = Issue.objects.filter(paused_at=None, cancelled_at=None, finished_at=None, next_batch_at__lte=at)
    return sum(send_batch(issue_id=pk, at=at) for pk in list(due.values_list("pk", flat=True)))


def take_back_unwanted(*, at: datetime) -> int:
    """Takes out of the outbox what a worker held while its reader unsubscribed or its issue was cancelled.

    Also what an admin tries again of either since. Gives how many.
    """
    waiting = OutgoingMail.objects.filter(bulk=True, sent_at=None, failed_at=None)
    gone = waiting.filter(
        Q(tips_delivery__subscriber__unsubscribed_at__isnull=False)
        | Q(tips_delivery__issue__cancelled_at__isnull=False)
    )
    with transaction.atomic():
        return take_back(mail_ids=list(gone.values_list("pk", flat=True)), at=at)


@transaction.atomic
def send_batch(*, issue_id: int, at: datetime) -> int:
    """Puts the mails of the next readers into the outbox; gives how many (R15).

    No more than a batch waits there at any time: while no mail goes out, who unsubscribes has not been written to.
    An issue that rested for hours, or is sent from a restored database, pauses: an admin looks how far it really got.
    """
    issue = (
        Issue.objects.select_for_update(skip_locked=True, no_key=True)
        .filter(pk=issue_id, paused_at=None, cancelled_at=None, finished_at=None, next_batch_at__lte=at)
        .first()
    )
    if issue is None or issue.next_batch_at is None:
        return 0
    rest = at - issue.next_batch_at
    if rest > timedelta(hours=POLICY.tips_rest_hours) or issue.sent_from != this_database():
        issue.paused_at, issue.rested = at, True
        issue.save(update_fields=["paused_at", "rested"])
        logger.error("Issue %s of the tips rested for %s, or was restored: an admin has to look", issue.pk, rest)
        return 0
    issue.next_batch_at = at + timedelta(seconds=POLICY.tips_batch_seconds)
    waiting = OutgoingMail.objects.filter(bulk=True, sent_at=None, failed_at=None, tips_delivery__issue=issue).count()
    queued = _next_readers(issue, room=POLICY.tips_batch - waiting, at=at)
    if queued is None and not waiting:
        issue.finished_at = at
    issue.save(update_fields=["next_batch_at", "reached", "finished_at"])
    return queued or 0


def _next_readers(issue: Issue, *, room: int, at: datetime) -> int | None:
    """Queues the mails of the next readers; None where all were reached."""
    if room <= 0:
        return 0
    # Locked, so that who unsubscribes meanwhile waits for the batch, and then takes their mail out of it again.
    ahead = Subscriber.objects.reading().select_for_update(no_key=True)
    readers = list(ahead.filter(pk__gt=issue.reached, confirmed_at__lte=issue.started_at).order_by("pk")[:room])
    if not readers:
        return None
    issue.reached = readers[-1].pk
    bounced = set(Delivery.objects.filter(BOUNCED, subscriber__in=readers).values_list("subscriber_id", flat=True))
    if bounced:
        Subscriber.objects.filter(pk__in=bounced).update(bounced_at=at)
    render = mails.renderer_of(issue)
    made = []
    for reader in readers:
        if reader.pk in bounced:
            continue
        delivery = Delivery(issue=issue, subscriber=reader)
        try:
            delivery.mail = mails.send_issue(issue, reader, render=render, at=at)
        except NotAnAddress:
            # By rules that have changed since it subscribed: the others get theirs.
            delivery.withdrawn_at = at
        made.append(delivery)
    Delivery.objects.bulk_create(made)
    transaction.on_commit(wake_deliverer, robust=True)
    return sum(delivery.mail is not None for delivery in made)

"""What admins do with an issue: write, show as the sample, test, send, pause, go on, cancel (R15)."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction
from django.db.models import Q

from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.restored import this_database
from supportdesk.people.models import User
from supportdesk.tips import mails
from supportdesk.tips.access import readers
from supportdesk.tips.models import Delivery, Issue
from supportdesk.tips.quarters import Act, quarter_of
from supportdesk.tips.services import take_back


class NotNow(Exception):
    """That cannot be done with the issue as it stands: nothing was changed."""

    def __init__(self, issue: Issue) -> None:
        super().__init__(f"issue {issue.pk} is {issue.state}")
        self.issue = issue


class OtherReaders(Exception):
    """There are ``count`` readers by now, not as many as were shown: nothing was sent."""

    def __init__(self, count: int) -> None:
        super().__init__(f"{count} readers")
        self.count = count


class SecondThisQuarter(Exception):
    """``other`` was sent in the same quarter: whoever means it says so."""

    def __init__(self, other: Issue) -> None:
        super().__init__(f"after {other.pk}")
        self.other = other


def _locked(issue_id: int, act: Act) -> Issue:
    issue = Issue.objects.select_for_update(no_key=True).get(pk=issue_id)
    if not issue.allows(act):
        raise NotNow(issue)
    return issue


@transaction.atomic
def write_issue(*, issue_id: int | None, title: str, year: int, quarter: int, text: str) -> Issue:
    """Keeps what an issue says. Raises NotNow once it is being sent: its readers have it, or get it, as it was."""
    issue = Issue() if issue_id is None else _locked(issue_id, Act.EDIT)
    issue.title, issue.year, issue.quarter, issue.text = title, year, quarter, text
    issue.save(update_fields=None if issue_id is None else ["title", "year", "quarter", "text"])
    return issue


@transaction.atomic
def show_as_sample(*, issue_id: int, at: datetime) -> Issue:
    """Makes an issue the one that is read before subscribing, in place of the former one."""
    # Two admins at once: in one order, all that are or become it.
    both = Issue.objects.select_for_update(no_key=True).filter(Q(is_sample=True) | Q(pk=issue_id)).order_by("pk")
    issue = next(row for row in both if row.pk == issue_id)
    Issue.objects.filter(is_sample=True).exclude(pk=issue_id).update(is_sample=False)
    issue.is_sample, issue.published_at = True, issue.published_at or at
    issue.save(update_fields=["is_sample", "published_at"])
    return issue


@transaction.atomic
def send_test(*, issue_id: int, user: User, at: datetime, key: str) -> OutgoingMail:
    """The issue to the admin alone. Raises NotNow, NotAnAddress."""
    issue = _locked(issue_id, Act.TEST)
    return mails.send_test(issue, email=user.email, name=user.name, key=key, at=at)


def sent_this_quarter(issue: Issue, *, at: datetime) -> Issue | None:
    """The latest other issue of the same quarter, or that was sent in the present one."""
    now = quarter_of(at.date())
    sent = Issue.objects.exclude(pk=issue.pk).exclude(started_at=None).order_by("-started_at")[:20]
    same = (other for other in sent if other.started_at and now == quarter_of(other.started_at.date()))
    return next(same, None) or next((other for other in sent if other.of == issue.of), None)


def last_sent(issue: Issue) -> Issue | None:
    """The issue that was sent last, other than this one."""
    return Issue.objects.exclude(pk=issue.pk).exclude(started_at=None).order_by("-started_at").first()


@transaction.atomic
def start(*, issue_id: int, shown: int, second: bool, user: User, at: datetime) -> Issue:
    """Begins to send an issue to its readers of now; once begun, it cannot be begun again, nor be changed.

    ``shown`` is how many readers the admin has seen; ``second`` that another issue of the quarter is meant.

    Raises NotNow, OtherReaders, SecondThisQuarter.
    """
    issue = _locked(issue_id, Act.START)
    other = sent_this_quarter(issue, at=at)
    if other is not None and not second:
        raise SecondThisQuarter(other)
    count = readers().filter(confirmed_at__lte=at).count()
    if count != shown:
        raise OtherReaders(count)
    issue.started_at = issue.next_batch_at = at
    issue.published_at = issue.published_at or at
    issue.started_by, issue.readers, issue.sent_from = user, count, this_database()
    issue.save(update_fields=["started_at", "next_batch_at", "published_at", "started_by", "readers", "sent_from"])
    return issue


@transaction.atomic
def pause(*, issue_id: int, at: datetime) -> Issue:
    """Puts nobody else's mail into the outbox; what is there already goes out. Raises NotNow."""
    issue = _locked(issue_id, Act.PAUSE)
    issue.paused_at = at
    issue.save(update_fields=["paused_at"])
    return issue


@transaction.atomic
def go_on(*, issue_id: int, at: datetime) -> Issue:
    """Goes on behind the reader whom it had reached. Raises NotNow."""
    issue = _locked(issue_id, Act.GO_ON)
    issue.paused_at, issue.rested, issue.next_batch_at, issue.sent_from = None, False, at, this_database()
    issue.save(update_fields=["paused_at", "rested", "next_batch_at", "sent_from"])
    return issue


@transaction.atomic
def cancel(*, issue_id: int, at: datetime) -> Issue:
    """Ends it for all who have not got it, also out of the outbox. Raises NotNow."""
    issue = _locked(issue_id, Act.CANCEL)
    issue.cancelled_at = at
    issue.save(update_fields=["cancelled_at"])
    waiting = Delivery.objects.filter(issue=issue, mail__sent_at=None, mail__failed_at=None, mail__isnull=False)
    take_back(mail_ids=list(waiting.values_list("mail_id", flat=True)), at=at)
    return issue

"""Readers and issues for the tests of the tips."""

from __future__ import annotations

import itertools
import re
from datetime import datetime, timedelta
from typing import Any

from django.test import Client

from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from supportdesk.tips import issues
from supportdesk.tips.models import Issue, Subscriber

_serial = itertools.count(1)
TEXT = "# Backups\n\nTest the *restore*, not the backup: [how](https://www.quillmark.example/restore/)."


def ask(email: str, *, ip: str = "203.0.113.7", key: str = "", client: Client | None = None) -> Any:
    """The form, sent."""
    key = key or f"{next(_serial):032x}"
    return (client or Client()).post("/tips/", {"key": key, "email": email}, REMOTE_ADDR=ip)


def link_in(mail: OutgoingMail, what: str = "confirm") -> str:
    """The path of a link in a mail."""
    found = re.search(rf"http://testserver(/tips/{what}/\S+)", mail.text)
    assert found is not None, mail.text
    return found[1]


def a_reader(email: str, *, at: datetime) -> Subscriber:
    """Somebody who confirmed a day before."""
    since = at - timedelta(days=1)
    return Subscriber.objects.create(email=email, asked_at=since, confirmed_at=since, proof="<1@desk.example>")


def readers(count: int, *, at: datetime) -> None:
    """Many of them."""
    since = at - timedelta(days=1)
    Subscriber.objects.bulk_create(
        Subscriber(email=f"reader-{number}@read.example", asked_at=since, confirmed_at=since) for number in range(count)
    )


def an_issue(title: str = "Restore before you need it", **given: Any) -> Issue:
    values: dict[str, Any] = {"year": 2026, "quarter": 4, "text": TEXT}
    return Issue.objects.create(title=title, **(values | given))


def started(issue: Issue, user: User, *, at: datetime, second: bool = False) -> Issue:
    """Begun to be sent to all its readers."""
    shown = Subscriber.objects.filter(unsubscribed_at=None, bounced_at=None).count()
    return issues.start(issue_id=issue.pk, shown=shown, second=second, user=user, at=at)


def mails_of(issue: Issue) -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(about=f"tips:{issue.pk}", kind="tips_issue").order_by("pk"))

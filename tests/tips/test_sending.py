"""An issue goes to each reader once, in small lots, whatever dies or runs twice (R15)."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import deliver_due, queue_mail
from supportdesk.policy import POLICY
from supportdesk.tips import issues, mails, queries, sending, services
from supportdesk.tips.access import readers as reading
from supportdesk.tips.models import Delivery, Issue, Subscriber
from supportdesk.tips.quarters import State
from tests.cast import Cast
from tests.conftest import _drop, _make, _point_at
from tests.incidents_helpers import at_once
from tests.mail.smtp import MailServer, mail_server
from tests.tips.reading import a_reader, an_issue, mails_of, readers, started

pytestmark = pytest.mark.rule("R15")
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    with mail_server(settings) as running:
        yield running


def went_out(issue: Issue, *, at: datetime) -> None:
    """What waits, sent."""
    OutgoingMail.objects.filter(tips_delivery__issue=issue, sent_at=None, failed_at=None).update(sent_at=at)


def run_to_the_end(issue: Issue, *, at: datetime) -> int:
    """All batches, each sent before the next; gives how many there were."""
    for turn in range(1, 1_000):
        now = at + turn * MINUTE
        sending.send_due(at=now)
        went_out(issue, at=now)
        issue.refresh_from_db()
        if issue.finished_at:
            return turn
    raise AssertionError("it never ended")


def test_each_reader_gets_it_once(cast: Cast, server: MailServer, at: datetime):
    a_reader("rita@read.example", at=at)
    a_reader("rob@read.example", at=at)
    issue = started(an_issue(), cast.admin, at=at)
    assert (issue.readers, issue.started_by, issue.published_at) == (2, cast.admin, at)
    assert sending.send_due(at=at) == 2
    assert deliver_due(now=lambda: at) == 2
    for turn in range(1, 4):
        assert sending.send_due(at=at + turn * MINUTE) == 0
    issue.refresh_from_db()
    assert issue.state is State.SENT
    assert sorted(str(mail["To"]) for mail in server.got) == ["rita@read.example", "rob@read.example"]
    text, html = (part.get_content() for part in server.got[0].iter_parts())
    assert server.got[0]["Subject"] == "Restore before you need it"
    assert "# Backups" in text
    assert ">Backups</h2>" in html
    assert "<em>restore</em>" in html
    assert text.count("/tips/unsubscribe/") == html.count("/tips/unsubscribe/") == 1
    assert ".invalid" not in text + html


def test_batches_are_small_and_a_minute_apart(cast: Cast, at: datetime):
    readers(250, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    assert sending.send_due(at=at) == POLICY.tips_batch == 100
    went_out(issue, at=at)
    assert sending.send_due(at=at + MINUTE - timedelta(seconds=1)) == 0
    assert sending.send_due(at=at + MINUTE) == 100
    went_out(issue, at=at)
    assert sending.send_due(at=at + 2 * MINUTE) == 50
    found = queries.progress(Issue.objects.get())
    assert (found.total, found.sent, found.queued, found.ahead, found.left_out) == (250, 200, 50, 0, 0)


def test_no_more_than_a_batch_waits_in_the_outbox(cast: Cast, at: datetime):
    """Nothing goes out for hours: the outbox does not fill, and it is not taken for a rest."""
    readers(250, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    for minute in range(0, 60 * (POLICY.tips_rest_hours + 1), 30):
        sending.send_due(at=at + minute * MINUTE)
    assert OutgoingMail.objects.count() == 100
    OutgoingMail.objects.filter(pk__in=[mail.pk for mail in mails_of(issue)[:30]]).update(sent_at=at)
    assert sending.send_due(at=at + timedelta(hours=7)) == 30
    issue.refresh_from_db()
    assert issue.state is State.SENDING


def test_it_is_sent_once_the_last_mail_has_left(cast: Cast, at: datetime):
    """Until then what waits can be cancelled."""
    readers(5, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    sending.send_due(at=at + MINUTE)
    assert Issue.objects.get().state is State.SENDING
    issues.cancel(issue_id=issue.pk, at=at + MINUTE)
    assert not OutgoingMail.objects.exists()


def test_others_mails_go_first(cast: Cast, server: MailServer, at: datetime):
    readers(3, at=at)
    started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    queue_mail(to_address="o@acme.example", to_name="", subject="Ticket", text="x", at=at + MINUTE, kind="k", key="k")
    deliver_due(now=lambda: at + MINUTE)
    assert server.got[0]["Subject"] == "Ticket"
    assert len(server.got) == 4


def test_two_schedulers_and_four_workers_mail_each_reader_once(committed_cast: Cast, at: datetime):
    readers(130, at=at)
    issue = started(an_issue(), committed_cast.admin, at=at)
    for turn in range(4):
        now = at + turn * MINUTE
        made = at_once(*[lambda now=now: sending.send_due(at=now)] * 4)
        assert not [one for one in made if isinstance(one, Exception)]
        went_out(issue, at=now)
    assert len(mails_of(issue)) == Delivery.objects.count() == 130
    assert len({mail.to_address for mail in mails_of(issue)}) == 130


def test_two_admins_start_it_once(committed_cast: Cast, at: datetime):
    readers(3, at=at)
    issue = an_issue()
    made = at_once(*[lambda: started(issue, committed_cast.admin, at=at)] * 3)
    assert sum(isinstance(one, issues.NotNow) for one in made) == 2


@pytest.mark.parametrize("dies_after", [0, 3, 7])
def test_dying_in_the_middle_of_a_batch_loses_and_doubles_nothing(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, dies_after: int
):
    readers(8, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    left = iter(range(dies_after))

    def dying(*args: Any, **kwargs: Any) -> OutgoingMail:
        made = real(*args, **kwargs)
        if next(left, None) is None:
            raise KeyboardInterrupt
        return made

    real = mails.send_issue
    monkeypatch.setattr(mails, "send_issue", dying)
    with pytest.raises(KeyboardInterrupt), transaction.atomic():
        sending.send_due(at=at)
    assert not OutgoingMail.objects.exists()
    monkeypatch.setattr(mails, "send_issue", real)
    assert sending.send_due(at=at) == 8
    assert len({mail.to_address for mail in mails_of(issue)}) == 8


def test_a_reader_and_an_issue_are_one_delivery(cast: Cast, at: datetime):
    reader = a_reader("rita@read.example", at=at)
    issue = an_issue()
    Delivery.objects.create(issue=issue, subscriber=reader)
    with pytest.raises(IntegrityError), transaction.atomic():
        Delivery.objects.create(issue=issue, subscriber=reader)


def test_pause_go_on_and_cancel(cast: Cast, at: datetime):
    readers(250, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    went_out(issue, at=at)
    issues.pause(issue_id=issue.pk, at=at)
    assert sending.send_due(at=at + 5 * MINUTE) == 0
    with pytest.raises(issues.NotNow):
        issues.pause(issue_id=issue.pk, at=at)
    issues.go_on(issue_id=issue.pk, at=at + DAY)
    assert sending.send_due(at=at + DAY) == 100
    held, *_rest = OutgoingMail.objects.filter(sent_at=None)
    OutgoingMail.objects.filter(pk=held.pk).update(claimed_until=at + DAY + MINUTE)
    issues.cancel(issue_id=issue.pk, at=at + DAY)
    assert sending.send_due(at=at + DAY) == 0
    # What a worker holds this moment goes out; all else is taken out again.
    assert list(OutgoingMail.objects.filter(sent_at=None)) == [held]
    issue = Issue.objects.get()
    found = queries.progress(issue)
    assert (found.sent, found.queued, found.ahead, found.left_out) == (100, 1, 0, 149)
    # It was put off by its server, or its worker died: there is no later try.
    assert sending.send_due(at=at + DAY + MINUTE) == 0
    assert not OutgoingMail.objects.filter(sent_at=None).exists()
    for verb in (issues.go_on, issues.cancel, issues.pause):
        with pytest.raises(issues.NotNow):
            verb(issue_id=issue.pk, at=at)
    with pytest.raises(issues.NotNow):
        started(issue, cast.admin, at=at)


def test_an_issue_that_rested_for_hours_waits_for_an_admin(cast: Cast, at: datetime):
    """As after a restore: the dump does not know how far it got since."""
    readers(150, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    went_out(issue, at=at)
    later = at + timedelta(hours=POLICY.tips_rest_hours, minutes=2)
    assert sending.send_due(at=later) == 0
    issue.refresh_from_db()
    assert (issue.state, issue.rested) == (State.PAUSED, True)
    issues.go_on(issue_id=issue.pk, at=later)
    assert sending.send_due(at=later) == 50


def test_a_restored_database_sends_nothing_by_itself(committed_cast: Cast, at: datetime):
    """A copy, as a restored dump is one: minutes after it was made, so no rest betrays it."""
    readers(250, at=at)
    issue = started(an_issue(), committed_cast.admin, at=at)
    sending.send_due(at=at)
    went_out(issue, at=at)
    name = connection.settings_dict["NAME"]
    connection.close()
    _make(f"{name}_restored", template=name)
    _point_at(f"{name}_restored")
    try:
        assert sending.send_due(at=at + MINUTE) == 0
        assert Issue.objects.get().rested
        issues.go_on(issue_id=issue.pk, at=at + MINUTE)
        assert sending.send_due(at=at + MINUTE) == 100
    finally:
        _point_at(name)
        _drop(f"{name}_restored")
    assert sending.send_due(at=at + MINUTE) == 100


def test_who_comes_after_the_start_gets_the_next_one(cast: Cast, at: datetime):
    readers(2, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    services.subscribe_own(email="late@read.example", at=at + MINUTE)
    run_to_the_end(issue, at=at)
    assert len(mails_of(issue)) == 2


def test_what_was_refused_for_good_is_not_mailed_again(cast: Cast, server: MailServer, at: datetime):
    for name in ("rita", "rob", "back"):
        a_reader(f"{name}@read.example", at=at)
    first = started(an_issue("First"), cast.admin, at=at)
    sending.send_due(at=at)
    server.rcpt = "550 no such mailbox"
    deliver_due(now=lambda: at, limit=1)
    server.rcpt = "250 OK"
    deliver_due(now=lambda: at)
    refused, came_back, _fine = mails_of(first)
    assert OutgoingMail.objects.get(pk=refused.pk).failed_at == at
    OutgoingMail.objects.filter(pk=came_back.pk).update(bounced_at=at + MINUTE, bounce="550 5.1.1")
    assert [one.mail_id for one in queries.failures(first)] == [came_back.pk, refused.pk]
    assert reading().count() == queries.reader_count() == 1
    later = at + 100 * DAY
    second = an_issue("Second", year=2027, quarter=1)
    issues.start(issue_id=second.pk, shown=1, second=False, user=cast.admin, at=later)
    assert sending.send_due(at=later) == 1
    assert Subscriber.objects.filter(bounced_at=later).count() == 2
    # Whoever confirms anew is mailed again.
    services.subscribe_own(email=refused.to_address, at=later)
    assert reading().count() == 2


def test_what_was_given_up_says_nothing_of_the_address(cast: Cast, at: datetime):
    a_reader("rita@read.example", at=at)
    issue = started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    mail = mails_of(issue)[0]
    OutgoingMail.objects.filter(pk=mail.pk).update(failed_at=mail.give_up_at + MINUTE)
    assert reading().count() == 1


def test_an_address_that_takes_no_mail_keeps_nobody_else_from_theirs(cast: Cast, at: datetime):
    a_reader("rita@read.example", at=at)
    a_reader('"quoted name"@read.example', at=at)
    issue = started(an_issue(), cast.admin, at=at)
    assert sending.send_due(at=at) == 1
    assert queries.progress(Issue.objects.get(pk=issue.pk)).left_out == 1


def test_a_second_issue_in_a_quarter_is_asked_about(cast: Cast, at: datetime):
    readers(2, at=at)
    first = started(an_issue("First"), cast.admin, at=at)
    second = an_issue("Second", year=2027, quarter=1)
    with pytest.raises(issues.SecondThisQuarter) as asked:
        started(second, cast.admin, at=at + DAY)
    assert asked.value.other == first
    started(second, cast.admin, at=at + DAY, second=True)
    # Of the next quarter by its name, and sent in it, is none.
    started(an_issue("Third", year=2027, quarter=2), cast.admin, at=at + 130 * DAY)
    with pytest.raises(issues.SecondThisQuarter):
        started(an_issue("Fourth", year=2027, quarter=2), cast.admin, at=at + 300 * DAY)


def test_it_goes_to_as_many_as_were_shown(cast: Cast, at: datetime):
    readers(2, at=at)
    issue = an_issue()
    with pytest.raises(issues.OtherReaders) as asked:
        issues.start(issue_id=issue.pk, shown=3, second=False, user=cast.admin, at=at)
    assert asked.value.count == 2
    issue.refresh_from_db()
    assert issue.started_at is None


def test_what_is_being_sent_can_no_longer_be_edited(cast: Cast, at: datetime):
    readers(2, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    with pytest.raises(issues.NotNow):
        issues.write_issue(issue_id=issue.pk, title="Other", year=2026, quarter=4, text="Other")


@pytest.mark.parametrize(
    "change",
    [
        "SET text = 'other'",
        "SET title = 'other'",
        "SET started_at = NULL",
        "SET reached = 0",
        "SET readers = 0",
        "SET started_at = now()",
    ],
)
def test_the_database_refuses_it_too(cast: Cast, at: datetime, change: str):
    """As the application's role, by plain SQL."""
    readers(2, at=at)
    issue = started(an_issue(), cast.admin, at=at)
    sending.send_due(at=at)
    for statement in (f"UPDATE tips_issue {change} WHERE id = %s", "DELETE FROM tips_issue WHERE id = %s"):
        with (
            pytest.raises(DatabaseError, match="was begun to be sent"),
            transaction.atomic(),
            connection.cursor() as sql,
        ):
            sql.execute(statement, [issue.pk])


def test_a_batch_costs_the_same_whatever_the_number_of_readers(cast: Cast, at: datetime):
    """20,000 readers: as many queries in the last batch as in the first, and in a batch for 300 in all."""
    readers(300, at=at)
    small = started(an_issue("Small"), cast.admin, at=at)
    with CaptureQueriesContext(connection) as few:
        sending.send_due(at=at)
    issues.cancel(issue_id=small.pk, at=at)
    Subscriber.objects.all().delete()
    readers(20_000, at=at)
    issue = started(an_issue("Large"), cast.admin, at=at, second=True)
    counted = []
    for turn in range(1, 6):
        now = at + turn * MINUTE
        if turn == 4:
            # Far on: all but the last readers have theirs.
            _skip_to_the_end(issue)
        with CaptureQueriesContext(connection) as many:
            assert sending.send_due(at=now) == 100
        counted.append(len(many))
        went_out(issue, at=now)
    assert set(counted) == {len(few)}
    assert (
        _touched(
            "SELECT id FROM tips_subscriber WHERE unsubscribed_at IS NULL AND bounced_at IS NULL "
            f"AND id > {Issue.objects.get(pk=issue.pk).reached} ORDER BY id LIMIT 100"
        )
        <= 300
    )


def _skip_to_the_end(issue: Issue) -> None:
    """As if all but 250 of the readers had theirs."""
    last = Subscriber.objects.order_by("-pk").values_list("pk", flat=True)[250]
    Issue.objects.filter(pk=issue.pk).update(reached=last)


def _touched(sql: str) -> int:
    """How many rows the database looks at for a question."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}")
        plan = cursor.fetchone()[0][0]["Plan"]

    def rows(node: dict[str, Any]) -> int:
        own = int(node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * int(node["Actual Loops"])
        return own + sum(rows(child) for child in node.get("Plans", ()))

    return rows(plan)

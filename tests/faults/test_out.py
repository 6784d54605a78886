"""Mail out, killed at each step: it goes out with one Message-ID (D30).

It goes out twice only where the server took it and nobody lived to record that.
"""

from __future__ import annotations

from http.client import HTTPException

import pytest

from incidents.models import Incident, Message, MessageKind
from supportdesk import clock
from supportdesk.demo.client import Visitor
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.outgoing import LEASE, queue_mail
from supportdesk.tips.models import Delivery
from tests.cast import PASSWORD, Cast
from tests.faults.running import (
    WORK,
    Processes,
    copies,
    delivers_all,
    full_but,
    goes_on,
    same_each_time,
    settle,
    until,
)
from tests.incidents_helpers import a_release, opened, with_points
from tests.mail.smtp import MailServer
from tests.tips.reading import an_issue, mails_of, readers, started

pytestmark = pytest.mark.rule("D30")

# How many mails the server has taken when the worker is dead, and how many the outbox knows of.
OUTBOX = {
    "outbox: claimed, not connected": (0, 0),
    "outbox: connected": (0, 0),
    "outbox: DATA begun": (0, 0),
    "outbox: mail sent, answer not read": (1, 0),
    "outbox: mail taken, not recorded": (1, 0),
    "outbox: recorded": (1, 1),
}


def queue(count: int) -> list[str]:
    """So many mails that are due; gives their Message-IDs."""
    at = clock.now()
    made = [
        queue_mail(
            to_address=f"o{n}@acme.example", to_name="", subject="S", text=f"Hi {n}", at=at, kind="test", key=f"k{n}"
        )
        for n in range(count)
    ]
    return [mail.message_id for mail in made]


@pytest.mark.parametrize("step", full_but(OUTBOX, "outbox: DATA begun", "outbox: mail taken, not recorded"))
def test_a_worker_that_is_killed_is_followed_by_one_that_sends_the_rest(
    processes: Processes, server: MailServer, step: str
):
    ids = queue(3)
    processes.killed([*WORK, "deliver"], at=step)
    taken, recorded = OUTBOX[step]
    until(lambda: len(server.got) == taken, processes.said)
    assert OutgoingMail.objects.exclude(sent_at=None).count() == recorded
    # The mail that the dead one held rests for a lease, and holds no other one up.
    assert delivers_all() == 2
    assert delivers_all(later=LEASE) == 1 - recorded
    assert delivers_all(later=2 * LEASE) == 0
    settle(server)
    assert set(server.ids) == set(ids)
    assert sorted(map(server.ids.count, ids)) == [1, 1, 1 + taken - recorded]


@pytest.mark.parametrize("step", full_but(OUTBOX, "outbox: mail taken, not recorded"))
def test_a_worker_that_stands_still_past_its_lease_records_nothing(processes: Processes, server: MailServer, step: str):
    """Another one has sent the mail since: what that recorded stays, whatever the sleeper finds when it wakes."""
    ids = queue(1)
    sleeper = processes.frozen([*WORK, "deliver"], at=step)
    recorded = OUTBOX[step][1]
    assert delivers_all() == 0
    assert delivers_all(later=LEASE) == 1 - recorded
    before = OutgoingMail.objects.values().get()
    goes_on(sleeper)
    assert OutgoingMail.objects.values().get() == before
    settle(server)
    assert server.ids == ids * (2 - recorded)


def test_a_sleeper_s_failure_is_not_recorded_either(processes: Processes, server: MailServer):
    queue(1)
    sleeper = processes.frozen([*WORK, "deliver"], at="outbox: connected")
    assert delivers_all(later=LEASE) == 1
    server.rcpt = "550 gone"
    before = OutgoingMail.objects.values().get()
    goes_on(sleeper)
    assert OutgoingMail.objects.values().get() == before
    settle(server)
    assert len(server.got) == 1


def test_two_workers_at_one_outbox_send_each_mail_once(processes: Processes, server: MailServer):
    ids = queue(200)
    workers = processes.together([[*WORK, "deliver", "wait"]] * 2)
    assert sum(workers) == 200
    assert all(workers)
    settle(server)
    assert sorted(server.ids) == sorted(ids)
    assert set(OutgoingMail.objects.values_list("fence", "tries")) == {(1, 1)}


# What causes a mail


def signed_in(base: str, email: str) -> Visitor:
    """A browser that has signed in by password."""
    visitor = Visitor(base)
    page = visitor.send(visitor.get("/accounts/sign-in/"), "/sign-in/", login=email, password=PASSWORD)
    assert "/sign-in/" not in page.url, page.errors()
    return visitor


WEB = {"web: mail queued, not committed": 0, "web: committed, nobody woken": 1}


@pytest.mark.rule("R3", "R7")
@pytest.mark.parametrize("step", full_but(WEB, "web: committed, nobody woken"))
def test_a_web_that_is_killed_while_an_incident_opens_has_opened_it_or_not(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    """The same form once more: one ticket, one charge, one mail."""
    with_points(committed_cast.acme, 100, at=clock.now())
    release = str(a_release().pk)
    found: list[int] = []
    with processes.web(at=step) as base:
        olive = signed_in(base, committed_cast.owner.email)
        words = {"release": release, "kind": "operation", "subject": "It stops", "text": "At night."}
        page = olive.get("/report/")
        with pytest.raises((OSError, HTTPException)):
            olive.send(page, "/report/", **words)
        found.append(OutgoingMail.objects.filter(kind="incident_opened").count())
        found.append(Incident.objects.count())
        shown = olive.send(page, "/report/", **words)
    incident = Incident.objects.get()
    assert found == [WEB[step]] * 2
    assert shown.url.endswith(f"/incidents/{incident.number}/")
    settle(server)
    assert server.ids == [incident.mails.get().mail.message_id]
    assert committed_cast.acme.entries.filter(cause="charge").count() == 1


@pytest.mark.rule("D11")
@pytest.mark.parametrize("step", full_but(WEB, "web: mail queued, not committed"))
def test_a_web_that_is_killed_while_it_sends_an_answer_has_sent_it_or_not(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    incident = opened(committed_cast.owner, at=clock.now())
    settle(server)
    with processes.web(at=step) as base:
        tess = signed_in(base, committed_cast.technician.email)
        page = tess.get(f"/desk/incidents/{incident.number}/")
        words = {"answer-text": "Please send the log.", "answer-then": "waiting"}
        with pytest.raises((OSError, HTTPException)):
            tess.send(page, "/answer/", **words)
        answers = Message.objects.filter(kind=MessageKind.ANSWER)
        assert answers.count() == WEB[step]
        assert "Please send the log." in tess.send(page, "/answer/", **words).text
        assert answers.count() == 1
    settle(server)
    assert copies(server) == {1}
    assert set(server.ids) == set(OutgoingMail.objects.values_list("message_id", flat=True))
    assert incident.mails.filter(message=answers.get()).count() == 1


@pytest.mark.rule("R15")
@pytest.mark.parametrize(
    ("step", "queued"),
    [
        ("tips: in the middle of a batch", 0),
        pytest.param("tips: batch committed, nobody woken", 5, marks=pytest.mark.full),
    ],
)
def test_a_batch_of_tips_is_written_whole_or_not_and_doubles_nobody(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str, queued: int
):
    at = clock.now()
    readers(5, at=at)
    issue = started(an_issue(), committed_cast.admin, at=at)
    processes.killed([*WORK, "tips"], at=step)
    assert len(mails_of(issue)) == Delivery.objects.count() == queued
    processes.done([*WORK, "tips"])
    settle(server)
    assert sorted(str(mail["To"]) for mail in server.got) == [f"reader-{n}@read.example" for n in range(5)]
    same_each_time(server)

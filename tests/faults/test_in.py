"""Mail in, killed at each step: what got 250 is there once, what did not is sent again and counts once (D29)."""

from __future__ import annotations

import json
import re
from collections import Counter
from datetime import timedelta

import pytest
from django.db import connection

from incidents.models import Attachment, Draft, HeldMail, Incident, Message
from incidents.services import files
from supportdesk import clock
from supportdesk.mail.incoming import LEASE, store_raw
from supportdesk.mail.models import Outcome, OutgoingMail, RawMail
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.faults.running import MANAGE, WORK, Processes, files_all, full_but, goes_on, sends, settle, until
from tests.incidents_helpers import opened, raw_mail
from tests.mail.smtp import MailServer

pytestmark = pytest.mark.rule("D29")

OLIVE, NOBODY = "Olive <olive@acme.example>", "somebody@else.example"
FILE = """--b
Content-Type: text/plain; charset=utf-8

It stops. The log is with this.
--b
Content-Type: text/plain; name="log.txt"
Content-Disposition: attachment; filename="log.txt"

02:00 stops
--b--
"""


def about(incident: Incident, text: str = "It works now.") -> bytes:
    """Olive's answer, with a Message-ID and words of its own."""
    return raw_mail(sender=OLIVE, at=clock.now(), subject=f"Re: [{incident.number}]", text=text)


def with_file(incident: Incident) -> bytes:
    plain = about(incident, FILE)
    return re.sub(
        rb"Content-Type: [^\r\n]+", b'MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary="b"', plain, count=1
    )


def kept(source: bytes) -> RawMail:
    """Stored as the gateway does it, in this process."""
    at = clock.now()
    raw, _new = store_raw(source=source, mail_from="olive@acme.example", rcpt_to=[], at=at, via="smtp")
    return raw


def each_is_one_message(*sources: bytes) -> None:
    """Each mail is stored as it came, added, and is one message of that one incident."""
    counted = RawMail.objects.exclude(outcome=Outcome.DUPLICATE)
    assert Counter(bytes(raw.source) for raw in counted) == Counter(sources)
    assert set(counted.values_list("outcome", flat=True)) == {Outcome.ADDED}
    assert Message.objects.filter(raw_mail__in=counted).count() == len(sources)


GATEWAY = {
    "gateway: before anything is stored": 1,
    "gateway: committed, 250 not said": 2,
}


@pytest.mark.parametrize("step", GATEWAY)
def test_a_gateway_that_is_killed_has_taken_what_it_said_and_nothing_twice(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    incident = opened(committed_cast.owner, at=clock.now())
    mails = [about(incident, f"Word {number}") for number in range(3)]
    gateway, port = processes.gateway(at=step, nth=2)
    heard = [sends(mail, port=port) for mail in mails]
    gateway.wait(30)
    assert heard == [True, False, False]
    assert [bytes(raw.source) for raw in RawMail.objects.order_by("pk")] == mails[: GATEWAY[step]]
    _again, port = processes.gateway()
    assert all(sends(mail, port=port) for mail, said in zip(mails, heard, strict=True) if not said)
    settle(server)
    each_is_one_message(*mails)
    deliveries = RawMail.objects.order_by("pk").values_list("deliveries", flat=True)
    assert list(deliveries) == ([1, 2, 1] if GATEWAY[step] == 2 else [1, 1, 1])


PIPE = {
    "pipe: stored, not filed": 1,
    "pipe: filed, nothing said": 1,
}


@pytest.mark.parametrize("step", full_but(PIPE, "pipe: stored, not filed"))
def test_a_pipe_that_is_killed_is_fed_again_and_the_mail_counts_once(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    mail = about(opened(committed_cast.owner, at=clock.now()))
    processes.killed([*MANAGE, "receive_mail"], at=step, given=mail)
    assert RawMail.objects.count() == PIPE[step]
    said = json.loads(processes.done([*MANAGE, "receive_mail"], given=mail))
    assert said["outcome"] == ("duplicate" if PIPE[step] else "added")
    settle(server)
    each_is_one_message(mail)


FILER = [
    "filer: claimed",
    "filer: files written, not their message",
    "filer: message written, no outcome",
    "filer: outcome written, not committed",
    "filer: committed",
]


@pytest.mark.parametrize("step", full_but(FILER, "filer: message written, no outcome"))
def test_a_filer_that_is_killed_leaves_a_mail_that_is_filed_once(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    """Its files, too: what it wrote to the disk and did not commit is swept."""
    incident = opened(committed_cast.owner, at=clock.now())
    mails = [with_file(incident), about(incident, "And this.")]
    for mail in mails:
        kept(mail)
    before = on_disk()
    processes.killed([*WORK, "file"], at=step)
    done = step == "filer: committed"
    assert Message.objects.exclude(raw_mail=None).count() == done
    # The dead one's mail rests for a lease, the other one is not held up by it.
    assert files_all() == 1
    assert Message.objects.exclude(raw_mail=None).count() == 1 + done
    settle(server)
    each_is_one_message(*mails)
    assert Attachment.objects.count() == 1
    rows = set(Attachment.objects.values_list("stored", flat=True))
    strays = on_disk() - before - rows
    assert len(strays) == (step in FILER[1:4])
    assert rows <= on_disk()
    files.sweep(at=clock.now() + timedelta(hours=POLICY.upload_hours + 1))
    assert not strays & on_disk()
    assert rows <= on_disk()


def on_disk() -> set[str]:
    """The names of all files that are kept."""
    root = files.place_of(".")
    return {str(path.relative_to(root)) for path in root.glob("??/*")}


@pytest.mark.rule("D27", "D28")
@pytest.mark.parametrize(
    ("step", "sender", "outcome"),
    [
        ("filer: held, its answer queued, not committed", NOBODY, Outcome.HELD),
        ("filer: draft written, its answer queued, not committed", OLIVE, Outcome.DRAFT),
    ],
)
def test_a_filer_that_is_killed_answers_a_mail_that_names_no_incident_once(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str, sender: str, outcome: str
):
    kept(raw_mail(sender=sender, at=clock.now(), subject="Help"))
    processes.killed([*WORK, "file"], at=step)
    assert (HeldMail.objects.count(), Draft.objects.count(), OutgoingMail.objects.count()) == (0, 0, 0)
    settle(server)
    assert RawMail.objects.get().outcome == outcome
    assert HeldMail.objects.count() + Draft.objects.count() == 1
    assert len(server.got) == OutgoingMail.objects.count() == 1


def test_a_mail_that_kills_its_filer_each_time_is_held_whatever_kills_that(
    processes: Processes, committed_cast: Cast, server: MailServer
):
    raw = kept(about(opened(committed_cast.owner, at=clock.now())))
    RawMail.objects.filter(pk=raw.pk).update(tries=POLICY.mail_tries)
    # Looked for at the beginning of a run; and then by whoever finds the mail given up.
    processes.killed([*WORK, "file"], at="filer: given up, not yet held", nth=1)
    raw.refresh_from_db()
    assert (raw.outcome, HeldMail.objects.count()) == (Outcome.HELD, 0)
    settle(server)
    assert HeldMail.objects.get().raw_mail == raw


@pytest.mark.parametrize("step", ["filer: claimed", "filer: message written, no outcome"])
def test_a_filer_that_stands_still_past_its_lease_adds_nothing_a_second_time(
    processes: Processes, committed_cast: Cast, server: MailServer, step: str
):
    mail = about(opened(committed_cast.owner, at=clock.now()))
    kept(mail)
    sleeper = processes.frozen([*WORK, "file"], at=step)
    if step == "filer: claimed":
        assert files_all(later=LEASE) == 1
        goes_on(sleeper)
    else:
        # It holds the mail in a transaction: whoever looks for work meanwhile passes it over.
        assert files_all(later=LEASE) == 0
        goes_on(sleeper)
    settle(server)
    each_is_one_message(mail)


def test_a_filer_whose_machine_stands_still_holds_nobody_up_for_longer_than_that(
    processes: Processes, committed_cast: Cast, server: MailServer
):
    """The database ends its transaction (``supportdesk/database.sql``): when it wakes, nothing of it counts."""
    mail = about(opened(committed_cast.owner, at=clock.now()))
    kept(mail)
    with connection.cursor() as cursor:
        cursor.execute("SHOW idle_in_transaction_session_timeout")
        assert cursor.fetchone() == ("5min",)
    soon = "-c idle_in_transaction_session_timeout=200ms"
    sleeper = processes.frozen([*WORK, "file"], at="filer: message written, no outcome", PGOPTIONS=soon)
    until(lambda: files_all(later=LEASE) == 1, processes.said)
    goes_on(sleeper)
    assert "was not filed" in processes.said()
    settle(server)
    each_is_one_message(mail)


@pytest.mark.parametrize("count", [40, pytest.param(200, marks=pytest.mark.full)])
def test_two_filers_at_once_file_each_mail_once(
    processes: Processes, committed_cast: Cast, server: MailServer, count: int
):
    incidents = [opened(committed_cast.owner, at=clock.now()) for _incident in range(2)]
    mails = [about(incidents[number % 2], f"Word {number}") for number in range(count)]
    for mail in mails:
        kept(mail)
    done = processes.together([[*WORK, "file", "wait"]] * 2)
    assert all(done)
    rest = 0
    while more := files_all():
        rest += more
    assert sum(done) + rest == count
    settle(server)
    each_is_one_message(*mails)
    assert set(RawMail.objects.values_list("tries", flat=True)) == {1}

"""All mails of an incident are one conversation in their reader's program, and readable in any (R7, D26)."""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.mails.sending import thread_of
from incidents.models import Incident
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.texts import message_ids
from tests.cast import Cast
from tests.incidents.mail_walk import HOUR, long_way, replied, walked
from tests.incidents.told import a_mate
from tests.incidents_helpers import answered, opened

# The card of a bug is not in this walk: tests/incidents/test_credit_mails.py.
ELSEWHERE = {"incident_refund_failed"}


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> None:
    settings.FILES_DIR = tmp_path / "files"


@pytest.fixture
def walk(cast: Cast, clock_at: datetime) -> list[Incident]:
    return walked(cast, at=clock_at)


def threads(mails: list[OutgoingMail]) -> list[set[str]]:
    """The mails as programs group them: whatever names a common Message-ID, directly or by others (as JWZ does)."""
    groups: list[set[str]] = []
    for mail in mails:
        ids = {mail.message_id, *message_ids(mail.references), *message_ids(mail.in_reply_to)}
        for group in [group for group in groups if group & ids]:
            groups.remove(group)
            ids |= group
        groups.append(ids)
    return groups


def bare(subject: str) -> str:
    """A subject as Gmail and Outlook compare it."""
    return re.sub(r"^(re: )+", "", subject.lower())


@pytest.mark.rule("R7", "D26")
def test_each_reader_has_one_thread_an_incident(walk: list[Incident]):
    there = {path.name.partition(".")[0] for path in Path(project.BASE_DIR, "templates", "mail").glob("incident_*")}
    sent = set(OutgoingMail.objects.filter(kind__startswith="incident_").values_list("kind", flat=True))
    assert there - sent == ELSEWHERE, "all of them are in the walk"
    of: dict[tuple[int, str], list[OutgoingMail]] = defaultdict(list)
    for mail in OutgoingMail.objects.filter(kind__startswith="incident_").order_by("id").select_related("link"):
        of[mail.link.incident_id, mail.to_address].append(mail)
    assert max(len(mails) for mails in of.values()) >= 10
    for (incident_id, reader), mails in of.items():
        assert len(threads(mails)) == 1, (incident_id, reader)
        assert len({bare(mail.subject) for mail in mails}) == 1, [mail.subject for mail in mails]
        assert [mail.subject.startswith("Re: ") for mail in mails] == [False] + [True] * (len(mails) - 1)
    # One incident's mails never draw another one's into their thread.
    assert len(threads([mail for mails in of.values() for mail in mails])) == len({pk for pk, _reader in of})


@pytest.mark.rule("R7")
def test_a_mail_answers_one_that_its_reader_has(cast: Cast, clock_at: datetime):
    mate = a_mate(cast.acme)
    long_way(cast, mate, at=clock_at)
    for contact in (cast.owner, mate):
        theirs = {contact.email}
        known: set[str] = set()
        for mail in OutgoingMail.objects.filter(kind__startswith="incident_").order_by("id"):
            if mail.to_address in theirs:
                ours = [one for one in message_ids(mail.in_reply_to) if "@mail.example" not in one]
                assert set(ours) <= known
                known.add(mail.message_id)


@pytest.mark.rule("R7")
def test_the_customers_own_mail_is_what_we_answer(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    replied(cast.owner, at=clock_at + HOUR)
    theirs = incident.messages.get(raw_mail__isnull=False).raw_mail
    assert theirs is not None
    answered(incident, cast.technician, at=clock_at + 2 * HOUR)
    mail = OutgoingMail.objects.get(kind="incident_answered")
    assert mail.in_reply_to == theirs.message_id
    assert message_ids(mail.references)[-1] == theirs.message_id


def test_a_thread_is_asked_for_in_three_queries_however_long(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    counts = []
    for turn in range(2):
        with CaptureQueriesContext(
            connection,
        ) as asked:
            thread_of(incident, to=cast.owner)
        counts.append(len(asked))
        for hours in range(12):
            answered(incident, cast.technician, at=clock_at + (1 + 12 * turn + hours) * HOUR)
    assert counts == [3, 3]
    assert len(thread_of(incident, to=cast.owner).ids) <= 9


@pytest.mark.rule("R7")
def test_the_text_of_each_mail_reads_well_in_a_text_program(walk: list[Incident]):
    for mail in OutgoingMail.objects.filter(kind__startswith="incident_"):
        assert not re.search(r"&(?:#\d+|#x[0-9a-f]+|amp|lt|gt|quot|nbsp);", mail.text), mail.kind
        assert "\n\n\n" not in mail.text, (mail.kind, mail.text)
        assert not re.search(r"[ \t]+$", mail.text.replace("\n-- \n", "\n"), re.MULTILINE), (mail.kind, mail.text)
        assert "\n-- \nQuillmark support, " in mail.text
        assert mail.link.incident.shown_number in mail.text, mail.kind
        if not mail.automatic:
            continue
        # The subject is the same all along, so the news is the first line that is not about answering.
        first = mail.text.split("\n\n")[1]
        assert first[0].isupper() or first[0] in "“1234567890", (mail.kind, first)
        assert not first.startswith("Ticket number"), mail.kind

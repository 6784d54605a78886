"""Files: kept as uploads, claimed once by their uploader, copied, moved, swept (D31)."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import transaction

from incidents.access import attachments_for, uploads_of
from incidents.models import Attachment, Draft, Incident, Message
from incidents.services import conversation, files, opening
from incidents.services.common import KeyReused
from incidents.services.files import attach, copy_of, drop_upload, keep_upload, place_of, sweep
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of, scope_of_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import a_report, at_once, key, mailed, opened, with_points

pytestmark = pytest.mark.rule("D31")
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    return opened(cast.owner, at=at)


def small(monkeypatch: pytest.MonkeyPatch, **numbers: Any) -> None:
    """Smaller limits: what is proved is the comparison, at the byte."""
    policy = replace(POLICY, **numbers)
    monkeypatch.setattr("incidents.services.files.POLICY", policy)
    monkeypatch.setattr("incidents.uploads.POLICY", policy)


def kept(who: User | Contact, at: datetime, *, name: str = "trace.log", body: bytes = b"One line\n") -> Attachment:
    """An upload of somebody who is signed in, or of a contact who wrote a mail."""
    if isinstance(who, Contact):
        return keep_upload(name=name, chunks=[body], at=at, contact=who)
    return keep_upload(name=name, chunks=[body], at=at, user=who)


def signed(contact: Contact) -> User:
    assert contact.user is not None
    return contact.user


def on_disk(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def wrote(incident: Incident, cast: Cast, at: datetime, **given: Any) -> Message:
    values: dict[str, Any] = {"contact": cast.owner, "text": "See the file", "via": "portal", "key": key()} | given
    return conversation.customer_message(incident_id=incident.pk, at=at, **values).message


def test_an_upload_is_kept_as_it_came(cast: Cast, at: datetime, folder: Path):
    body = os.urandom(300_000)
    pieces = (body[start : start + 65_536] for start in range(0, len(body), 65_536))
    made = keep_upload(name="../../dump\u202e.bin", chunks=pieces, at=at, user=cast.technician)
    assert (made.name, made.size, made.picture) == ("dump.bin", 300_000, "")
    assert made.digest == hashlib.sha256(body).hexdigest()
    assert place_of(made.stored).read_bytes() == body
    assert on_disk(folder) == {made.stored}
    assert "dump" not in made.stored
    assert place_of(made.stored).stat().st_mode & 0o777 == 0o600
    assert kept(cast.technician, at, name="really.txt", body=PNG).picture == "png"
    crumbs = keep_upload(name="x", chunks=[bytes([byte]) for byte in PNG], at=at, user=cast.technician)
    assert crumbs.picture == "png", "however small the pieces"


def test_limits_hold_at_the_byte(cast: Cast, at: datetime, folder: Path, monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, file_bytes_max=1_000)
    assert kept(cast.technician, at, body=b"x" * 1_000).size == 1_000
    asked = 0

    def endless() -> Iterator[bytes]:
        nonlocal asked
        while True:
            asked += 1
            yield b"x" * 300

    with pytest.raises(files.FileTooLarge, match=r"trace\.log"):
        kept(cast.technician, at, body=b"x" * 1_001)
    with pytest.raises(files.FileTooLarge):
        keep_upload(name="endless", chunks=endless(), at=at, user=cast.technician)
    assert asked == 4, "no more is asked for than shows that it is too much"
    for nothing in ([], [b""], [b"", b""]):
        with pytest.raises(files.FileEmpty):
            keep_upload(name="nothing", chunks=nothing, at=at, user=cast.technician)
    assert Attachment.objects.count() == len(on_disk(folder)) == 1


def test_only_so_many_wait(cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, uploads_waiting_max=2)
    kept(cast.technician, at)
    second = kept(cast.technician, at)
    with pytest.raises(files.TooManyWaiting):
        kept(cast.technician, at)
    kept(cast.colleague, at)
    assert drop_upload(token=second.token, user=cast.technician)
    kept(cast.technician, at)


def test_a_full_disk_keeps_nothing(cast: Cast, at: datetime, folder: Path, monkeypatch: pytest.MonkeyPatch):
    def full(_number: int) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(files.FileNotStored):
            kept(cast.technician, at)
    assert on_disk(folder) == set()
    assert not Attachment.objects.exists()


def test_a_message_takes_its_writers_uploads(cast: Cast, at: datetime, incident: Incident):
    first, second = kept(signed(cast.owner), at), kept(signed(cast.owner), at, name="b.txt")
    message = wrote(incident, cast, at, files=[second.token, first.token])
    assert [file.name for file in message.files.all()] == ["trace.log", "b.txt"]
    by_mail = kept(cast.owner, at)
    assert wrote(incident, cast, at, via="mail", files=[by_mail.token]).files.get() == by_mail


@pytest.mark.parametrize("whose", ["stranger", "colleague", "used", "of nobody", "on a draft", "by mail of another"])
def test_what_is_not_theirs_or_gone_is_refused_and_nothing_is_sent(
    cast: Cast, at: datetime, incident: Incident, whose: str
):
    mine = kept(signed(cast.owner), at)
    if whose == "used":
        wrote(incident, cast, at, files=[mine.token])
    if whose == "on a draft":
        opening.keep_draft(report=a_report(cast.owner), at=at, key=key(), files=[mine.token])
    token = {
        "stranger": kept(signed(cast.stranger), at).token,
        "colleague": kept(signed(cast.restricted), at).token,
        "by mail of another": kept(cast.restricted, at).token,
        "of nobody": "x" * 43,
    }.get(whose, mine.token)
    good = kept(signed(cast.owner), at)
    before = Message.objects.count(), incident.timeline.count(), OutgoingMail.objects.count()
    with pytest.raises(files.FileGone):
        wrote(incident, cast, at, files=[good.token, token])
    assert (Message.objects.count(), incident.timeline.count(), OutgoingMail.objects.count()) == before
    good.refresh_from_db()
    assert good.message is None, "still there to be sent"


@pytest.mark.rule("D22")
def test_a_technician_cannot_take_what_a_customer_uploads(cast: Cast, at: datetime, incident: Incident):
    theirs = kept(signed(cast.owner), at)
    for act in (conversation.note, conversation.answer):
        more: dict[str, Any] = {"then": "open"} if act is conversation.answer else {}
        with pytest.raises(files.FileGone):
            act(incident_id=incident.pk, text="x", user=cast.technician, at=at, key=key(), files=[theirs.token], **more)
    assert incident.messages.count() == 1
    assert incident.clocks.get().clock.answered_at is None


def test_limits_of_a_message(cast: Cast, at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, files_max=2, message_files_bytes_max=20)
    three = [kept(signed(cast.owner), at, body=b"x").token for _n in range(3)]
    with pytest.raises(files.TooManyFiles):
        wrote(incident, cast, at, files=three)
    large = [kept(signed(cast.owner), at, body=b"x" * size).token for size in (10, 11)]
    with pytest.raises(files.FilesTooLarge):
        wrote(incident, cast, at, files=large)
    assert wrote(incident, cast, at, files=[large[0], three[0]]).files.count() == 2


@pytest.mark.parametrize("verb", ["answer", "note", "customer_message", "open_incident", "report_problem"])
def test_a_key_stands_for_its_files_too(cast: Cast, at: datetime, incident: Incident, verb: str):
    person = cast.technician if verb in ("answer", "note") else signed(cast.owner)
    one, other = kept(person, at).token, kept(person, at).token
    with_points(cast.acme, 10, at=at)

    def send(tokens: list[str]) -> Any:
        common: dict[str, Any] = {"at": at, "key": f"of-{verb}", "files": tokens}
        if verb in ("open_incident", "report_problem"):
            return getattr(opening, verb)(report=a_report(cast.owner), **common)
        common |= {"incident_id": incident.pk, "text": "See the file"}
        more: dict[str, dict[str, Any]] = {
            "answer": {"then": "open", "user": cast.technician},
            "note": {"user": cast.technician},
            "customer_message": {"contact": cast.owner, "via": "portal"},
        }
        return getattr(conversation, verb)(**common, **more[verb])

    made = send([one])
    again = send([one])
    assert getattr(made, "message", made) == getattr(again, "message", again)
    for tokens in ([], [other], [one, other]):
        with pytest.raises(KeyReused):
            send(tokens)
    assert Attachment.objects.exclude(message=None).count() == 1


@pytest.mark.rule("D8")
def test_a_drafts_files_go_along_when_it_opens(cast: Cast, at: datetime):
    token, late = kept(signed(cast.owner), at).token, kept(signed(cast.owner), at, name="late.txt").token
    report = a_report(cast.owner)
    draft = opening.report_problem(report=report, at=at, key="a report's key", files=[token])
    assert isinstance(draft, Draft)
    assert draft.files.get().token == token
    assert opening.report_problem(report=report, at=at, key="a report's key", files=[token]) == draft
    with pytest.raises(KeyReused):
        opening.report_problem(report=report, at=at, key="a report's key")
    with_points(cast.acme, 10, at=at)
    made = opening.open_draft(draft_id=draft.pk, at=at, files=[late])
    message = made.messages.get()
    assert {file.token for file in message.files.all()} == {token, late}
    assert not draft.files.exists()
    assert opening.open_draft(draft_id=draft.pk, at=at, files=[late]) == made
    with pytest.raises(KeyReused):
        opening.open_draft(draft_id=draft.pk, at=at, files=["another"])


@pytest.mark.rule("D20")
def test_who_logs_a_call_attaches_their_own(cast: Cast, at: datetime):
    theirs = kept(signed(cast.owner), at).token
    given: dict[str, Any] = {"report": a_report(cast.owner, channel="phone"), "at": at, "user": cast.technician}
    with_points(cast.acme, 30, at=at)
    with pytest.raises(files.FileGone):
        opening.open_incident(key=key(), files=[theirs], **given)
    mine = kept(cast.technician, at).token
    assert opening.open_incident(key=key(), files=[mine], **given).messages.get().files.get().token == mine


@pytest.mark.rule("D14")
def test_a_copy_has_rows_of_its_own_and_the_same_bytes(cast: Cast, at: datetime, incident: Incident, folder: Path):
    message = wrote(incident, cast, at, files=[kept(signed(cast.owner), at).token])
    part = opened(cast.owner, at=at)
    original = message.files.get()
    copy = copy_of(original, message=part.messages.get())
    copy.save()
    assert (copy.stored, copy.name, copy.size, copy.digest) == (
        original.stored,
        original.name,
        original.size,
        original.digest,
    )
    assert (copy.pk == original.pk, copy.token == original.token) == (False, False)
    assert len(on_disk(folder)) == 1
    assert copy_of(copy, message=wrote(part, cast, at)).stored == original.stored


@pytest.mark.rule("D22", "D28")
def test_who_sees_which_file(cast: Cast, at: datetime, incident: Incident):
    """A canary in each kind of thing: each scope gets just its own."""
    theirs = kept(signed(cast.owner), at, name="theirs")
    wrote(incident, cast, at, files=[theirs.token])
    ours = kept(cast.technician, at, name="ours")
    conversation.answer(
        incident_id=incident.pk, text="x", then="open", user=cast.technician, at=at, key=key(), files=[ours.token]
    )
    noted = kept(cast.technician, at, name="noted")
    conversation.note(incident_id=incident.pk, text="x", user=cast.technician, at=at, key=key(), files=[noted.token])
    sent = incident.mails.get(mail__kind="incident_answered").mail.message_id
    mailed(sender="olive@acme.example", at=at, text="Away", In_Reply_To=sent, Auto_Submitted="auto-replied")
    away = kept(cast.owner, at, name="automatic")
    with transaction.atomic():
        attach(tokens=[away.token], message=incident.messages.get(kind="automatic"), contact=cast.owner)
    drafted = kept(signed(cast.owner), at, name="drafted")
    draft = opening.keep_draft(report=a_report(cast.owner), at=at, key=key(), files=[drafted.token])
    kept(signed(cast.owner), at, name="waiting")
    own = opened(cast.restricted, at=at)
    own_file = kept(signed(cast.restricted), at, name="restricted's own")
    wrote(own, cast, at, contact=cast.restricted, files=[own_file.token])

    def seen(scope: Any, when: datetime = at) -> set[str]:
        return set(attachments_for(scope, at=when).values_list("name", flat=True))

    customers = {"theirs", "ours", "drafted", "restricted's own"}
    assert seen(scope_of_contact(cast.owner)) == customers | {"waiting"}
    assert seen(scope_of_contact(cast.restricted)) == {"restricted's own"}
    assert seen(scope_of_contact(cast.stranger)) == set()
    assert seen(scope_of(cast.technician)) == customers | {"noted", "automatic"}
    assert seen(scope_of(cast.technician).as_contact()) == set()
    assert set(uploads_of(scope_of_contact(cast.owner)).values_list("name", flat=True)) == {"waiting"}
    opening.discard_draft(draft_id=draft.pk, at=at)
    assert "drafted" not in seen(scope_of_contact(cast.owner)) | seen(scope_of(cast.technician))


@pytest.mark.rule("D31")
def test_the_answer_mail_names_the_files_that_are_too_large_for_it(
    cast: Cast, at: datetime, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("incidents.mails.carrying.POLICY", replace(POLICY, mail_files_bytes_max=8))
    for then, kind in (("open", "incident_answered"), ("closed", "incident_closed")):
        file = kept(cast.technician, at, name="<b>patch.zip")
        conversation.answer(
            incident_id=incident.pk, text="x", then=then, user=cast.technician, at=at, key=key(), files=[file.token]
        )
        mail = OutgoingMail.objects.get(kind=kind)
        link = f"http://testserver/files/{file.pk}/"
        assert f"- <b>patch.zip, 9\xa0bytes\n  {link}\n" in mail.text
        assert re.search(rf'<a [^>]*href="{link}">&lt;b&gt;patch.zip</a>', mail.html)
        assert "too large for a mail" in mail.text
        assert "too large for a mail" in mail.html
        assert not mail.files.exists()
        assert file.token not in mail.text + mail.html
    assert not any("<b>" in mail.html for mail in OutgoingMail.objects.all())


def test_what_was_sent_with_nothing_is_swept(cast: Cast, at: datetime, incident: Incident, folder: Path):
    hours = timedelta(hours=POLICY.upload_hours)
    old = kept(signed(cast.owner), at)
    young = kept(signed(cast.owner), at + timedelta(microseconds=1))
    sent = kept(signed(cast.owner), at)
    wrote(incident, cast, at, files=[sent.token])
    drafted = kept(signed(cast.owner), at)
    opening.keep_draft(report=a_report(cast.owner), at=at, key=key(), files=[drafted.token])
    assert sweep(at=at + hours - timedelta(microseconds=1)) == 0
    assert sweep(at=at + hours) == 1
    assert sweep(at=at + hours) == 0, "safe twice"
    assert not Attachment.objects.filter(pk=old.pk).exists()
    assert on_disk(folder) == {young.stored, sent.stored, drafted.stored}
    assert sweep(at=at + timedelta(days=400)) == 1
    assert on_disk(folder) == {sent.stored, drafted.stored}


def test_bytes_that_another_row_has_stay(cast: Cast, at: datetime, incident: Incident, folder: Path):
    file = kept(signed(cast.owner), at)
    message = wrote(incident, cast, at, files=[file.token])
    copy_of(message.files.get(), message=wrote(incident, cast, at)).save()
    Attachment.objects.filter(pk=file.pk).update(message=None)
    sweep(at=at + timedelta(days=2))
    assert Attachment.objects.count() == 1
    assert on_disk(folder) == {file.stored}


def test_bytes_that_never_got_a_row_are_swept_once_they_are_old(cast: Cast, at: datetime, folder: Path):
    """A process died between the two."""
    lost, other = kept(cast.technician, at), kept(cast.technician, at + timedelta(hours=1))
    Attachment.objects.filter(pk=lost.pk).delete()
    assert on_disk(folder) == {lost.stored, other.stored}
    day = timedelta(hours=POLICY.upload_hours)
    assert sweep(at=at + day - timedelta(seconds=1)) == 0
    assert sweep(at=at + day) == 1
    assert on_disk(folder) == {other.stored}
    assert sweep(at=at + day) == 0


def test_a_database_that_knows_no_file_sweeps_none(cast: Cast, at: datetime, folder: Path):
    """Another desk's, or one that is restored later than its files."""
    file = kept(cast.technician, at)
    Attachment.objects.all().delete()
    assert sweep(at=at + timedelta(days=2)) == 0
    assert on_disk(folder) == {file.stored}


def test_a_sweep_works_in_batches(cast: Cast, at: datetime, folder: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(files, "SWEEP_BATCH", 2)
    for _n in range(5):
        kept(cast.technician, at)
    assert sweep(at=at + timedelta(days=2)) == 5
    assert on_disk(folder) == set()


def test_nobody_removes_what_is_not_theirs_or_was_sent(cast: Cast, at: datetime, incident: Incident, folder: Path):
    file = kept(signed(cast.owner), at)
    assert not drop_upload(token=file.token, user=signed(cast.stranger))
    wrote(incident, cast, at, files=[file.token])
    assert not drop_upload(token=file.token, user=signed(cast.owner))
    assert not drop_upload(token="nothing", user=signed(cast.owner))
    assert on_disk(folder) == {file.stored}


def test_one_upload_sent_with_two_messages_at_once_goes_with_one(committed_cast: Cast, at: datetime):
    cast = committed_cast
    first, second = opened(cast.owner, at=at), opened(cast.owner, at=at)
    tokens = [kept(signed(cast.owner), at).token for _n in range(3)]
    results = at_once(
        *(
            lambda incident=incident, mine=mine: wrote(incident, cast, at, files=mine)
            for incident, mine in ((first, tokens), (second, tokens[::-1]), (first, tokens[1:]))
        )
    )
    won = [result for result in results if isinstance(result, Message)]
    assert sorted(type(result).__name__ for result in results) == ["FileGone", "FileGone", "Message"]
    assert Message.objects.count() == 3
    assert won[0].files.count() in (2, 3)
    assert Attachment.objects.exclude(message=None).exclude(message=won[0]).count() == 0


def test_a_claim_and_a_sweep_at_once_leave_one_truth(committed_cast: Cast, at: datetime, folder: Path):
    cast, later = committed_cast, at + timedelta(days=2)
    incident = opened(cast.owner, at=at)
    file = kept(signed(cast.owner), at)
    result, _swept = at_once(lambda: wrote(incident, cast, later, files=[file.token]), lambda: sweep(at=later))
    there = isinstance(result, Message)
    assert there or isinstance(result, files.FileGone)
    assert Attachment.objects.count() == len(on_disk(folder)) == int(there)

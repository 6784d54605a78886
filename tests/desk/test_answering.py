"""An answer in Markdown: previewed as its mail will be, sent with its pictures, its mails looked at and tried again."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.dividing import Part
from incidents.models import Attachment, Incident, Message
from incidents.services import conversation
from incidents.services.files import keep_upload, place_of, sweep
from supportdesk.mail.models import OutgoingFile, OutgoingMail
from supportdesk.markup import reference
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents.mail_walk import PNG
from tests.incidents.merging import a_duplicate, merge
from tests.incidents.splitting import divided
from tests.incidents.told import a_mate, follows
from tests.incidents_helpers import answered, key, opened, signed_in

HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


@pytest.fixture
def shot(cast: Cast, clock_at: datetime) -> Attachment:
    return keep_upload(name="shot.png", chunks=[PNG], at=clock_at, user=cast.technician)


def shows(file: Attachment) -> str:
    return f"**Look**: ![the shot](file:{reference(file.digest)})"


def sent(incident: Incident, cast: Cast, text: str, *files: Attachment, at: datetime, then: str = "waiting") -> Message:
    tokens = [file.token for file in files]
    return conversation.answer(
        incident_id=incident.pk, text=text, then=then, user=cast.technician, at=at, key=key(), files=tokens
    )


@pytest.mark.rule("D38", "D31")
class TestPreview:
    def test_it_is_the_mail_as_it_will_be(self, cast: Cast, incident: Incident, desk: Client, shot: Attachment):
        form = {"preview": "answer", "answer-key": key(), "answer-text": shows(shot), "answer-then": "waiting"}
        seen = desk.post(there(incident, "preview/?part"), form | {"answer-files": shot.token})
        assert seen.status_code == 200
        html = seen.content.decode()
        assert "<strong>Look</strong>" in html
        assert f'<img src="/desk/files/{shot.pk}/?show" alt="the shot">' in html
        assert "style=" not in html, "the page's own policy forbids it"
        words = told(seen)
        assert "To Olive Owner" in words
        assert f"Subject Re: [{' '.join(incident.shown_number.split())}] It stops at night" in " ".join(words.split())
        assert "Tess Technician" in words
        assert not incident.messages.filter(kind="answer").exists(), "nothing is sent"
        shot.refresh_from_db()
        assert shot.message_id is None

    def test_what_is_left_out_what_is_attached_and_how_it_ends(
        self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime
    ):
        mate = a_mate(cast.acme)
        follows(incident, mate, cast, at=clock_at)
        log = keep_upload(name="a.log", chunks=[b"x"], at=clock_at, user=cast.technician)
        both = [incident.contact_id, mate.pk]
        form: dict[str, Any] = {
            "preview": "answer",
            "answer-key": key(),
            "answer-text": "Done.",
            "answer-then": "closed",
        }
        form |= {"answer-files": log.token, "answer-shown": both, "answer-to": both[:1]}
        words = told(desk.post(there(incident, "preview/?part"), form))
        assert "Mia Mate" not in words
        assert "Attached a.log" in words
        assert "This incident is closed." in words

    def test_a_note_and_a_text_that_is_missing(self, incident: Incident, desk: Client):
        note = {"preview": "note", "note-key": key(), "note-text": "`x` & *y*"}
        seen = desk.post(there(incident, "preview/?part"), note).content.decode()
        assert "<p><code>x</code> &amp; <em>y</em></p>" in seen
        assert "To" not in told(desk.post(there(incident, "preview/?part"), note))
        empty = desk.post(there(incident, "preview/?part"), note | {"note-text": " "})
        assert (empty.status_code, told(empty).strip()) == (422, "Write the note first.")

    def test_without_script_the_page_keeps_all_that_was_typed(self, incident: Incident, desk: Client):
        form: dict[str, Any] = {
            "preview": "answer",
            "answer-key": key(),
            "answer-text": "**Hi**",
            "answer-then": "open",
        }
        form["answer-files"] = SimpleUploadedFile("shot.png", PNG)
        page = desk.post(there(incident, "preview/"), form)
        html = page.content.decode()
        assert page.status_code == 200
        assert "<strong>Hi</strong>" in html
        assert re.search(r"<textarea[^>]*>\s*\*\*Hi\*\*</textarea>", html)
        assert '<option value="open" selected>' in html
        kept = Attachment.objects.get()
        assert f'value="{kept.token}" checked' in html
        assert f"![shot.png](file:{reference(kept.digest)})" in html
        assert 'class="preview" role="region" aria-label="Preview" tabindex="-1">' in html


@pytest.mark.rule("D31", "D30", "R7")
class TestWhatLeaves:
    def test_the_mail_carries_the_picture_and_the_page_shows_it(
        self, cast: Cast, incident: Incident, desk: Client, shot: Attachment, clock_at: datetime
    ):
        log = keep_upload(name="a.log", chunks=[b"x"], at=clock_at, user=cast.technician)
        sent(incident, cast, shows(shot), shot, log, at=clock_at)
        mail = OutgoingMail.objects.get(kind="incident_answered")
        [inline, attached] = mail.files.all()
        assert (inline.stored, inline.content_type) == (shot.stored, "image/png")
        assert f'src="cid:{inline.content_id}"' in mail.html
        assert (attached.stored, attached.content_id) == (log.stored, "")
        assert "**Look**: [the shot]" in mail.text
        assert f"/desk/files/{shot.pk}/?show" in desk.get(there(incident)).content.decode()
        assert f"/files/{shot.pk}/?show" in signed_in(cast.owner).get(f"/incidents/{incident.number}/").content.decode()

    def test_more_than_a_mail_takes_is_a_link_and_what_the_text_shows_goes_first(
        self, cast: Cast, incident: Incident, shot: Attachment, clock_at: datetime, monkeypatch: pytest.MonkeyPatch
    ):
        monkeypatch.setattr(
            "incidents.mails.carrying.POLICY", type("Less", (), {"mail_files_bytes_max": shot.size + 1})
        )
        log = keep_upload(name="a.log", chunks=[b"xx"], at=clock_at, user=cast.technician)
        sent(incident, cast, shows(shot), log, shot, at=clock_at)
        mail = OutgoingMail.objects.get(kind="incident_answered")
        assert [file.name for file in mail.files.all()] == ["shot.png"]
        assert "One more file was too large for a mail." in mail.text
        assert f"/files/{log.pk}/" in mail.text

    def test_a_picture_twice_is_one_part_and_a_foreign_one_none(
        self, cast: Cast, incident: Incident, shot: Attachment, clock_at: datetime
    ):
        again = keep_upload(name="same.png", chunks=[PNG], at=clock_at, user=cast.technician)
        foreign = keep_upload(name="other.png", chunks=[PNG + b"x"], at=clock_at, user=cast.technician)
        sent(incident, cast, f"{shows(shot)} {shows(foreign)}", shot, again, at=clock_at)
        mail = OutgoingMail.objects.get(kind="incident_answered")
        assert mail.files.count() == 1
        assert mail.html.count("<img") == 1

    @pytest.mark.rule("D14", "D35")
    def test_copies_and_merges_show_the_picture_still(
        self, cast: Cast, clock_at: datetime, desk: Client, shot: Attachment
    ):
        before = clock_at - 5 * HOUR
        source, target = a_duplicate(cast, at=before)
        message = sent(source, cast, shows(shot), shot, at=before + HOUR)
        merge(source, target, cast, at=before + 2 * HOUR)
        page = desk.get(there(target)).content.decode()
        assert f'<img src="/desk/files/{shot.pk}/?show" alt="the shot">' in page
        mail = message.mails.get().mail
        assert desk.get(there(target, f"mails/{mail.pk}/")).status_code == 200
        whole = opened(cast.owner, at=before, points=100)
        other = keep_upload(name="b.png", chunks=[PNG + b"y"], at=clock_at, user=cast.technician)
        said = sent(whole, cast, shows(other), other, at=before + HOUR)
        from_it = [part_of("Calendars are missing", said, other)]
        divided(whole, cast.technician, at=before + 2 * HOUR, parts=from_it)
        copy = Attachment.objects.exclude(pk=other.pk).get(stored=other.stored)
        assert copy.message is not None
        page = desk.get(there(copy.message.incident)).content.decode()
        assert f'<img src="/desk/files/{copy.pk}/?show" alt="the shot">' in page

    def test_no_sweep_takes_what_a_mail_still_needs(
        self, cast: Cast, incident: Incident, shot: Attachment, clock_at: datetime
    ):
        sent(incident, cast, shows(shot), shot, at=clock_at)
        later = clock_at + timedelta(hours=POLICY.upload_hours + 1)
        keep_upload(name="keeps.log", chunks=[b"x"], at=later, user=cast.technician)
        Attachment.objects.filter(pk=shot.pk).delete()
        sweep(at=later)
        assert place_of(shot.stored).exists()
        OutgoingFile.objects.all().delete()
        assert sweep(at=later) == 1
        assert not place_of(shot.stored).exists()

    @pytest.mark.rule("D22")
    def test_what_customers_write_stays_plain(self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
        conversation.customer_message(
            incident_id=incident.pk, contact=cast.owner, text="**a** <b>", via="portal", at=clock_at, key=key()
        )
        assert "<p>**a** &lt;b&gt;</p>" in desk.get(there(incident)).content.decode()


@pytest.mark.rule("D30")
class TestDelivery:
    def state(self, incident: Incident, desk: Client, **changed: Any) -> str:
        OutgoingMail.objects.filter(kind="incident_answered").update(**changed)
        words = told(desk.get(there(incident)))
        return " ".join(words.split())

    def test_each_state_in_words(self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
        answered(incident, cast.technician, at=clock_at)
        assert "on its way to olive@acme.example" in self.state(incident, desk)
        words = self.state(incident, desk, tries=2, last_error="451 later", next_try_at=clock_at + HOUR)
        assert "still on its way to olive@acme.example" in words
        assert "2 tries failed, at last: 451 later; next try" in words
        assert "Try again" in words
        words = self.state(incident, desk, failed_at=clock_at + HOUR, last_error="550 no such user")
        assert "could not be mailed to olive@acme.example" in words
        assert ": 550 no such user" in words
        words = self.state(incident, desk, failed_at=None, sent_at=clock_at, last_error="")
        assert "mailed to olive@acme.example" in words
        assert "Try again" not in words
        words = self.state(incident, desk, bounced_at=clock_at + HOUR, bounce="mailbox full")
        assert "came back from olive@acme.example" in words
        assert ": mailbox full" in words
        page = signed_in(cast.owner).get(f"/incidents/{incident.number}/")
        assert "mailbox full" not in told(page), "how mail goes is the desk's affair"

    def test_one_line_for_many(self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime):
        follows(incident, a_mate(cast.acme), cast, at=clock_at)
        answered(incident, cast.technician, at=clock_at)
        assert "mailed to 2: 2 on their way" in self.state(incident, desk)
        assert "mailed to 2: all sent" in self.state(incident, desk, sent_at=clock_at)
        OutgoingMail.objects.filter(to_address="mia@acme.example").update(sent_at=None, failed_at=clock_at)
        html = desk.get(there(incident)).content.decode()
        assert "mailed to 2: 1 sent, 1 failed" in html
        assert '<details class="delivery" open>' in html

    def test_a_failed_mail_is_tried_again_by_a_button(
        self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime
    ):
        answered(incident, cast.technician, at=clock_at)
        mail = OutgoingMail.objects.get(kind="incident_answered")
        OutgoingMail.objects.filter(pk=mail.pk).update(failed_at=clock_at, last_error="550 no", tries=3)
        address = there(incident, f"mails/{mail.pk}/again/")
        assert f'action="{address}"' in desk.get(there(incident)).content.decode()
        assert "The mail is tried again now." in told(desk.post(address, follow=True))
        mail.refresh_from_db()
        assert (mail.failed_at, mail.next_try_at) == (None, clock_at)
        assert mail.give_up_at == clock_at + timedelta(days=POLICY.outbox_days)
        OutgoingMail.objects.filter(pk=mail.pk).update(sent_at=clock_at)
        assert "The mail has gone out already." in told(desk.post(address, follow=True))
        other = opened(cast.stranger, at=clock_at)
        assert desk.post(there(other, f"mails/{mail.pk}/again/")).status_code == 404

    def test_the_mail_is_looked_at_as_it_is(
        self, cast: Cast, incident: Incident, desk: Client, shot: Attachment, clock_at: datetime
    ):
        sent(incident, cast, shows(shot), shot, at=clock_at)
        listed = desk.get(there(incident, "mails/"))
        assert told(listed).count("Show the mail") == 2, "the ticket number, and the answer"
        mail = OutgoingMail.objects.get(kind="incident_answered")
        page = desk.get(there(incident, f"mails/{mail.pk}/"))
        assert mail.message_id in told(page).replace("&lt;", "<").replace("&gt;", ">")
        assert "sandbox=" in page.content.decode()
        frame = desk.get(there(incident, f"mails/{mail.pk}/html/"))
        assert "default-src 'none'" in frame["Content-Security-Policy"]
        assert "sandbox" in frame["Content-Security-Policy"]
        assert frame["X-Frame-Options"] == "SAMEORIGIN"
        assert "data:image/png;base64," in frame.content.decode()
        assert "cid:" not in frame.content.decode()
        place_of(shot.stored).unlink()
        assert desk.get(there(incident, f"mails/{mail.pk}/html/")).status_code == 200

    def test_the_page_asks_as_much_for_many_mails_as_for_few(
        self, cast: Cast, incident: Incident, desk: Client, clock_at: datetime
    ):
        counts = []
        for turn in range(2):
            for _ in range(1 + 4 * turn):
                answered(incident, cast.technician, at=clock_at)
            desk.get(there(incident))
            with CaptureQueriesContext(connection) as page:
                desk.get(there(incident))
            with CaptureQueriesContext(connection) as listed:
                desk.get(there(incident, "mails/"))
            counts.append((len(page), len(listed)))
        assert counts[0] == counts[1]


def part_of(subject: str, message: Message, file: Attachment) -> Part:
    return Part(subject=subject, message_ids=(message.pk,), file_ids=(file.pk,))

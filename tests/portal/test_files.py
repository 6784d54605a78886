"""Files by HTTP: uploading and removing, forms with files in them, downloads that never run (D31)."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from typing import cast as cast_to

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.db import connection
from django.template.loader import render_to_string
from django.test import Client, RequestFactory
from django.test.utils import CaptureQueriesContext

from incidents.forms import MessageForm
from incidents.forms_files import take_files
from incidents.models import Attachment, Draft, Incident, Message
from incidents.services import conversation, opening
from incidents.services.files import keep_upload, place_of, sweep
from supportdesk import clock
from supportdesk.people.doors import DeskRequest
from supportdesk.people.scope import NOBODY
from supportdesk.policy import POLICY
from supportdesk.uploads import was_stopped
from tests.cast import Cast
from tests.incidents_helpers import a_release, a_report, key, opened, signed_in, with_points

pytestmark = pytest.mark.rule("D31")
PNG = b"\x89PNG\r\n\x1a\n" + b"\x00" * 20
KEY = "0123456789"


@pytest.fixture(autouse=True)
def folder(settings: Any, tmp_path: Path) -> Path:
    settings.FILES_DIR = tmp_path / "files"
    return tmp_path / "files"


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


def named(name: str, body: bytes = b"One line\n", kind: str = "text/plain") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, body, kind)


def uploaded(client: Client, name: str = "trace.log", body: bytes = b"One line\n", there: str = "/files/") -> Any:
    return client.post(there, {"file": named(name, body)})


def small(monkeypatch: pytest.MonkeyPatch, **numbers: Any) -> None:
    policy = replace(POLICY, **numbers)
    for room in ("incidents.services.files", "incidents.uploads", "incidents.forms_files", "supportdesk.uploads"):
        monkeypatch.setattr(f"{room}.POLICY", policy)


def test_an_upload_gives_its_token_and_only_its_uploader_sees_it(cast: Cast, incident: Incident):
    client = signed_in(cast.owner)
    made = uploaded(client, "shot.txt", PNG).json()
    assert (made["name"], made["size"], made["picture"]) == ("shot.txt", len(PNG), "png")
    there = f"/files/{made['pk']}/"
    assert client.get(there).status_code == 200
    assert signed_in(cast.restricted).get(there).status_code == 404
    assert signed_in(cast.technician).get(f"/desk{there}").status_code == 404
    sent = {"key": KEY, "text": "See the picture", "files": [made["token"]]}
    assert client.post(f"/incidents/{incident.number}/message/", sent).status_code == 302
    assert signed_in(cast.technician).get(f"/desk{there}").status_code == 200
    page = client.get(f"/incidents/{incident.number}/").content.decode()
    assert f'src="{there}?show"' in page
    assert made["token"] not in page


def test_removing_ones_own_upload(cast: Cast, clock_at: datetime, folder: Path):
    client = signed_in(cast.owner)
    token = uploaded(client).json()["token"]
    assert signed_in(cast.restricted).post("/files/remove/", {"token": token}).status_code == 204
    assert Attachment.objects.exists()
    for _time in range(2):
        assert client.post("/files/remove/", {"token": token}).status_code == 204
    assert not Attachment.objects.exists()
    assert not [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize(
    ("name", "body", "said"),
    [
        ("nothing.log", b"", "“nothing.log” is empty: 0 bytes."),
        ("../../big.log", b"x" * 1_001, "“big.log” is larger than 1000"),
        ("n" * 300 + ".log", b"x" * 5_000, "….log".replace("…", "n")),
    ],
)
def test_a_bad_upload_says_why(
    cast: Cast, clock_at: datetime, monkeypatch: pytest.MonkeyPatch, name: str, body: bytes, said: str
):
    small(monkeypatch, file_bytes_max=1_000)
    answer = uploaded(signed_in(cast.owner), name, body)
    assert answer.status_code == 422
    assert said in answer.json()["error"].replace("\xa0", " ")
    assert not Attachment.objects.exists()


def test_a_post_that_is_far_too_long_is_not_read_to_its_end(
    cast: Cast, incident: Incident, monkeypatch: pytest.MonkeyPatch
):
    """Its length alone says so; what stands before the file is kept."""
    small(monkeypatch, post_bytes_max=10_000)
    client, read = signed_in(cast.owner), []
    heavy = named("disk.img", b"x" * 200_000)
    monkeypatch.setattr(
        "supportdesk.uploads.BoundedUploadHandler.receive_data_chunk", lambda *given: read.append(given)
    )
    answer = client.post("/files/", {"name": "disk.img", "file": heavy})
    assert answer.status_code == 422
    assert "“disk.img” is larger than" in answer.json()["error"]
    heavy.seek(0)
    sent = {"key": KEY, "text": "Half an hour of typing", "files": [heavy]}
    answer = client.post(f"/incidents/{incident.number}/message/", sent)
    assert answer.status_code == 422
    assert "These files are too large" in answer.content.decode()
    assert "Half an hour of typing" in answer.content.decode()
    assert read == []


class Endless:
    """What a browser sends of a file that never ends, and how much of it was read."""

    def __init__(self, head: bytes) -> None:
        self.head, self.read_bytes = head, 0

    def read(self, size: int) -> bytes:
        piece, self.head = self.head[:size], self.head[size:]
        self.read_bytes += size
        return piece.ljust(size, b"x")

    readline = read


def test_of_two_gigabytes_only_the_beginning_is_read():
    head = (
        b'--x\r\nContent-Disposition: form-data; name="text"\r\n\r\nTyped\r\n'
        b'--x\r\nContent-Disposition: form-data; name="files"; filename="disk.img"\r\n\r\n'
    )
    body = Endless(head)
    request = WSGIRequest(
        {
            "REQUEST_METHOD": "POST",
            "CONTENT_TYPE": "multipart/form-data; boundary=x",
            "CONTENT_LENGTH": str(2 * 1024**3),
            "wsgi.input": body,
        }
    )
    assert request.POST["text"] == "Typed"
    assert not request.FILES
    assert was_stopped(request)
    assert body.read_bytes < 1024 * 1024


def test_of_a_file_that_is_too_large_no_more_is_stored_than_shows_it(
    cast: Cast, clock_at: datetime, monkeypatch: pytest.MonkeyPatch
):
    small(monkeypatch, file_bytes_max=1_000)
    sizes: list[int] = []

    def kept(**given: Any) -> Any:
        sizes.append(sum(len(chunk) for chunk in given["chunks"]))
        raise AssertionError

    monkeypatch.setattr("incidents.file_pages.keep_upload", kept)
    with pytest.raises(AssertionError):
        uploaded(signed_in(cast.owner), body=b"x" * 900_000)
    assert sizes == [1_001]


def test_a_form_without_script_carries_its_files(cast: Cast, incident: Incident):
    client = signed_in(cast.owner)
    sent = {"key": KEY, "text": "Two files", "files": [named("a.log"), named("b.png", PNG)]}
    assert client.post(f"/incidents/{incident.number}/message/", sent).status_code == 302
    message = incident.messages.get(text="Two files")
    assert [(file.name, file.picture) for file in message.files.all()] == [("a.log", ""), ("b.png", "png")]


def test_a_refused_form_keeps_what_came_with_it(cast: Cast, incident: Incident, monkeypatch: pytest.MonkeyPatch):
    small(monkeypatch, file_bytes_max=1_000)
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    sent = {"key": KEY, "text": "", "files": [named("good.log"), named("bad.log", b"x" * 1_001), named("empty", b"")]}
    answer = client.post(there, sent)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Write something first." in page
    assert "“bad.log” is larger than" in page
    token = Attachment.objects.get().token
    assert f'value="{token}" checked' in page
    assert client.post(there, {"key": KEY, "text": "Now", "files": [token]}).status_code == 302
    assert incident.messages.get(text="Now").files.get().name == "good.log"


@pytest.mark.parametrize("which", ["too many", "too large"])
def test_limits_of_a_message_are_said_at_the_files(
    cast: Cast, incident: Incident, monkeypatch: pytest.MonkeyPatch, which: str
):
    small(monkeypatch, files_max=2, message_files_bytes_max=20)
    sizes = [1, 1, 1] if which == "too many" else [15, 6]
    sent = {"key": KEY, "text": "x", "files": [named(f"{n}.log", b"x" * size) for n, size in enumerate(sizes)]}
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    page = client.post(there, sent)
    assert page.status_code == 422
    words = {"too many": "A message may have 2 files.", "too large": "may have 20\xa0bytes together"}
    assert words[which] in page.content.decode()
    tokens = list(Attachment.objects.values_list("token", flat=True))
    assert len(tokens) == len(sizes), "none is lost"
    assert client.post(there, {"key": KEY, "text": "x", "files": tokens[:1]}).status_code == 302


def test_hundreds_of_files_at_once_cost_no_text(cast: Cast, incident: Incident):
    many = [named(f"{n}.log", b"x") for n in range(300)]
    answer = signed_in(cast.owner).post(
        f"/incidents/{incident.number}/message/", {"key": KEY, "text": "Typed", "files": many}
    )
    page = answer.content.decode()
    assert answer.status_code == 422
    assert "Typed" in page
    assert "files of yours wait" in page
    assert Attachment.objects.count() == POLICY.uploads_waiting_max


@pytest.mark.parametrize("bad", ["of another", "sent before", "made up", "very long", "no text"])
def test_a_token_that_is_not_theirs_is_refused_at_the_files(cast: Cast, incident: Incident, bad: str):
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    token = uploaded(signed_in(cast.restricted) if bad == "of another" else client).json()["token"]
    if bad == "sent before":
        client.post(there, {"key": "9876543210", "text": "First", "files": [token]})
    tokens = {"made up": "x" * 43, "very long": "x" * 5_000, "no text": "\x00\u202e"}
    before = Message.objects.count()
    answer = client.post(there, {"key": KEY, "text": "Typed", "files": [tokens.get(bad, token)]})
    assert answer.status_code == 422
    assert "A file is not here any more, or was sent before." in answer.content.decode()
    assert "Typed" in answer.content.decode()
    assert Message.objects.count() == before


def test_sent_twice_with_its_files_is_once(cast: Cast, incident: Incident):
    client, there = signed_in(cast.owner), f"/incidents/{incident.number}/message/"
    token = uploaded(client).json()["token"]
    for _time in range(2):
        assert client.post(there, {"key": KEY, "text": "x", "files": [token]}).status_code == 302
    assert incident.messages.filter(text="x").count() == 1


@pytest.mark.rule("D8", "R7")
def test_a_report_and_its_draft_carry_files(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    fields = {"key": KEY, "contact": cast.owner.pk, "release": a_release().pk, "kind": "operation"}
    fields |= {"subject": "It stops", "text": "At night", "files": [named("a.log")]}
    made = client.post("/report/", fields)
    draft = Draft.objects.get()
    assert made.headers["Location"] == f"/drafts/{draft.pk}/"
    file = draft.files.get()
    assert f'href="/files/{file.pk}/"' in client.get(f"/drafts/{draft.pk}/").content.decode()
    assert signed_in(cast.restricted).get(f"/files/{file.pk}/").status_code == 404
    assert client.get(f"/files/{file.pk}/").status_code == 200
    with_points(cast.acme, 10, at=clock_at)
    client.post(f"/drafts/{draft.pk}/open/")
    file.refresh_from_db()
    assert file.message is not None
    assert client.get(f"/files/{file.pk}/").status_code == 200


def test_the_desks_forms_carry_files(cast: Cast, incident: Incident):
    client, there = signed_in(cast.technician), f"/desk/incidents/{incident.number}"
    token = uploaded(client, there="/desk/files/").json()["token"]
    note = {"note-key": KEY, "note-text": "Look", "note-files": [token, named("b.log")]}
    assert client.post(f"{there}/note/", note).status_code == 302
    assert incident.messages.get(kind="note").files.count() == 2
    for file in incident.messages.get(kind="note").files.all():
        assert signed_in(cast.owner).get(f"/files/{file.pk}/").status_code == 404
        assert client.get(f"/desk/files/{file.pk}/").status_code == 200
    answer = {"answer-key": KEY + "a", "answer-then": "closed", "answer-text": "", "answer-files": [named("c.log")]}
    refused = client.post(f"{there}/answer/", answer)
    assert refused.status_code == 422
    assert "Write a line that the files go with." in refused.content.decode()
    waiting = Attachment.objects.get(name="c.log")
    answer |= {"answer-then": "open", "answer-text": "Here", "answer-files": [waiting.token]}
    assert client.post(f"{there}/answer/", answer).status_code == 302
    assert signed_in(cast.owner).get(f"/files/{waiting.pk}/").status_code == 200
    gone = {"answer-key": KEY + "b", "answer-then": "open", "answer-text": "Again", "answer-files": [waiting.token]}
    again = client.post(f"{there}/note/", {"note-key": KEY + "c", "note-text": "x", "note-files": ["y" * 43]})
    for refused in (client.post(f"{there}/answer/", gone), again):
        assert refused.status_code == 422
        assert "A file is not here any more" in refused.content.decode()


@pytest.mark.parametrize(
    ("name", "body", "picture"),
    [
        ("page.html", b"<script>alert(1)</script>", False),
        ("pic.svg", b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>", False),
        ("feed.xml", b"<?xml version='1.0'?>", False),
        ("code.js", b"alert(1)", False),
        ("script.png", b"<script>alert(1)</script>", False),
        ("real.html", PNG, True),
        ("photo.jpg", b"\xff\xd8\xff\xe0\x00", True),
        ("anim.gif", b"GIF89a\x01", True),
        ("flat.webp", b"RIFF\x00\x00\x00\x00WEBPVP8 ", True),
    ],
)
@pytest.mark.parametrize("show", [False, True])
def test_a_download_never_runs(cast: Cast, clock_at: datetime, name: str, body: bytes, picture: bool, show: bool):
    client = signed_in(cast.owner)
    pk = uploaded(client, name, body).json()["pk"]
    answer = client.get(f"/files/{pk}/" + "?show" * show)
    headers = answer.headers
    inline = picture and show
    assert answer.getvalue() == body
    assert headers["Content-Disposition"] == f'{"inline" if inline else "attachment"}; filename="{name}"'
    assert (
        headers["Content-Type"].startswith("image/")
        if inline
        else headers["Content-Type"] == ("application/octet-stream")
    )
    assert not re.search("svg|html|xml|script", headers["Content-Type"])
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Security-Policy"] == "default-src 'none'; sandbox"
    assert headers["Cache-Control"] == "private, no-store"
    assert headers["Content-Length"] == str(len(body))


def test_a_name_of_any_script_is_downloaded_under_it(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    pk = uploaded(client, '日本語 “x”;".log').json()["pk"]
    found = client.get(f"/files/{pk}/").headers["Content-Disposition"]
    assert found.startswith("attachment; filename*=utf-8''%E6%97%A5")
    assert "\n" not in found


@pytest.mark.rule("D22")
def test_what_is_not_theirs_is_not_there(cast: Cast, clock_at: datetime, incident: Incident):
    file = keep_upload(name="x", chunks=[b"x"], at=clock_at, contact=cast.owner)
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="x", via="mail", at=clock_at, key=key(), files=[file.token]
    )
    there = f"/files/{file.pk}/"
    for who in (cast.stranger, cast.restricted):
        assert signed_in(who).get(there).status_code == 404
    assert signed_in(cast.owner).get("/files/999999/").status_code == 404
    assert Client().get(there).status_code == 302
    assert signed_in(cast.owner).head(there).status_code == 405
    cast.owner.removed_at = clock_at
    cast.owner.save()
    assert signed_in(cast.owner).get(there).status_code == 404


def test_bytes_that_are_not_there_are_no_error(cast: Cast, clock_at: datetime, caplog: pytest.LogCaptureFixture):
    client = signed_in(cast.owner)
    pk = uploaded(client).json()["pk"]
    place_of(Attachment.objects.get().stored).unlink()
    assert client.get(f"/files/{pk}/").status_code == 404
    assert f"the bytes of file {pk} are not there" in caplog.text


def test_a_page_asks_the_same_for_one_file_and_for_many(cast: Cast, clock_at: datetime, incident: Incident):
    client = signed_in(cast.owner)
    counts: list[int] = []
    for _round in range(2):
        for _n in range(1 + 5 * len(counts)):
            files = [keep_upload(name="x", chunks=[b"x"], at=clock_at, contact=cast.owner).token for _m in range(2)]
            conversation.customer_message(
                incident_id=incident.pk,
                contact=cast.owner,
                text="x",
                via="mail",
                at=clock_at,
                key=key(),
                files=files,
            )
        with CaptureQueriesContext(connection) as asked:
            client.get(f"/incidents/{incident.number}/")
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_an_upload_that_was_swept_meanwhile_costs_no_text(cast: Cast, clock_at: datetime, incident: Incident):
    client = signed_in(cast.owner)
    token = uploaded(client).json()["token"]
    later = clock_at + timedelta(days=2)
    sweep(at=later)
    with clock.set_to(later):
        answer = client.post(f"/incidents/{incident.number}/message/", {"key": KEY, "text": "Typed", "files": [token]})
    assert answer.status_code == 422
    assert "Typed" in answer.content.decode()
    assert "Pick it again." in answer.content.decode()


def test_markup_in_a_name_is_inert(cast: Cast, clock_at: datetime, incident: Incident):
    client = signed_in(cast.owner)
    evil = "\"'><img src=x onerror=alert(2)>.log"
    refused = client.post(f"/incidents/{incident.number}/message/", {"key": KEY, "text": "", "files": [named(evil)]})
    assert "<img src=x" not in refused.content.decode()
    token = Attachment.objects.get().token
    client.post(f"/incidents/{incident.number}/message/", {"key": KEY, "text": "x", "files": [token]})
    for who, there in ((cast.owner, ""), (cast.technician, "/desk")):
        page = signed_in(who).get(f"{there}/incidents/{incident.number}/").content.decode()
        assert "<img src=x" not in page
        assert "onerror=alert(2)&gt;.log" in page


def test_the_page_says_whose_typed_text_it_keeps(cast: Cast, incident: Incident):
    page = signed_in(cast.owner).get("/report/").content.decode()
    assert cast.owner.user is not None
    assert f'data-keep-for="{cast.owner.user.pk}" data-keep-days="{POLICY.kept_text_days}"' in page
    assert "data-keep-for" not in Client().get("/").content.decode()


def test_a_draft_of_another_is_not_opened_by_its_file(cast: Cast, clock_at: datetime):
    token = uploaded(signed_in(cast.owner)).json()["token"]
    draft = opening.keep_draft(report=a_report(cast.owner), at=clock_at, key=key(), files=[token])
    pk = draft.files.get().pk
    assert signed_in(cast.owner).get(f"/files/{pk}/").status_code == 200
    assert signed_in(cast.stranger).get(f"/files/{pk}/").status_code == 404
    with clock.set_to(draft.kept_until):
        assert signed_in(cast.owner).get(f"/files/{pk}/").status_code == 404


@pytest.mark.rule("D25")
def test_who_is_not_signed_in_sends_no_files(rf: RequestFactory, clock_at: datetime, db: None):
    request = cast_to("DeskRequest", rf.post("/report/", {"key": KEY, "text": "Typed", "files": [named("a.log")]}))
    request.scope, request.at = NOBODY, clock_at
    form = take_files(MessageForm(request.POST), request)
    assert form.errors == {"files": ["Files can be added once you are signed in. Leave them out for now."]}
    assert not Attachment.objects.exists()
    shown = render_to_string("parts/file_picker.html", {"field": form["files"], "request": request})
    assert "input" not in shown

"""A mail as it was written, in its frame, and its original one click away on the desk (D22, D29, D31)."""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.inbound import attach_held
from incidents.models import Attachment, HeldMail, Incident, Message
from incidents.services.files import place_of
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents.test_mail_files import a_mail, png
from tests.incidents_helpers import delivered, mailed, opened, raw_mail, signed_in

pytestmark = [pytest.mark.rule("D31"), pytest.mark.usefixtures("clock_at")]
HTML = (
    '<p>As <b>written</b> <img src="cid:shot@m" alt="Shot"><img src="http://t.example/logo.png" alt="Logo">'
    '<img src="cid:gone@m" alt="Gone"><script>alert(1)</script></p>'
)


@pytest.fixture
def incident(cast: Cast, at: datetime, settings: Any, tmp_path: Path) -> Incident:
    settings.FILES_DIR = tmp_path / "files"
    return opened(cast.owner, at=at)


@pytest.fixture
def message(incident: Incident, at: datetime) -> Message:
    raw = delivered(a_mail(incident.number, at=at, html=HTML, inline=[("shot@m", png())]), at=at)
    return Message.objects.get(raw_mail=raw)


def _shown(who: Any, message: Message, *, desk: bool = False) -> Any:
    return signed_in(who).get(f"{'/desk' if desk else ''}/messages/{message.pk}/as-written/")


def test_it_is_a_page_that_loads_and_runs_nothing(cast: Cast, message: Message):
    for response in (_shown(cast.owner, message), _shown(cast.technician, message, desk=True)):
        assert response.status_code == 200
        policy = response["Content-Security-Policy"].split("; ")
        assert policy[0] == "default-src 'none'"
        assert {
            "img-src data:",
            "sandbox allow-popups allow-popups-to-escape-sandbox",
            "frame-ancestors 'self'",
        } <= set(policy)
        assert "script-src" not in response["Content-Security-Policy"]
        assert (response["X-Frame-Options"], response["X-Content-Type-Options"]) == ("SAMEORIGIN", "nosniff")
        assert (response["Referrer-Policy"], response["Cache-Control"]) == ("no-referrer", "private, no-store")
        body = response.content.decode()
        assert f"data:image/png;base64,{base64.b64encode(png()).decode()}" in body
        assert "A picture from elsewhere, not loaded. Logo" in body
        assert "A picture that cannot be shown here. Gone" in body
        assert not re.search(r"script|t\.example", body)


def test_what_it_quotes_is_folded(cast: Cast, incident: Incident, at: datetime):
    html = "<p><b>Yes.</b></p><blockquote type=cite><p>Does it?<img src=cid:s@m></p></blockquote>"
    raw = delivered(a_mail(incident.number, at=at, html=html, inline=[("s@m", png())]), at=at)
    body = _shown(cast.owner, Message.objects.get(raw_mail=raw)).content.decode()
    assert '<details class="quoted"><summary>Quoted</summary><blockquote type="cite"><p>Does it?<img src="data:' in body


@pytest.mark.rule("D21", "D22")
def test_it_is_for_those_who_see_the_message(cast: Cast, message: Message, at: datetime):
    for who in (cast.stranger, cast.restricted):
        assert _shown(who, message).status_code == 404
    assert _shown(cast.owner, message, desk=True).status_code == 404
    Message.objects.filter(pk=message.pk).update(html="")
    assert _shown(cast.owner, message).status_code == 404


@pytest.mark.rule("D28")
def test_that_of_an_automatic_mail_is_for_the_desk(cast: Cast, incident: Incident, at: datetime):
    ours = OutgoingMail.objects.get(kind="incident_opened").message_id
    source = a_mail("Away", at=at, html="<b>away</b>", In_Reply_To=ours, Auto_Submitted="auto-replied")
    kept = Message.objects.get(raw_mail=delivered(source, at=at))
    assert _shown(cast.owner, kept).status_code == 404
    assert _shown(cast.technician, kept, desk=True).status_code == 200


def test_only_real_pictures_within_the_bytes_stand_in_it(cast: Cast, message: Message):
    for changed in ({"picture": ""}, {"size": POLICY.shown_pictures_bytes_max + 1}):
        before = Attachment.objects.filter(message=message)
        kept = before.values("picture", "size").get()
        before.update(**changed)
        body = _shown(cast.owner, message).content.decode()
        assert "data:" not in body
        assert "A picture that cannot be shown here. Shot" in body
        before.update(**kept)
    place_of(before.get().stored).unlink()
    assert "data:" not in _shown(cast.owner, message).content.decode()


def test_the_page_of_the_incident_offers_it(cast: Cast, incident: Incident, message: Message, at: datetime):
    plain = delivered(a_mail(incident.number, at=at, text="Second", html="<div>Second</div>"), at=at)
    for who, desk in ((cast.owner, ""), (cast.technician, "/desk")):
        page = signed_in(who).get(f"{desk}/incidents/{incident.number}/").content.decode()
        [frame] = re.findall(r"<iframe[^>]*>", page)
        assert f'src="{desk}/messages/{message.pk}/as-written/"' in frame
        assert 'sandbox="allow-popups allow-popups-to-escape-sandbox"' in frame
        assert 'loading="lazy"' in frame
        assert ("/desk/mail/" in page) is bool(desk)
    assert f'href="/desk/mail/{plain.pk}/"' in page


def test_files_beside_it_are_folded(cast: Cast, incident: Incident, at: datetime):
    files = [("a.log", "text/plain", b"a"), ("me.vcf", "text/x-vcard", b"s")]
    many = [(f"{n}.log", "text/plain", b"x%d" % n) for n in range(POLICY.files_max)]
    delivered(a_mail(incident.number, at=at, files=files), at=at)
    delivered(a_mail(f"{incident.number} 2", at=at, files=[*many, *many[:2]]), at=at)
    page = signed_in(cast.technician).get(f"/desk/incidents/{incident.number}/").content.decode()
    assert "1 small or repeated file" in page
    assert page.index("a.log") < page.index("1 small or repeated file") < page.index("me.vcf")
    assert "2 more files came with this mail: the original has them." in page


def test_fifty_mails_cost_as_many_queries_as_one(cast: Cast, incident: Incident, message: Message, at: datetime):
    counts = []
    for more in (0, 49):
        for n in range(more):
            source = a_mail(f"{incident.number} {n}", at=at, html="<b>x</b>", files=[("a.log", "text/plain", b"a")])
            delivered(source, at=at)
        for who, desk in ((cast.owner, ""), (cast.technician, "/desk")):
            browser = signed_in(who)
            with CaptureQueriesContext(
                connection,
            ) as asked:
                page = browser.get(f"{desk}/incidents/{incident.number}/?all=1").content.decode()
            assert page.count("<iframe") == more + 1
            counts.append(len(asked))
    assert counts[:2] == counts[2:]


@pytest.mark.rule("D29")
def test_the_original_says_all_of_a_mail_that_was_added(cast: Cast, incident: Incident, message: Message):
    raw = message.raw_mail
    assert raw is not None
    page = signed_in(cast.technician).get(f"/desk/mail/{raw.pk}/").content.decode()
    for word in (incident.shown_number, "added to its incident", "Olive &lt;olive@acme.example&gt;", "Message-ID"):
        assert word in page
    for word in (
        "someone@mail.example",
        "image/png",
        "shot@m",
        "MIME-Version",
    ):
        assert word in page
    assert "<script>alert" not in page
    download = signed_in(cast.technician).get(f"/desk/mail/{raw.pk}/source/")
    assert download.content == bytes(raw.source)
    assert download["Content-Type"] == "application/octet-stream"
    assert download["Content-Disposition"] == f'attachment; filename="mail-{raw.pk}.eml"'
    assert (download["Content-Security-Policy"], download["X-Content-Type-Options"]) == (
        "default-src 'none'; sandbox",
        "nosniff",
    )


@pytest.mark.rule("D26", "D29")
def test_the_original_of_a_held_mail_says_why_and_what_came_of_it(cast: Cast, incident: Incident, at: datetime):
    raw = mailed(sender="x@strange.example", at=at, text="CANARY")
    held = HeldMail.objects.get(raw_mail=raw)
    browser = signed_in(cast.technician)
    page = browser.get(f"/desk/mail/{raw.pk}/").content.decode()
    assert "held: no contact has this address" in page
    assert "waits for a technician" in page
    attach_held(held_id=held.pk, incident_id=incident.pk, user=cast.technician, at=at, confirmed=True)
    page = browser.get(f"/desk/mail/{raw.pk}/").content.decode()
    assert "attached to an incident, Tess Technician" in page
    assert incident.shown_number in page


@pytest.mark.rule("D29")
@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"\x00\xff" * 1000,
        b"From: a\r\nSubject: =?utf-8?b?PHNjcmlwdD4=?=\r\n\r\n<script>alert(1)</script>",
        b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n" * 300,
        b"Subject: long\r\n\r\n" + b"x" * 300_000,
    ],
)
def test_whatever_came_in_has_a_page(cast: Cast, at: datetime, source: bytes):
    raw = RawMail.objects.create(
        source=source, digest="d", received_at=at, next_try_at=at, via="pipe", last_error="<b>"
    )
    page = signed_in(cast.technician).get(f"/desk/mail/{raw.pk}/")
    assert page.status_code == 200
    body = page.content.decode()
    assert "<script>alert" not in body
    assert "&lt;b&gt;" in body
    assert len(body) < 400_000
    assert ("Its beginning; the download has all of it." in body) is (len(source) > 200 * 1024)


@pytest.mark.rule("D29")
def test_a_second_delivery_is_counted_there(cast: Cast, incident: Incident, at: datetime):
    source = raw_mail(sender="olive@acme.example", at=at, subject=incident.number)
    raw = delivered(source, at=at)
    delivered(b"Received: by another way\r\n" + source, at=at + timedelta(minutes=1))
    page = signed_in(cast.technician).get(f"/desk/mail/{raw.pk}/").content.decode()
    assert "<dt>Deliveries</dt><dd>2</dd>" in page
    second = RawMail.objects.get(outcome="duplicate")
    page = signed_in(cast.technician).get(f"/desk/mail/{second.pk}/").content.decode()
    assert f'came before: <a href="/desk/mail/{raw.pk}/">the mail that came first</a>' in page


@pytest.mark.rule("D22")
def test_the_original_is_the_desks_alone(cast: Cast, message: Message):
    for path in (f"/desk/mail/{message.raw_mail_id}/", f"/desk/mail/{message.raw_mail_id}/source/"):
        for who in (cast.owner, cast.stranger, cast.restricted):
            assert signed_in(who).get(path).status_code == 404
        assert signed_in(None).get(path).status_code == 302

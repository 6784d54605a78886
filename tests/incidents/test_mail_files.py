"""What of a mail's HTML and files goes with its message (D29, D31)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid
from pathlib import Path
from typing import Any

import pytest

from incidents.access import attachments_for
from incidents.inbound import carrying
from incidents.inbound.content import files_in, keep_files
from incidents.models import Attachment, Incident, Message
from incidents.queries import story
from incidents.services.files import attach, copy_of, place_of, sweep
from supportdesk.mail.incoming import read, record, store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.mail.parse import Attachment as Part
from supportdesk.mail.parse import ParsedMail
from supportdesk.people.scope import scope_of, scope_of_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import DESK, delivered, opened, why_held

pytestmark = pytest.mark.rule("D31")
OLIVE = "Olive <olive@acme.example>"
HOUR = timedelta(hours=1)
Given = tuple[str, str, bytes]


def png(width: int = 400, height: int = 300, tail: bytes = b"") -> bytes:
    """The beginning of a picture of that size: what it is known by."""
    size = width.to_bytes(4, "big") + height.to_bytes(4, "big")
    return b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + size + b"\x08\x06\x00\x00\x00" + tail


def a_mail(
    subject: str,
    *,
    at: datetime,
    text: str | None = "See the files.",
    html: str = "",
    files: Sequence[Given] = (),
    inline: Sequence[tuple[str, bytes]] = (),
    **headers: str,
) -> bytes:
    """A mail with files (name, type, bytes) and pictures in place (content id, bytes)."""
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"], mail["Date"] = OLIVE, DESK, subject, format_datetime(at)
    mail["Message-ID"] = make_msgid(domain="acme.example")
    for name, value in headers.items():
        mail[name.replace("_", "-")] = value
    if text is not None:
        mail.set_content(text)
    if html:
        mail.add_alternative(html, subtype="html") if text is not None else mail.set_content(html, subtype="html")
        part: Any = mail.get_payload()[-1] if mail.is_multipart() else mail  # type: ignore[index]
        for content_id, body in inline:
            part.add_related(body, "image", "png", cid=f"<{content_id}>", filename=f"{content_id}.png")
    for name, kind, body in files:
        mail.add_attachment(body, *kind.split("/"), filename=name)
    return mail.as_bytes()


@pytest.fixture
def incident(cast: Cast, at: datetime, settings: Any, tmp_path: Path) -> Incident:
    settings.FILES_DIR = tmp_path / "files"
    return opened(cast.owner, at=at)


def _message(raw: RawMail) -> Message:
    assert (raw.outcome, why_held(raw)) == ("added", "")
    return Message.objects.get(raw_mail=raw)


def _names(message: Message) -> list[tuple[str, bool]]:
    return [(file.name, file.quiet) for file in message.files.all()]


def test_files_and_html_go_with_the_message(cast: Cast, incident: Incident, at: datetime):
    body = png(tail=b"x" * 100)
    source = a_mail(
        incident.number,
        at=at,
        text="Here it is: **",
        html='<p onclick="x">Here it is: <b>this</b> <img src="cid:shot@mail" alt="Shot"></p>',
        inline=[("shot@mail", body)],
        files=[("trace.log", "text/plain", b"line\n"), ("../x.exe", "application/octet-stream", b"MZ")],
    )
    message = _message(delivered(source, at=at + HOUR))
    assert message.html == '<p>Here it is: <b>this</b> <img alt="Shot" src="cid:shot@mail"></p>'
    assert message.rich
    assert sorted(_names(message)) == [("shot@mail.png", False), ("trace.log", False), ("x.exe", False)]
    shot = message.files.get(name="shot@mail.png")
    assert (shot.content_id, shot.picture, shot.contact) == ("shot@mail", "png", cast.owner)
    assert place_of(shot.stored).read_bytes() == body
    assert message.left_in_mail == 0


@pytest.mark.rule("D22")
def test_they_are_for_those_who_see_the_message(cast: Cast, incident: Incident, at: datetime):
    message = _message(delivered(a_mail(incident.number, at=at, files=[("a.log", "text/plain", b"a")]), at=at))
    file = message.files.get()
    for contact, sees in ((cast.owner, True), (cast.restricted, False), (cast.stranger, False)):
        assert attachments_for(scope_of_contact(contact), at=at).filter(pk=file.pk).exists() is sees


@pytest.mark.rule("D26")
def test_files_alone_are_a_message(incident: Incident, at: datetime):
    files = [("a.png", "image/png", png()), ("b.log", "text/plain", b"b")]
    message = _message(delivered(a_mail(incident.number, at=at, text="", files=files), at=at))
    assert message.text == "2 files: a.png, b.log"
    pasted = a_mail(incident.number, at=at, text=None, html="<img src=cid:s@m>", inline=[("s@m", png())])
    assert _message(delivered(pasted, at=at)).text == "1 file: s@m.png"
    under = a_mail(incident.number, at=at, text="\n> Which one?\n", files=files[:1])
    assert _message(delivered(under, at=at)).text == "1 file: a.png\n\n> Which one?"


@pytest.mark.rule("D26")
def test_nothing_but_an_icon_says_nothing(incident: Incident, at: datetime):
    icon = a_mail(incident.number, at=at, text=None, html="<img src=cid:i@m>", inline=[("i@m", png(16, 16))])
    assert why_held(delivered(icon, at=at)) == "no_text"


def test_what_is_no_part_of_what_was_said_is_quiet(incident: Incident, at: datetime):
    html = (
        '<p>See <img src="cid:shot@m"> <img src="cid:icon@m"> <img src="cid:line@m"></p>'
        '<blockquote><img src="cid:old@m"></blockquote><p>and <img src="cid:below@m"></p>'
    )
    pictures = {"shot": png(), "icon": png(24, 24), "line": png(600, 1), "old": png(500), "below": png(501)}
    source = a_mail(
        incident.number,
        at=at,
        html=html,
        inline=[(f"{name}@m", body) for name, body in pictures.items()],
        files=[("me.vcf", "text/x-vcard", b"sig"), ("icon.png", "image/png", png(24, 24, b"sent"))],
    )
    quiet = dict(_names(_message(delivered(source, at=at))))
    assert quiet == {
        **{"shot@m.png": False, "below@m.png": False, "icon.png": False},
        **{"icon@m.png": True, "line@m.png": True, "old@m.png": True, "me.vcf": True},
    }


def test_the_logo_below_each_answer_is_shown_once(cast: Cast, incident: Incident, at: datetime):
    logo = png(200, 60)
    for time in range(3):
        source = a_mail(f"{incident.number} {time}", at=at, html="<p>x<img src=cid:l@m>", inline=[("l@m", logo)])
        _message(delivered(source, at=at + HOUR * time))
    told = [thing for thing in story(scope_of(cast.technician), incident, at=at + HOUR).told if thing.message]
    assert [(len(thing.files), len(thing.quiet)) for thing in told] == [(0, 0), (1, 0), (0, 1), (0, 1)]


def test_pictures_in_the_html_itself_are_files(incident: Incident, at: datetime):
    html = "<p>See <img src=data:image/gif;base64,R0lGODlhkAGQAQ==> <img src='data:image/svg+xml;base64,PHN2Zz4='></p>"
    message = _message(delivered(a_mail(incident.number, at=at, html=html), at=at))
    file = message.files.get()
    assert (file.name, file.picture, file.quiet) == ("picture-1.gif", "gif", False)
    assert f'src="cid:{file.content_id}"' in message.html


def test_more_than_a_message_takes_stays_in_the_original(incident: Incident, at: datetime):
    files = [(f"{n:02}.log", "text/plain", b"%d" % n) for n in range(POLICY.files_max + 3)]
    signature = ("me.vcf", "text/x-vcard", b"sig")
    raw = delivered(a_mail(incident.number, at=at, files=[signature, *files, ("no.txt", "text/plain", b"")]), at=at)
    message = _message(raw)
    assert [name for name, _quiet in _names(message)] == [f"{n:02}.log" for n in range(POLICY.files_max)]
    assert message.left_in_mail == 5
    assert b"22.log" in bytes(raw.source)


def test_files_over_the_limits_of_bytes_stay_in_the_original():
    sizes = (POLICY.file_bytes_max + 1, POLICY.file_bytes_max, POLICY.file_bytes_max, 1)
    parts = tuple(
        Part(name=f"{n}.bin", content_type="application/x", payload=bytes(size), content_id="", inline=False)
        for n, size in enumerate(sizes)
    )
    found = files_in(ParsedMail(attachments=parts))
    assert ([file.name for file in found.kept], found.left) == (["1.bin", "2.bin"], 2)


@pytest.mark.rule("D28")
def test_files_of_automatic_mail_are_kept_and_quiet(cast: Cast, incident: Incident, at: datetime):
    ours = OutgoingMail.objects.get(kind="incident_opened").message_id
    files = [("report.txt", "text/plain", b"failed")]
    source = a_mail("Away", at=at, files=files, In_Reply_To=ours, Auto_Submitted="auto-replied")
    raw = delivered(source, at=at)
    message = Message.objects.get(raw_mail=raw)
    assert (raw.outcome, message.kind, _names(message)) == ("automatic", "automatic", [("report.txt", True)])
    assert not attachments_for(scope_of_contact(cast.owner), at=at).filter(message=message).exists()


def test_what_came_from_nobody_known_is_claimed_in_nobodys_name(cast: Cast, incident: Incident, at: datetime):
    mail = ParsedMail(attachments=(Part(name="a.log", content_type="x/y", payload=b"a", content_id="", inline=False),))
    tokens = keep_files(mail, contact=None, at=at)
    message = incident.messages.get()
    assert attach(tokens=tokens, message=message, contact=None)[0].contact is None


@pytest.mark.rule("D29")
def test_the_same_mail_read_again_has_the_same_files(cast: Cast, incident: Incident, at: datetime):
    raw, _new = store_raw(
        source=a_mail(incident.number, at=at, files=[("a.log", "text/plain", b"a")]),
        mail_from="olive@acme.example",
        rcpt_to=[DESK],
        at=at,
        via="smtp",
    )
    mail = read(raw)
    first = keep_files(mail, contact=cast.owner, at=at)
    assert keep_files(mail, contact=cast.owner, at=at + HOUR) == first
    assert Attachment.objects.count() == 1


@pytest.mark.rule("D29")
def test_a_try_that_fails_leaves_no_file_and_the_next_one_no_second(
    fresh_db: str, committed_cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch, settings: Any, tmp_path: Path
):
    """The rows go with the transaction; the bytes are swept, and those of the message stay."""
    settings.FILES_DIR = tmp_path / "files"
    incident = opened(committed_cast.owner, at=at)
    source = a_mail(incident.number, at=at, files=[("a.log", "text/plain", b"a"), ("b.log", "text/plain", b"b")])

    def dies(**_given: Any) -> None:
        raise RuntimeError("the database went away")

    monkeypatch.setattr(carrying, "record", dies)
    raw = delivered(source, at=at)
    assert (raw.outcome, raw.tries, Attachment.objects.count()) == ("", 1, 0)
    monkeypatch.setattr(carrying, "record", record)
    carrying.file_mail(raw_id=raw.pk, at=at + HOUR)
    raw.refresh_from_db()
    assert len(_names(_message(raw))) == 2
    lying = [path for path in (tmp_path / "files").glob("*/*") if path.is_file()]
    assert len(lying) == 4
    assert sweep(at=at + HOUR + timedelta(hours=POLICY.upload_hours)) == 4 - 2
    assert all(place_of(file.stored).exists() for file in Attachment.objects.all())


def test_an_oversize_html_is_not_shown_and_its_text_is(incident: Incident, at: datetime):
    html = "<p>" + "<b>x</b>" * 60_000
    message = _message(delivered(a_mail(incident.number, at=at, text="The text.", html=html), at=at))
    assert (message.text.strip(), message.html, message.rich) == ("The text.", "", False)


def test_html_that_says_no_more_is_kept_and_not_offered(incident: Incident, at: datetime):
    html = '<div dir="ltr">The text.<br></div>'
    message = _message(delivered(a_mail(incident.number, at=at, text="The text.", html=html), at=at))
    assert (message.html, message.rich) == (html, False)


@pytest.mark.rule("D14")
def test_a_copy_in_a_splits_part_has_them_too(incident: Incident, at: datetime):
    source = a_mail(incident.number, at=at, html="<p><b>x</b><img src=cid:s@m>", inline=[("s@m", png())])
    message = _message(delivered(source, at=at))
    copy = copy_of(message.files.get(), message=incident.messages.get(via="form"))
    assert (copy.content_id, copy.quiet) == ("s@m", False)

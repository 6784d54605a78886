"""The mails as files, to be looked at: each kind once, as HTML with its pictures and as text (R7)."""

from __future__ import annotations

import os
from base64 import b64encode
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from incidents.mails.carrying import carried
from incidents.models import Attachment
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.mail_walk import long_way
from tests.incidents.mail_walk import walked as all_ways
from tests.incidents.told import a_mate


@pytest.mark.rule("R7", "D31")
def test_each_kind_stands_by_itself_as_a_file(cast: Cast, clock_at: datetime, settings: Any, tmp_path: Path):
    settings.FILES_DIR = tmp_path / "files"
    given = os.environ.get("MAILS_TO")
    folder = Path(given) if given else tmp_path
    if given:
        all_ways(cast, at=clock_at)
    else:
        long_way(cast, a_mate(cast.acme), at=clock_at)
    for mail in OutgoingMail.objects.order_by("-id"):
        html = mail.html
        for file in mail.files.exclude(content_id=""):
            picture = b64encode((tmp_path / "files" / file.stored).read_bytes()).decode()
            html = html.replace(f"cid:{file.content_id}", f"data:{file.content_type};base64,{picture}")
        assert "cid:" not in html, "each picture that is shown goes out with it"
        assert 'src="http' not in html, "nothing is loaded from anywhere"
        (folder / f"{mail.kind}.html").write_text(html, encoding="utf-8")
        (folder / f"{mail.kind}.txt").write_text(f"{mail.subject}\n\n{mail.text}", encoding="utf-8")
    assert (folder / "incident_answered.html").exists()


@pytest.mark.rule("D31")
@pytest.mark.parametrize(
    ("name", "picture", "content_type"),
    [
        ("a.pdf", "", "application/pdf"),
        ("a.html", "", "application/octet-stream"),
        ("a.svg", "", "application/octet-stream"),
        ("a.png", "", "application/octet-stream"),
        ("a.exe", "png", "image/png"),
        ("logs.tar.gz", "", "application/octet-stream"),
        ("a", "", "application/octet-stream"),
    ],
)
def test_a_file_goes_out_as_what_its_bytes_are(name: str, picture: str, content_type: str):
    (file,) = carried("", [Attachment(name=name, picture=picture, size=1, digest="a" * 64, stored="aa/a")]).files
    assert (file.name, file.content_type, file.content_id) == (name, content_type, "")

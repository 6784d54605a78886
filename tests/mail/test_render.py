"""Templates made into a mail's words: one line for the subject, plain text as it is, HTML escaped."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as project
from django.template.loader import get_template

from supportdesk.mail.render import render_mail


@pytest.fixture
def mail_templates(settings: Any, tmp_path: Path) -> Path:
    folder = tmp_path / "mail"
    folder.mkdir()
    (folder / "x.subject.txt").write_text("[{{ number }}]\n  {{ title }}\n")
    (folder / "x.txt").write_text('{% extends "mail/_base.txt" %}{% block body %}{{ title }}{% endblock %}')
    (folder / "x.html").write_text('{% extends "mail/_base.html" %}{% block body %}<h1>{{ title }}</h1>{% endblock %}')
    (first, *others) = settings.TEMPLATES
    settings.TEMPLATES = [{**first, "DIRS": [tmp_path, *first["DIRS"]]}, *others]
    return folder


@pytest.mark.usefixtures("mail_templates")
def test_each_part_is_written_in_its_own_way(settings: Any):
    mail = render_mail("x", {"number": "104 930", "title": "<b>R&D\r\nBcc: x</b>", "can_answer": True})
    assert mail.subject == "[104 930] <b>R&D Bcc: x</b>"
    assert mail.text.startswith("Please answer above this line.\n\n<b>R&D\r\nBcc: x</b>\n\n-- \n")
    assert f"{settings.DESK_NAME} support, +1 866-722-5492." in mail.text
    assert re.search(r'<h1 style="[^"<>]*">', mail.html)
    assert ">&lt;b&gt;R&amp;D\r\nBcc: x&lt;/b&gt;</h1>" in mail.html
    assert "<title>[104 930] &lt;b&gt;R&amp;D Bcc: x&lt;/b&gt;</title>" in mail.html
    style = Path(settings.BASE_DIR, "static", "mail.css").read_text()
    assert f"<style>\n{style}</style>\n</head>" in mail.html
    assert "<link" not in mail.html


@pytest.mark.usefixtures("mail_templates")
def test_a_subject_is_cut_at_its_length():
    assert len(render_mail("x", {"title": "x" * 500}).subject) == 200


FOLDER = Path(project.BASE_DIR, "templates")


@pytest.mark.parametrize("name", sorted(str(path.relative_to(FOLDER)) for path in FOLDER.rglob("*") if path.is_file()))
def test_every_template_knows_its_words(name: str):
    """A word that was renamed in one room breaks the mail of another only when somebody's act sends it."""
    assert get_template(name)

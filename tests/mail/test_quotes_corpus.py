"""Mails as programs of many makers and languages write them: what is left in sight, in text and in HTML (D31)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import lxml.html
import pytest

from supportdesk.mail.html_quotes import fold_html
from supportdesk.mail.html_text import text_of_html
from supportdesk.mail.parse import ParsedMail, parse
from supportdesk.mail.quotes import fold

pytestmark = pytest.mark.rule("D31")

FOLDER = Path(__file__).parent / "corpus" / "quotes"
MAILS = sorted(path.stem for path in FOLDER.glob("*.eml"))
FILLED = {
    b"{{number}}": b"104930",
    b"{{shown}}": b"104 930",
    b"{{reply}}": b"reply+1.2.x@support.desk.example",
    b"{{message_id}}": b"<1@support.desk.example>",
    b"{{desk}}": b"support@support.desk.example",
}


def read(name: str) -> tuple[ParsedMail, dict[str, Any]]:
    source = (FOLDER / f"{name}.eml").read_bytes()
    for mark, value in FILLED.items():
        source = source.replace(mark, value)
    parsed = parse(source, authserv_id="mx.desk.example", own_domain="support.desk.example")
    return parsed, json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))


def words(text: str) -> str:
    """``text`` with one space between words: HTML and text break their lines elsewhere."""
    return " ".join(text.replace("\ufeff", "").replace("\u200b", "").split())


def test_the_corpus_is_whole():
    assert len(MAILS) >= 65
    assert sorted(path.stem for path in FOLDER.glob("*.json")) == MAILS


@pytest.mark.parametrize("name", MAILS)
def test_text_is_folded_as_people_would(name: str):
    parsed, expected = read(name)
    pieces = fold(parsed.text, answers=bool(parsed.in_reply_to or parsed.references))
    assert "".join(piece.text for piece in pieces) == parsed.text
    told = {
        kind: "".join(piece.text for piece in pieces if piece.kind == kind) for kind in ("said", "quoted", "signature")
    }
    assert words(told["said"]) == words(expected["said"])
    for kind in ("quoted", "signature"):
        for part in expected[kind]:
            assert words(part) in words(told[kind])


@pytest.mark.parametrize("name", MAILS)
def test_html_is_folded_as_its_text_is(name: str):
    parsed, expected = read(name)
    if not parsed.html:
        return
    folded = fold_html(parsed.html, quoted_word="Quoted", signature_word="Signature")
    document = lxml.html.document_fromstring(f"<html><body>{folded}</body></html>")
    told: dict[str, str] = {}
    for kind in ("quoted", "signature"):
        found = document.xpath(f"//details[@class='{kind}']")
        told[kind] = words(
            " ".join(lxml.html.tostring(one, method="text", encoding="unicode", with_tail=False) for one in found)
        )
        for one in found:
            one.drop_tree()
    said = " ".join(document.xpath("//body//text()[not(ancestor::style or ancestor::title)]"))
    assert words(said).replace(" ", "") == words(expected["said"]).replace(" ", "")
    for kind in ("quoted", "signature"):
        for part in expected[kind]:
            assert words(part).replace(" ", "") in told[kind].replace(" ", "")


@pytest.mark.parametrize("name", MAILS)
def test_html_made_text_is_folded_alike(name: str):
    parsed, expected = read(name)
    said = "".join(piece.text for piece in fold(text_of_html(parsed.html), answers=True) if piece.kind == "said")
    assert not parsed.html or words(said).replace(" ", "") == words(expected["said"]).replace(" ", "")

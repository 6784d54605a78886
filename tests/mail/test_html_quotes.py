"""Quoted and signed parts of a mail's HTML are folded, never cut, in work that grows with its length (D31)."""

from __future__ import annotations

import lxml.html
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supportdesk.mail.html_quotes import FOLDED_HTML_CHARS_MAX, FOLDED_TAGS_MAX, fold_html
from tests.core.test_mail_parse import steps

pytestmark = pytest.mark.rule("D31")

CITE = "<blockquote type=cite>Does it?</blockquote>"


def fold(html: str) -> str:
    return fold_html(html, quoted_word="Quoted & old", signature_word="Signed")


def words(html: str) -> str:
    """All that can be read, but for the summaries, without spaces."""
    document = lxml.html.document_fromstring(f"<html><body><div>{html}</div></body></html>")
    for summary in document.xpath("//details[@class]/summary[1]"):
        summary.drop_tree()
    return "".join(document.text_content().split())


def shown(html: str) -> str:
    document = lxml.html.document_fromstring(f"<html><body><div>{html}</div></body></html>")
    for details in document.xpath("//details[@class='quoted' or @class='signature']"):
        details.drop_tree()
    return " ".join(" ".join(document.xpath("//text()")).split())


@pytest.mark.parametrize(
    "quote",
    [
        CITE,
        '<div class="moz-cite-prefix">On 1.12.26 Tess wrote:</div><blockquote type="cite">Does it?</blockquote>',
        '<div class="gmail_quote"><div class="gmail_attr">On …</div>'
        '<blockquote class="gmail_quote">Does it?</blockquote></div>',
        '<div class="yahoo_quoted"><div>On …</div><div>Does it?</div></div>',
        '<div id="x_divRplyFwdMsg">Fra: Tess</div><div>Does it?</div>',
        '<div style="border:none;border-top:solid #E1E1E1 1.0pt"><p>Fròm: Tess</p></div><p>Does it?</p>',
        '<hr><div id="divRplyFwdMsg"><b>From:</b> Tess<br></div><p>Does it?</p>',
        '<div class="protonmail_quote">On 1.12.26 Tess &lt;a@b.example&gt; wrote:<br>'
        '<blockquote class="protonmail_quote">Does it?</blockquote></div>',
        "<p>On Tue, Dec 1, 2026 Tess &lt;<a href='mailto:a@b.example'>a@b.example</a>&gt; wrote:</p><p>Does it?</p>",
        "<p><b>Von:</b> Tess<br><b>Gesendet:</b> Dienstag<br><b>An:</b> Olive<br><b>Betreff:</b> x</p><p>Does it?</p>",
        "<table><tr><td><p>Please answer above this line.</p></td></tr><tr><td>Does it?</td></tr></table>",
        "<ul><li>Please answer above this line.</li><li>Does it?</li></ul>",
        "<pre>On Tuesday Tess wrote:\n&gt; Does it?\n</pre>",
    ],
)
@pytest.mark.parametrize(
    "own", ["<p>Yes.</p>", "Yes.<br><br>", "<div dir=ltr><font>Yes.</font></div><br>", "<pre>Yes.\n\n</pre>"]
)
def test_what_programs_mark_or_say_is_quoted_is_folded(own: str, quote: str):
    folded = fold(own + quote)
    assert shown(folded) in ("Yes.", "Yes. " + "_" * 32)
    assert "<summary>Quoted &amp; old</summary>" in folded
    assert words(folded) == words(own + quote)


@pytest.mark.parametrize(
    "signature",
    [
        '<div class="gmail_signature">Olive</div>',
        '</div><div id="Signature">Olive</div>',
        '<pre class="moz-signature" cols="72">-- \nOlive</pre>',
        '<div id="Signature"><p>Olive</p></div>',
        '<div id="AppleMailSignature">Olive</div>',
        '<div class="protonmail_signature_block"><div>Sent with Proton Mail</div></div>',
        "<div>Sent from my iPhone</div>",
        "<p>--&nbsp;<br>Olive</p>",
    ],
)
@pytest.mark.parametrize("below", ["", CITE])
def test_signatures_are_folded(signature: str, below: str):
    folded = fold(f"<p>Yes.</p>{signature}{below}")
    assert shown(folded) == "Yes."
    assert folded.count('<details class="signature"><summary>Signed</summary>') == 1
    assert folded.count("<details") == 1 + bool(below)


@pytest.mark.parametrize(
    "html",
    [
        "",
        "no tag at all < here & there",
        "<p>Yes.</p>",
        "<p>The manual says:</p><blockquote>Press green.</blockquote><p>Is it right?</p>",
        CITE,
        f"<p>&nbsp;</p>{CITE}",
        f"<div>{CITE}</div><p></p><img src='cid:pixel' width='1'>",
        "<pre>--- a/file\n+++ b/file\n&gt; x\n</pre>",
        "<p>" + "x" * FOLDED_HTML_CHARS_MAX + f"</p>{CITE}",
        "<p>x</p>" * (FOLDED_TAGS_MAX // 2) + CITE,
        "<div>" * 5_000 + f"Yes.{CITE}" + "</div>" * 5_000,
    ],
)
def test_where_nothing_is_to_be_folded_it_comes_back_as_it_was(html: str):
    assert fold(html) == html


def test_answers_between_quotes_stay_in_sight_and_pictures_count_as_said():
    assert shown(fold(f"{CITE}<p>Yes.</p>{CITE}<p>No.</p>")) == "Yes. No."
    assert "<details" in fold(f"<p><img src='cid:1'></p>{CITE}")
    assert "<img" in fold(f"<p><img src='cid:1'></p>{CITE}").partition("<details")[0]


def test_folds_stand_where_html_allows_them():
    folded = fold(f"<table><tbody><tr><td>Yes.</td></tr><tr><td>{CITE}</td></tr></tbody></table>")
    assert "<td><details" in folded
    folded = fold("<p>Yes.<br>Please answer above this line.<br>Does it?</p>")
    assert not lxml.html.fragment_fromstring(folded, create_parent="div").xpath("//p//details")


def test_what_was_escaped_stays_escaped():
    evil = "&lt;script&gt;alert(1)&lt;/script&gt; <a title='\"&gt;&lt;img src=x onerror=y&gt;'>x</a>"
    for html in (f"<p>{evil}</p>{CITE}", f"{evil}{CITE}", f"<p>Yes.</p><blockquote type=cite>{evil}</blockquote>"):
        document = lxml.html.document_fromstring(fold(html))
        assert not document.xpath("//script|//img")
        assert "<script>alert(1)</script>" in document.text_content()


TAGS = st.sampled_from(
    [
        *(
            "<p>",
            "</p>",
            "<div>",
            "</div>",
            "<br>",
            "<hr>",
            "<table>",
            "<tr>",
            "<td>",
            "</table>",
            "<ul>",
            "<li>",
            "</ul>",
        ),
        *("<blockquote>", "<blockquote type=cite>", "</blockquote>", "<pre>", "</pre>", "<b>", "</b>", "</span>", "\n"),
        *("<div class=gmail_quote>", "<div id=Signature>", "<div id=divRplyFwdMsg>", "<details>", "&lt;", "&nbsp;"),
        *(
            "Yes.",
            "-- ",
            "&gt; x",
            "On Monday Tess wrote:",
            "Please answer above this line.",
            "<img src=x>",
            "a<b",
            "\0",
        ),
    ]
)


@settings(max_examples=300, deadline=None)
@given(st.one_of(st.text(max_size=200), st.lists(TAGS, max_size=40).map("".join)))
def test_nothing_is_cut(html: str):
    folded = fold(html)
    assert words(folded.replace("\0", "")) == words(html.replace("\0", ""))


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "<p>a</p>",
            "a<br>",
            "<div>a",
            "<p>a</p><blockquote type=cite>b</blockquote>",
            "<hr>",
            "<ul><li>a</ul>",
            "<b>a</b>",
        ),
        *(
            "<table><tr><td>a</table>",
            "<div class=gmail_quote>On 1 &lt;a@b&gt;</div>",
            "<pre>\na\n</pre>",
            "<blockquote>",
        ),
    ],
)
def test_work_grows_with_the_length_not_with_its_square(unit: str):
    small, large = unit * 200 + CITE, unit * 400 + CITE
    assert steps(lambda: fold(large)) <= 2.2 * steps(lambda: fold(small)) + 500

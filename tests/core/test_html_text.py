"""HTML as text: what people read, in a size that grows with the mail alone (D29)."""

from __future__ import annotations

import doctest

import pytest

from supportdesk.mail import html_text
from supportdesk.mail.html_text import text_of_html

HOSTILE = {
    "a padding of miles": '<div style="padding-left:100000em">' + "<br>x" * 10_000,
    "one wide cell and many rows": f"<table><tr><td>{'w' * 25_000}</td></tr>" + "<tr><td>a<td>b" * 25_000,
    "quotations in quotations": "<blockquote>" * 5_000 + "<br>x" * 5_000,
    "a deep tree": "<div>" * 100_000,
    "open brackets": "<" * 100_000,
    "comments that never end": "<!--" * 50_000,
    "marked sections": "<![CDATA[" * 30_000,
}


def test_the_example_in_the_docstring_holds():
    assert doctest.testmod(html_text).failed == 0


@pytest.mark.rule("D29")
@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
def test_the_text_is_hardly_longer_than_its_html(html):
    assert len(text_of_html(html)) <= len(html) + 10


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("one<br>two", "one\ntwo"),
        ("<ul><li>a<li>b</ul>", "* a\n* b"),
        ("<pre>a\n  b</pre>", "a\n  b"),
        ("<style>p{}</style><script>x()</script><title>t</title>seen", "seen"),
        ("a &amp; b &lt;c&gt;", "a & b <c>"),
        ("<p>yes</p><blockquote><p>no</p></blockquote>", "yes\n\n> no"),
        ("<table><tr><td>a<td>b<tr><td>c</table>", "a b\nc"),
        ("nul\x00l", "null"),
    ],
)
def test_what_is_read(html, text):
    assert text_of_html(html) == text

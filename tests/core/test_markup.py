"""What staff write: Markdown that shows its own pictures, loads nothing, and takes its time by its length (D31)."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from supportdesk import markup
from supportdesk.markup import reference, references, to_article, to_html, to_text
from supportdesk.policy import POLICY

pytestmark = pytest.mark.rule("D31")
ONE, TWO = "a" * 16, "b" * 16
TABLE = """<table>
<thead>
<tr>
<th>a</th>
</tr>
</thead>
<tbody>
<tr>
<td>b</td>
</tr>
</tbody>
</table>
"""


def own(named: str) -> str | None:
    return f"/files/{named[:4]}/?show" if named == ONE else None


@pytest.mark.parametrize(
    ("written", "html"),
    [
        ("a\nb", "<p>a<br>\nb</p>\n"),
        ("**a** *b* ~~c~~ `d<e`", "<p><strong>a</strong> <em>b</em> <s>c</s> <code>d&lt;e</code></p>\n"),
        ("# One\n\n###### Six", "<h3>One</h3>\n<h6>Six</h6>\n"),
        ("<script>alert(1)</script>", "<p>&lt;script&gt;alert(1)&lt;/script&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("[x](/admin/logout/)", "<p>[x](/admin/logout/)</p>\n"),
        ("![a](https://evil.example/p)", '<p><a href="https://evil.example/p" rel="noopener noreferrer">a</a></p>\n'),
        ("![a](data:image/png;base64,AAAA)", "<p>![a](data:image/png;base64,AAAA)</p>\n"),
        (f"![a](file:{ONE})", '<p><img src="/files/aaaa/?show" alt="a"></p>\n'),
        (f"![of another message](file:{TWO})", "<p><em>of another message</em></p>\n"),
        (f'![a" onerror="x](file:{ONE})', '<p><img src="/files/aaaa/?show" alt="a&quot; onerror=&quot;x"></p>\n'),
        (f"[a](file:{ONE})", '<p><a rel="noopener noreferrer">a</a></p>\n'),
        ("See [1].\n\n[1]: /a", "<p>See [1].</p>\n<p>[1]: /a</p>\n"),
        ("1. a\n1. b", "<ol>\n<li>a</li>\n<li>b</li>\n</ol>\n"),
        ("|a|\n|-|\n|b|", TABLE),
    ],
)
def test_what_is_written_and_what_is_seen(written: str, html: str):
    assert to_html(written, own) == html


@pytest.mark.parametrize(
    ("written", "addresses"),
    [
        ("See https://a.example/x_y_z?q=1&r=2.", ["https://a.example/x_y_z?q=1&amp;r=2"]),
        ("(https://a.example/) and (https://b.example/c(d)).", ["https://a.example/", "https://b.example/c(d)"]),
        ("`https://a.example` https://", []),
        ("[https://a.example](https://b.example)", ["https://b.example"]),
        ("<https://a.example/b>", ["https://a.example/b"]),
        ("ftp://a.example javascript://b.example", []),
    ],
)
def test_addresses_by_themselves_are_links(written: str, addresses: list[str]):
    assert re.findall(r'href="([^"]*)"', to_html(written, own)) == addresses


def test_the_text_of_a_mail_is_what_was_written_with_pictures_by_name():
    assert to_text(f"**See** ![the shot](file:{ONE}), `x`") == "**See** [the shot], `x`"
    assert references(f"![a](file:{ONE}) ![b](file:{TWO}) `![c](file:{'c' * 16})`") == {ONE, TWO}
    assert reference("0123456789abcdef" * 4) == "0123456789abcdef"


@given(st.text(alphabet=st.sampled_from("ab![]()<>\"'`*_~#|-:/\\\n &;:file.http0123"), max_size=200))
def test_nothing_written_makes_anything_but_what_is_allowed(written: str):
    html = to_html(written, lambda named: f"/files/{named}")
    for tag, attributes in re.findall(r"<(\w+)((?:\s[^<>\"]*(?:\"[^\"]*\"[^<>\"]*)*)?)>", html):
        assert tag in markup._TAGS
        assert set(re.findall(r'([\w-]+)="', attributes)) <= {"href", "title", "rel", "src", "alt", "start"}
    assert all(source.startswith("/files/") for source in re.findall(r'<img src="([^"]*)"', html))


HARD = [
    "[",
    "![",
    "*a_",
    "**a*",
    "`a``b",
    "[a](",
    "<a",
    "> ",
    "- a\n",
    "  - a\n",
    "|a",
    "|a|b|\n|-|-|\n",
    "[x]: /u 'a\n",
    "~~a",
    "\\[",
    "&amp;",
    "http://a)",
    "https://a.example ",
    f"![a](file:{ONE})",
    "1. a\n   ",
    "a\n",
    "](",
]


def steps_of(work: Callable[[], Any]) -> int:
    """How many Python functions were called meanwhile: a length of time that a busy machine does not change."""
    count = 0

    def seen(_frame: FrameType, event: str, _what: object) -> None:
        nonlocal count
        count += event == "call"

    sys.setprofile(seen)
    try:
        work()
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("unit", HARD)
def test_the_work_grows_with_the_length_alone(unit: str):
    counts = []
    for size in (4_000, 16_000):
        text = (unit * size)[:size]
        markup._html.cache_clear()
        counts.append(steps_of(lambda text=text: to_html(text, own)))  # type: ignore[misc]
    assert counts[1] <= 5 * counts[0] + 200


def test_an_address_that_is_named_once_is_not_written_a_thousand_times():
    text = f"[a]: http://x.example/{'y' * 10_000}\n\n" + "[a]" * 5_000
    assert len(to_html(text, own)) < 3 * len(text)


@pytest.mark.rule("R15")
def test_an_article_runs_on_and_stands_below_its_title():
    written = f"# One\n\na\nb https://a.example ![of elsewhere](https://b.example/p) ![a](file:{ONE})\n\n## Two"
    link = '<a href="https://a.example" rel="noopener noreferrer">https://a.example</a>'
    picture = '<a href="https://b.example/p" rel="noopener noreferrer">of elsewhere</a> <em>a</em>'
    assert to_article(written, top=2) == f"<h2>One</h2>\n<p>a\nb {link} {picture}</p>\n<h3>Two</h3>\n"
    assert "<h3>One</h3>" in to_article(written, top=3)
    assert "<script" not in to_article("<script>alert(1)</script>", top=2)


def test_the_longest_text_is_rendered_and_a_second_look_costs_nothing():
    text = ("**a** [b](http://c.example) " * POLICY.text_max)[: POLICY.text_max]
    first = to_html(text, own)
    assert first.count("<a ") > 3_000
    assert steps_of(lambda: to_html(text, own)) < 50

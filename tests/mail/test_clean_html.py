"""What mails try with HTML, and what is left of it (D31)."""

from __future__ import annotations

import base64
import re

import pytest

from supportdesk.mail import clean_html as cleaning
from supportdesk.mail.clean_html import clean_html, lift_pictures, own_part, references, says_more
from supportdesk.mail.shown_html import Words, data_address, page_of

pytestmark = pytest.mark.rule("D31")
WORDS = Words(title="The mail", elsewhere="a picture from elsewhere, not loaded", missing="a picture that is not here")
PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)
DATA = base64.b64encode(PNG).decode()

# What it says, and what is left of it.
HOSTILE = {
    "<p>a<script>alert(1)</script>b</p>": "<p>ab</p>",
    "<script>alert(1)": "",
    "<p onclick=alert(1) onmouseover='x' ONLOAD=y>a</p>": "<p>a</p>",
    "<img src=x onerror=alert(1)>": '<span class="desk-elsewhere"></span>',
    "<style>@import url(http://x.example)</style><p>a": "<p>a</p>",
    "<link rel=stylesheet href=http://x.example><base href=http://x.example><p>a": "<p>a</p>",
    '<meta http-equiv=refresh content="0;url=http://x.example"><p>a': "<p>a</p>",
    '<iframe src=http://x.example></iframe><iframe srcdoc="<script>1</script>">in</iframe><p>a': "<p>a</p>",
    "<object data=http://x.example>fallback</object><embed src=http://x.example><p>a": "<p>a</p>",
    "<svg onload=alert(1)><circle/></svg><p>a": "<p>a</p>",
    "<svg><image href=http://x.example/></svg><math><mi xlink:href=javascript:alert(1)>x</mi></math><p>a": "<p>a</p>",
    "<video poster=http://x.example><source src=http://x.example></video><audio src=http://x.example></audio><p>a": (
        "<p>a</p>"
    ),
    "<form action=http://x.example><input name=q value=v><button formaction=http://x.example>Go</button></form>": "Go",
    "<textarea>typed</textarea><select><option>one</select>": "typedone",
    "<table background=http://x.example><tr><td background=http://x.example bgcolor=red>a": (
        '<table><tbody><tr><td bgcolor="red">a</td></tr></tbody></table>'
    ),
    "<td colspan=99999 rowspan=2>": "",
    "<table><tr><td colspan=99999 rowspan=2>a": '<table><tbody><tr><td rowspan="2">a</td></tr></tbody></table>',
    '<p style="background:url(http://x.example)">a': "<p>a</p>",
    '<p style="background-color:#fff;background-image:url(x);color:red">a': (
        '<p style="background-color:#fff;color:red">a</p>'
    ),
    '<p style="color:red;color:\\75 rl(http://x.example)">a': '<p style="color:red">a</p>',
    '<p style="width:expression(alert(1));-moz-binding:url(x);behavior:url(x)">a': "<p>a</p>",
    '<p style="position:fixed;inset:0;z-index:9">a': "<p>a</p>",
    '<p style="color:var(--x);--x:url(http://x.example)">a': "<p>a</p>",
    "<p style=\"font-family:'a';list-style:url(x)\">a": '<p style="font-family:&quot;a&quot;">a</p>',
    "<!--[if mso]><p>mso</p><![endif]--><!-- <img src=x> --><p>a": "<p>a</p>",
    "<picture><source srcset=http://x.example><img srcset='http://x.example 2x' alt=A></picture>": (
        '<span class="desk-elsewhere">A</span>'
    ),
    "<img src=http://x.example/logo.png alt='Logo <b>'>": '<span class="desk-elsewhere">Logo &lt;b&gt;</span>',
    "<img src=https://x.example/t.gif width=1 height=1>a": "a",
    "<img src=https://x.example/t.gif width='1px'>a": "a",
    "<img src=//x.example/a.png><img src=/a.png>": '<span class="desk-elsewhere"></span>' * 2,
    "<img src='cid:one@mail' alt=A onerror=x>": '<img alt="A" src="cid:one@mail">',
    "<img src='data:image/svg+xml,<svg onload=alert(1)>'>": '<span class="desk-elsewhere"></span>',
    "<img src='data:text/html;base64,PHNjcmlwdD4='>": '<span class="desk-elsewhere"></span>',
    "<img src='blob:http://x.example/1'><img src='file:///etc/passwd'>": '<span class="desk-elsewhere"></span>' * 2,
    "<marquee>a</marquee><blink>b</blink><custom-thing>c</custom-thing>": "abc",
    "<p id='divRplyFwdMsg' class='MsoNormal x'>a": '<p id="divRplyFwdMsg" class="MsoNormal x">a</p>',
    "<p id='a\"><script>'>a": "<p>a</p>",
    "\0<p>\0a&#0;b": "<p>a\ufffdb</p>",
    "<p>a < b & c</p>": "<p>a &lt; b &amp; c</p>",
    # Mutations: what is text to one parser is an element to another.
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">': None,
    '<svg><p><style><g title="</style><img src=x onerror=alert(1)>">': None,
    '<math><mtext><table><mglyph><style><!--</style><img title="--&gt;&lt;img src=1 onerror=alert(1)&gt;">': None,
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>": None,
    '<p title="<!--"><img src=x onerror=alert(1)>--></p>': None,
    "<xmp><img src=x onerror=alert(1)></xmp><plaintext><script>alert(1)": None,
    "<table><style><![CDATA[</style><img src=x onerror=alert(1)>]]></table>": None,
    "<template><script>alert(1)</script><img src=x onerror=alert(1)></template>": None,
    "<a href='x'><b><table><tr><a href='javascript:alert(1)'>y": None,
    '<title><a title="</title><img src=x onerror=alert(1)>">': None,
    "<select><template><style><img src=x onerror=alert(1)></style>": None,
    "<?xml version='1.0'?><?php echo 1 ?><![CDATA[<script>alert(1)</script>]]>": None,
}
# Written: and the address that is left, if one is.
LINKS = {
    "https://ok.example/a?b=1&amp;c=2": "https://ok.example/a?b=1&amp;c=2",
    "HTTP://ok.example": "HTTP://ok.example",
    "mailto:a@ok.example": "mailto:a@ok.example",
    "javascript:alert(1)": None,
    " javascript:alert(1)": None,
    "java&#9;script:alert(1)": None,
    "&#106;avascript:alert(1)": None,
    "vbscript:x": None,
    "data:text/html,x": None,
    "//evil.example/x": None,
    "/incidents/": None,
    "#top": None,
    "cid:one": None,
    "tel:+1": None,
    "https://a b.example": None,
}
WORD = r"[a-z0-9-]+"
# Every tag of what is left is in the list, with attributes in quotes and none that acts.
SOUND = re.compile(rf'(?:[^<>]|</{WORD}>|<{WORD}(?: {WORD}="[^"<>]*")*>)*')


def sound(html: str) -> bool:
    tags = set(re.findall(r"<(\w+)", html))
    names = set(re.findall(r' ([\w-]+)="', html))
    return (
        bool(SOUND.fullmatch(html))
        and tags <= cleaning.TAGS
        and not any(name.startswith("on") or name in ("srcset", "background", "action") for name in names)
    )


@pytest.mark.parametrize("written", HOSTILE)
def test_what_is_left(written: str):
    left = clean_html(written)
    expected = HOSTILE[written]
    if expected is not None:
        assert left == expected
    assert sound(left), left
    assert sound(clean_html(left)), "what a second reading makes of it is no worse"


@pytest.mark.parametrize("written", HOSTILE)
def test_nothing_of_it_loads_or_runs_on_the_page(written: str):
    page = page_of(clean_html(written), pictures={}, words=WORDS, language="en")
    body = page.partition("<body>")[2].removesuffix("</body></html>")
    assert sound(body), body
    assert not re.findall(r"(?:src|srcset|background|action|style)=\"[^\"]*(?:https?:|//|url)", body)


@pytest.mark.parametrize("written", LINKS)
def test_links_lead_out_and_nowhere_else(written: str):
    address = LINKS[written]
    there = f' href="{address}"' if address else ""
    expected = f'<a{there} target="_blank" rel="noopener noreferrer nofollow">x</a>'
    assert clean_html(f'<a href="{written}" target=_self ping=http://x.example rel=opener>x</a>') == expected


def test_formatting_stays():
    html = (
        '<h1 style="color:#ff0000">T</h1><ul><li>a</li></ul><table border="1"><tbody><tr><th scope="row">h</th><td>'
        '<b>b</b> <i>i</i></td></tr></tbody></table><pre>x\n  y</pre><font color="red">r</font><ol start="3"><li>c</li>'
        '</ol><hr><blockquote type="cite">q</blockquote><p dir="rtl" lang="ar">مرحبا</p>'
    )
    assert clean_html(html) == html


@pytest.mark.parametrize(
    "html",
    [
        "<p>" + "x" * cleaning.HTML_CHARS_MAX,
        "<div>" * (cleaning.DEPTH_MAX + 1),
        "<br>" * (cleaning.ELEMENTS_MAX + 1),
        "&amp;" * (cleaning.ESCAPES_MAX + 1),
        # What is never ended is begun anew in each paragraph: 190 times 20,000.
        "<p>" + "".join(f"<font size={n}>" for n in range(100)) + "<div>x</div>" * 20_000,
    ],
    ids=["long", "deep", "many", "escapes", "reopened"],
)
def test_far_too_much_is_not_shown_as_html(html: str):
    assert clean_html(html) == ""


def test_just_as_much_as_is_taken_is_shown():
    assert clean_html("<div>" * cleaning.DEPTH_MAX + "x").count("<div>") == cleaning.DEPTH_MAX
    assert clean_html("<br>" * cleaning.ELEMENTS_MAX).count("<br>") == cleaning.ELEMENTS_MAX


def test_pictures_in_the_html_itself_become_files():
    html, pictures = lift_pictures(f'<p><img src="data:image/png;base64,{DATA}"><img src=data:image/png;base64,{DATA}>')
    assert [picture.payload for picture in pictures] == [PNG]
    assert references(clean_html(html)) == (pictures[0].content_id,)
    assert clean_html(f'<img src="data:image/png;base64,{DATA}">') == f'<img src="cid:{pictures[0].content_id}">'
    # Large ones do not count as text.
    large = base64.b64encode(PNG * 200_000).decode()
    assert clean_html(f'<p>a<img src="data:image/png;base64,{large}">').startswith("<p>a<img")


def test_what_text_cannot_show():
    plain = '<div dir="ltr">Hello<br>you <a href="https://x.example">https://x.example</a></div><p class="x">Bye</p>'
    assert not says_more(clean_html(plain))
    for more in ("<b>x</b>", '<font color="red">x</font>', "<table><tr><td>x</table>", "<img src=cid:a>", "<li>x"):
        assert says_more(clean_html(f"<ul>{more}</ul>"))


def test_the_page_shows_the_mails_own_pictures_alone():
    html = clean_html(
        '<img src="cid:one@mail" alt="One"><img src="cid:gone" alt="Gone &quot;x&quot; <i>">'
        '<img src="http://x.example/a.png" alt="Far"><p title="<img>">a</p>'
    )
    page = page_of(html, pictures={"one@mail": data_address("png", PNG)}, words=WORDS, language="en")
    body = page.partition("<body>")[2]
    assert f'<img alt="One" src="data:image/png;base64,{DATA}">' in body
    assert "a picture that is not here Gone &quot;x&quot; &lt;i&gt;</span>" in body
    assert "a picture from elsewhere, not loaded Far</span>" in body
    assert body.count("<img ") == 1


def test_a_page_takes_no_address_of_a_picture_but_ours():
    """Also where it was changed since it was cleaned: by folding, or in the database."""
    html = '<img src="http://x.example/a.png"><img src="data:image/png;base64,AAAA"><script>alert(1)</script>'
    body = page_of(html, pictures={}, words=WORDS, language="en").partition("<body>")[2]
    assert "x.example" not in body
    assert "AAAA" not in body
    assert "script" not in body


def test_folded_quotes_stay_folded_on_the_page():
    html = '<p>a</p><details class="quoted" open ontoggle="x"><summary>3 lines</summary>b</details>'
    body = page_of(html, pictures={}, words=WORDS, language="en").partition("<body>")[2]
    assert '<details class="quoted"><summary>3 lines</summary>b</details>' in body


@pytest.mark.parametrize(
    ("html", "own"),
    [
        ("<p>a</p><blockquote>q<blockquote>r</blockquote>s</blockquote><p>b</p>", "<p>a</p><p>b</p>"),
        ('<p>a</p><div id="divRplyFwdMsg">From: x</div><p>all of it', "<p>a</p>"),
        ("</blockquote>a", "a"),
        ("<blockquote>never ended", ""),
    ],
)
def test_what_of_it_is_quoted(html: str, own: str):
    assert own_part(html) == own

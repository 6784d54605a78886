"""The HTML of a mail made harmless: what is kept stands in a list, and nothing comes from elsewhere (D31). Pure.

Two passes. The first, over events in linear time, counts, and writes anew what is allowed; so the second, nh3, which
builds the tree that a browser would, never meets more than was counted. nh3 has the last word.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import unquote_to_bytes

import nh3
from lxml import etree

HTML_CHARS_MAX = 1_000_000  # pictures that stand in it as data are not counted
PICTURES_CHARS_MAX = 40_000_000
ELEMENTS_MAX = 50_000
DEPTH_MAX = 200
# What is bold or coloured and not ended is begun anew in each paragraph: elements times such depth is the true size.
REOPENED_MAX = 600_000
ESCAPES_MAX = 100_000  # of < > and &: joining them to a text again costs the square of their number
TRACKER_PIXELS = 3  # a picture no larger than that shows nothing

# The class of what stands for a picture from elsewhere; its words come when it is shown.
ELSEWHERE = "desk-elsewhere"

VOID = frozenset({"br", "col", "hr", "img", "wbr"})
_REOPENED = frozenset({"a", "b", "big", "code", "em", "font", "i", "nobr", "s", "small", "strike", "strong", "tt", "u"})
# Neither they nor what stands in them is text of the mail.
_SILENT = frozenset(
    [
        *("applet", "audio", "canvas", "frameset", "iframe", "math", "noembed", "noframes", "noscript"),
        *("object", "script", "style", "svg", "template", "title", "video"),
    ]
)
TAGS = frozenset(
    [
        *("a", "abbr", "address", "article", "aside", "b", "bdi", "bdo", "big", "blockquote", "br", "caption"),
        *("center", "cite", "code", "col", "colgroup", "dd", "del", "dfn", "div", "dl", "dt", "em", "figcaption"),
        *("figure", "font", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "i", "img", "ins", "kbd"),
        *("li", "main", "mark", "nav", "ol", "p", "pre", "q", "rp", "rt", "ruby", "s", "samp", "section", "small"),
        *("span", "strike", "strong", "sub", "sup", "table", "tbody", "td", "tfoot", "th", "thead", "time", "tr"),
        *("tt", "u", "ul", "var", "wbr"),
    ]
)
_TOKENS = re.compile(r"[\w .:@-]{1,200}")
_SHORT = re.compile(r"[\w #%.,:-]{1,40}")
_COUNT = re.compile(r"\d{1,3}")
_FACES = re.compile(r"[\w ,'\"-]{1,200}")
_WORDS = re.compile(r"[^\x00-\x1f]{0,500}")
_ATTRIBUTES: dict[str, dict[str, re.Pattern[str]]] = {
    "*": {"align": _SHORT, "bgcolor": _SHORT, "class": _TOKENS, "dir": _SHORT, "id": _TOKENS, "lang": _SHORT}
    | {"title": _WORDS, "valign": _SHORT, "width": _SHORT, "height": _SHORT},
    "blockquote": {"type": _SHORT},
    "col": {"span": _COUNT},
    "colgroup": {"span": _COUNT},
    "font": {"color": _SHORT, "face": _FACES, "size": _SHORT},
    "img": {"alt": _WORDS, "border": _SHORT},
    "li": {"value": _COUNT},
    "ol": {"start": _COUNT, "type": _SHORT},
    "table": {"border": _SHORT, "cellpadding": _SHORT, "cellspacing": _SHORT},
    "td": {"colspan": _COUNT, "rowspan": _COUNT, "nowrap": _SHORT},
    "th": {"colspan": _COUNT, "rowspan": _COUNT, "nowrap": _SHORT, "scope": _SHORT},
}
_SIDES = ("", "-top", "-right", "-bottom", "-left")
STYLES = frozenset(
    [
        *("background-color", "border-collapse", "border-radius", "border-spacing", "caption-side", "clear", "color"),
        *("direction", "display", "float", "font", "font-family", "font-size", "font-style", "font-variant"),
        *("font-weight", "height", "letter-spacing", "line-height", "list-style-type", "max-height", "max-width"),
        *("min-height", "min-width", "table-layout", "text-align", "text-decoration", "text-indent"),
        *("text-transform", "unicode-bidi", "vertical-align", "white-space", "width", "word-break", "word-wrap"),
        *(f"{name}{side}" for name in ("border", "margin", "padding") for side in _SIDES),
        *(f"border{side}-{what}" for side in _SIDES for what in ("color", "style", "width")),
    ]
)
# No function but those of colours: what could load, or reckon, has parentheses.
_STYLE_VALUE = re.compile(r"(?:[\w #%.,'\"!+/-]|\b(?:rgb|hsl)a?\([\d .,%/]{1,60}\)){1,300}", re.IGNORECASE)
_LINK = re.compile(r"(?:https?://|mailto:)[^\s\x00-\x20<>\"]{1,2000}", re.IGNORECASE)
_CID = re.compile(r"cid:([^\s\x00-\x20<>\"']{1,200})", re.IGNORECASE)
_DATA = re.compile(
    r"(?P<before>\bsrc\s{0,9}=\s{0,9}[\"']?\s{0,9})data:image/[a-z+.-]{1,20};base64,(?P<data>[A-Za-z0-9+/=%\s]*)",
    re.IGNORECASE,
)
_PIXELS = re.compile(r"\s*(\d{1,6})(?:\.\d+)?\s*(?:px)?\s*", re.IGNORECASE)
# What text cannot show: letters that differ, colours, lists, tables, pictures.
_MORE = re.compile(
    r"<(?:b|big|code|del|em|h[1-6]|i|img|ins|kbd|mark|ol|pre|s|strike|strong|sub|sup|table|tt|u|ul)\b"
    rf"|\b(?:color|background-color|bgcolor|font-weight|font-style)\b\s*[:=]|class=\"{ELSEWHERE}\"",
    re.IGNORECASE,
)
_QUOTE = re.compile(r"<(/?)blockquote\b[^>]*>")
# Below these some programs put the whole mail that they answer, and mark it in no other way.
_BELOW = re.compile(
    r"<\w+ [^>]*?(?:id=\"(?:x_)*(?:divRplyFwdMsg|appendonsend|yahoo_quoted)|class=\"[^\"]*yahoo_quoted"
    r"|border-top: ?solid #(?:E1E1E1|B5C4DF))",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class DataPicture:
    """A picture that stood in the HTML itself, and the content id by which it stands there now."""

    content_id: str
    payload: bytes


class _TooMuch(Exception):
    """More than a person writes: it would cost more to draw than it tells."""


def lift_pictures(html: str) -> tuple[str, tuple[DataPicture, ...]]:
    """The HTML with references in place of the pictures that stand in it as data, and those pictures, each once.

    >>> lift_pictures('<img src="data:image/gif;base64,R0lGODlh">')[1]
    (DataPicture(content_id='cfd30eec1b2f5d4f@mail', payload=b'GIF89a'),)
    """
    if len(html) > PICTURES_CHARS_MAX:
        return html, ()
    found: dict[str, DataPicture] = {}

    def lift(match: re.Match[str]) -> str:
        try:
            payload = base64.b64decode(unquote_to_bytes(match["data"]), validate=False)
        except (binascii.Error, ValueError):
            payload = b""
        content_id = f"{hashlib.sha256(payload).hexdigest()[:16]}@mail"
        if payload:
            found.setdefault(content_id, DataPicture(content_id, payload))
        return f"{match['before']}cid:{content_id}"

    return _DATA.sub(lift, html), tuple(found.values())


def clean_html(html: str) -> str:
    """The HTML of a mail as it may be stored and shown; empty where there is none, or far too much (D31).

    Pictures are references to files of the mail (``cid:``); of one from elsewhere its alternative text is left,
    in a ``span`` of the class ``ELSEWHERE``. Links lead out by http, https and mailto only.

    >>> clean_html("<p onclick=x>Hello<script>alert(1)</script> <b>you</b></p>")
    '<p>Hello <b>you</b></p>'
    """
    html, _pictures = lift_pictures(html)
    if not html.strip() or len(html) > HTML_CHARS_MAX:
        return ""
    try:
        written = _write(html)
    except (_TooMuch, etree.LxmlError, ValueError, AssertionError):
        return ""
    cleaned = nh3_clean(written, tags=TAGS).strip()
    return cleaned if len(cleaned) <= 2 * HTML_CHARS_MAX else ""


def says_more(html: str) -> bool:
    """True where cleaned HTML shows what its text cannot: tables, letters that differ, colours, pictures (D31)."""
    return bool(_MORE.search(html))


def references(html: str) -> tuple[str, ...]:
    """The content ids of the pictures that cleaned HTML shows in place, in their order."""
    return tuple(dict.fromkeys(unquote_cid(found) for found in re.findall(r'<img\b[^>]*?\bsrc="cid:([^"]+)"', html)))


def own_part(html: str) -> str:
    """Cleaned HTML without what it quotes: for which pictures its writer meant, not for reading (D31).

    >>> own_part('<p>See<img src="cid:a"></p><blockquote><img src="cid:b"></blockquote><p>there</p>')
    '<p>See<img src="cid:a"></p><p>there</p>'
    """
    below = _BELOW.search(html)
    kept, depth, at = [], 0, 0
    for tag in _QUOTE.finditer(html, 0, below.start() if below else len(html)):
        if not depth:
            kept.append(html[at : tag.start()])
        depth = max(0, depth - 1) if tag[1] else depth + 1
        at = tag.end()
    return "".join(kept) + (html[at : below.start() if below else len(html)] if not depth else "")


def unquote_cid(written: str) -> str:
    """The content id that an address names, as the header of the part has it."""
    return unquote_to_bytes(written.replace("&amp;", "&")).decode("utf-8", "replace").strip("<> ")


def nh3_clean(html: str, *, tags: frozenset[str], source: Callable[[str], str | None] | None = None) -> str:
    """The last word on what goes into a page. ``source`` says where a picture is loaded from, instead of its cid."""

    def kept(tag: str, name: str, value: str) -> str | None:
        if tag == "img" and name == "src":
            return value if source is None else source(value)
        return value

    names = {"style": None, **_ATTRIBUTES["*"]}
    allowed = {tag: set(found) for tag, found in _ATTRIBUTES.items()}
    allowed["*"] = set(names)
    allowed["a"], allowed["img"] = {"href"}, {*_ATTRIBUTES["img"], "src"}
    return nh3.clean(
        html,
        tags=set(tags),
        clean_content_tags=set(_SILENT),
        attributes=allowed,
        attribute_filter=kept,
        url_schemes={"http", "https", "mailto", "cid"},
        link_rel="noopener noreferrer nofollow",
        set_tag_attribute_values={"a": {"target": "_blank"}},
        filter_style_properties=set(STYLES),
        strip_comments=True,
    )


def _write(html: str) -> str:
    parser = etree.HTMLParser(target=_Writer(), huge_tree=True)
    # An empty document is an error to the parser, and so is a null character.
    parser.feed("<html>")
    parser.feed(html.replace("\0", ""))
    return str(parser.close())


class _Writer:
    """Writes what is allowed anew, well formed, and counts while it does; the parser's events are balanced."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.open: list[str] = []  # what each open element was written as; nothing where it was left out
        self.silent = 0
        self.depth = 0
        self.elements = 0
        self.reopened = 0
        self.most_reopened = 0
        self.escapes = 0

    def start(self, tag: str, attrs: Mapping[str, str]) -> None:
        if self.silent or tag in _SILENT:
            self.silent += 1
            self.open.append("")
            return
        written = tag if tag in TAGS else ""
        self.open.append(written)
        if not written:
            return
        self.elements += 1
        self.depth += 1
        self.reopened += tag in _REOPENED
        self.most_reopened = max(self.most_reopened, self.reopened)
        if self.elements > ELEMENTS_MAX or self.depth > DEPTH_MAX:
            raise _TooMuch
        self.out.append(_picture(attrs) if tag == "img" else _tag(tag, attrs))

    def end(self, tag: str) -> None:
        if not self.open:
            return
        written = self.open.pop()
        if self.silent:
            self.silent -= 1
        elif written:
            self.depth -= 1
            self.reopened -= written in _REOPENED
            if written not in VOID:
                self.out.append(f"</{written}>")

    def data(self, data: str) -> None:
        if self.silent:
            return
        self.escapes += sum(map(data.count, "<>&"))
        if self.escapes > ESCAPES_MAX:
            raise _TooMuch
        self.out.append(escape(data, quote=False))

    def comment(self, data: str) -> None:
        """Nothing of a comment is kept."""

    def close(self) -> str:
        """What was written; the parser asks for it at the end."""
        if self.elements * (self.most_reopened + 1) > REOPENED_MAX:
            raise _TooMuch
        return "".join(self.out)


def _tag(tag: str, attrs: Mapping[str, str]) -> str:
    kept = _attributes(tag, attrs)
    link = (attrs.get("href") or "").strip() if tag == "a" else ""
    if _LINK.fullmatch(link):
        kept["href"] = link
    return _written(tag, kept)


def _picture(attrs: Mapping[str, str]) -> str:
    """A picture of the mail itself; of any other what is said instead of it, and nothing where it shows nothing."""
    kept = _attributes("img", attrs)
    reference = _CID.fullmatch((attrs.get("src") or "").strip())
    if reference:
        return _written("img", {**kept, "src": f"cid:{reference[1]}"})
    if any((found := _PIXELS.fullmatch(attrs.get(side) or "")) and int(found[1]) <= TRACKER_PIXELS for side in _BOTH):
        return ""
    return f'<span class="{ELSEWHERE}">{escape(kept.get("alt", "").strip())}</span>'


_BOTH = ("width", "height")


def _attributes(tag: str, attrs: Mapping[str, str]) -> dict[str, str]:
    known = _ATTRIBUTES["*"] | _ATTRIBUTES.get(tag, {})
    kept = {
        name: value
        for name, value in attrs.items()
        if name in known and value is not None and known[name].fullmatch(value)
    }
    style = _style(attrs.get("style") or "")
    return {**kept, "style": style} if style else kept


def _style(given: str) -> str:
    """The declarations that only change how the words look."""
    kept = []
    for declaration in given[:5_000].split(";"):
        name, _colon, value = declaration.partition(":")
        name, value = name.strip().lower(), " ".join(value.split())
        if name in STYLES and _STYLE_VALUE.fullmatch(value):
            kept.append(f"{name}: {value}")
    return "; ".join(kept)


def _written(tag: str, attrs: Mapping[str, str]) -> str:
    return f"<{tag}{''.join(_attribute(name, value) for name, value in attrs.items())}>"


def _attribute(name: str, value: str) -> str:
    return f' {name}="{escape(value)}"'

"""What staff write: Markdown, made into HTML that neither runs nor loads anything, and into a mail's text. Pure.

A picture is one of the message's own files, named by the beginning of its digest: ``![name](file:3f2a90c1d2e4b5a6)``.
So a copy of a message, whose files are rows of their own, shows it as the original does (D14). A picture from
anywhere else becomes a link: nothing remote is ever loaded (D31).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from html import escape, unescape

import nh3
from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.rules_core import StateCore
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict

# Where a picture is shown from, by its reference; None where the message has none of that name.
Picture = Callable[[str], str | None]

REFERENCE_CHARS = 16
_SCHEME = "file:"
_ALLOWED_LINK = re.compile(r"(?:https?://|mailto:|tel:|file:[0-9a-f]{8,64}\Z)", re.IGNORECASE)
# What a person pastes as an address: to the next space, without the marks that end a sentence.
_BARE_LINK = re.compile(r"https?://[^\s<>\"]{1,2000}", re.IGNORECASE)
_ENDINGS = ".,:;!?'*_~"
_SHOWN = re.compile(r'<img src="file:([0-9a-f]{8,64})" alt="([^"]*)">')
_WRITTEN = re.compile(r"!\[([^\[\]\n]{0,500})\]\(file:[0-9a-f]{8,64}\)")
_TAGS = (
    {"p", "br", "strong", "em", "s", "code", "pre", "blockquote", "ul", "ol", "li", "h2", "h3", "h4", "h5", "h6", "hr"}
    | {"a", "img"}
    | {"table", "thead", "tbody", "tr", "th", "td"}
)
_ATTRIBUTES = {"a": {"href", "title"}, "img": {"src", "alt"}, "ol": {"start"}}
_SCHEMES = {"http", "https", "mailto", "tel", "file"}


def reference(digest: str) -> str:
    """What a picture is named by in a text.

    >>> reference("3f2a90c1d2e4b5a6" + "0" * 48)
    '3f2a90c1d2e4b5a6'
    """
    return digest[:REFERENCE_CHARS]


def references(text: str) -> frozenset[str]:
    """All pictures that a text shows, by their references."""
    return frozenset(found.group(1) for found in _SHOWN.finditer(_html(text)))


def to_html(text: str, picture: Picture) -> str:
    """The text as HTML, in time that grows with its length alone.

    >>> to_html("Look **here**: ![a](file:00000000)", lambda reference: f"/p/{reference}")
    '<p>Look <strong>here</strong>: <img src="/p/00000000" alt="a"></p>\\n'
    """

    def shown(found: re.Match[str]) -> str:
        address = picture(found.group(1))
        if address is None:
            return f"<em>{found.group(2)}</em>"
        return f'<img src="{escape(address)}" alt="{found.group(2)}">'

    return _SHOWN.sub(shown, _html(text))


def to_article(text: str, *, top: int) -> str:
    """A text without files whose lines run on, as an issue of the tips is; its highest headings are of level ``top``.

    >>> to_article("# Backups <script>", top=2)
    '<h2>Backups &lt;script&gt;</h2>\\n'
    """
    return _SHOWN.sub(lambda found: f"<em>{found.group(2)}</em>", _html(text, top=top, breaks=False))


def to_text(text: str) -> str:
    """The text as a mail's plain part has it: as it was written, with pictures by their names.

    >>> to_text("See ![shot.png](file:3f2a90c1d2e4b5a6).")
    'See [shot.png].'
    """
    return _WRITTEN.sub(lambda found: f"[{found.group(1).strip()}]" if found.group(1).strip() else "", text)


# A long conversation is shown again and again; what was written does not change.
@lru_cache(maxsize=2_000)
def _html(text: str, *, top: int = 3, breaks: bool = True) -> str:
    """The text as clean HTML in which pictures still stand by their references."""
    return nh3.clean(
        (_KEEPS_BREAKS if breaks else _RUNS_ON).render(text, {"top": top}),
        tags=_TAGS,
        attributes=_ATTRIBUTES,
        url_schemes=_SCHEMES,
        link_rel="noopener noreferrer",
    )


def _valid(url: str) -> bool:
    return bool(_ALLOWED_LINK.match(url))


def _image(renderer: RendererHTML, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
    """A picture of the message itself; of anything else a link to it."""
    token = tokens[index]
    source = str(token.attrs.get("src", ""))
    words = renderer.renderInlineAsText(token.children or [], options, env)
    if source.startswith(_SCHEME):
        return f'<img src="{escape(source)}" alt="{escape(words)}">'
    return f'<a href="{escape(source)}">{escape(words or unescape(source))}</a>'


def _lower_headings(state: StateCore) -> None:
    """A heading stands below those of the page or mail around it; a link to a file of ours leads nowhere."""
    for token in state.tokens:
        if token.type in ("heading_open", "heading_close"):
            level = int(token.tag[1]) + state.env["top"] - 1
            token.tag = f"h{min(level, 6)}"
        for child in token.children or ():
            if child.type == "link_open" and str(child.attrs.get("href", "")).startswith(_SCHEME):
                child.attrs = {}


def _link_addresses(state: StateCore) -> None:
    """Makes links of addresses that stand in the text by themselves."""
    for block in state.tokens:
        if block.type != "inline" or "://" not in block.content:
            continue
        made: list[Token] = []
        inside = 0
        for token in block.children or ():
            inside += {"link_open": 1, "link_close": -1}.get(token.type, 0)
            if token.type == "text" and not inside:
                made.extend(_linked(token.content))
            else:
                made.append(token)
        block.children = made


def _linked(text: str) -> list[Token]:
    tokens: list[Token] = []
    end = 0
    for found in _BARE_LINK.finditer(text):
        address = _without_ending(found.group())
        if not address.partition("://")[2]:
            continue
        tokens.append(_text(text[end : found.start()]))
        tokens.append(Token("link_open", "a", 1, attrs={"href": _RUNS_ON.normalizeLink(address)}))
        tokens.append(_text(address))
        tokens.append(Token("link_close", "a", -1))
        end = found.start() + len(address)
    return [*tokens, _text(text[end:])]


def _without_ending(address: str) -> str:
    """Without the marks behind it, and without a bracket that was opened before it."""
    address = address.rstrip(_ENDINGS)
    while address.endswith(")") and address.count(")") > address.count("("):
        address = address[:-1].rstrip(_ENDINGS)
    return address


def _text(content: str) -> Token:
    return Token("text", "", 0, content=content)


def _made(*, breaks: bool) -> MarkdownIt:
    made = MarkdownIt("commonmark", {"html": False, "breaks": breaks}).enable(["table", "strikethrough"])
    # One address that is named thousands of times would make a thousand times as much HTML.
    made.disable(["html_block", "html_inline", "reference"])
    made.validateLink = _valid  # type: ignore[method-assign]  # the library's own way to say which links are allowed
    made.core.ruler.push("lower_headings", _lower_headings)
    made.core.ruler.push("link_addresses", _link_addresses)
    made.add_render_rule("image", _image)
    return made


_KEEPS_BREAKS, _RUNS_ON = _made(breaks=True), _made(breaks=False)

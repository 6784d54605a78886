"""An issue's Markdown as HTML, for the mail and for the page of the sample. Nothing in it runs or is loaded (D31)."""

from __future__ import annotations

from typing import Final

import nh3
from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt

DEEPEST: Final = 6
_TAGS: Final = {
    *("p", "br", "hr", "h2", "h3", "h4", "h5", "h6", "ul", "ol", "li"),
    *("a", "strong", "em", "code", "pre", "blockquote"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
# Tables as in an answer: who writes both expects the same of both.
_markdown = MarkdownIt("commonmark", {"html": False}).enable("table")


def to_html(text: str, *, top: int = 2) -> SafeString:
    """``text`` as HTML whose highest headings are of level ``top``, for the title stands above them.

    >>> str(to_html("# Backups <script>"))
    '<h2>Backups &lt;script&gt;</h2>\\n'
    >>> "<td>406</td>" in to_html("| phone | contacts |\\n|---|---|\\n| iOS | 406 |")
    True
    """
    tokens = _markdown.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(int(token.tag[1]) + top - 1, DEEPEST)}"
    made = _markdown.renderer.render(tokens, _markdown.options, {})
    clean = nh3.clean(made, tags=_TAGS, attributes={"a": {"href"}}, url_schemes={"http", "https", "mailto"})
    return mark_safe(clean)  # noqa: S308 what nh3 lets through

"""HTML as plain text, in work and size that grow with its length alone (D29). Pure.

Nothing is laid out: a library that draws tables and paddings turns a mail of fifty kilobytes into a
gigabyte of spaces, before anybody has looked at it.
"""

from __future__ import annotations

from collections.abc import Mapping

from lxml import etree

_BLOCKS = frozenset(
    [
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "center",
            "dd",
            "div",
            "dl",
            "dt",
            "fieldset",
            "figure",
            "footer",
        ),
        *("footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre"),
        *("section", "table", "tbody", "tfoot", "thead", "tr", "ul"),
    ]
)
# Two line ends before and after: what people see as a paragraph.
_PARAGRAPHS = frozenset(["blockquote", "h1", "h2", "h3", "h4", "h5", "h6", "ol", "p", "pre", "table", "ul"])
_SILENT = frozenset(["head", "noscript", "script", "style", "template", "title"])


class _Words:
    """Collects words and line ends; a line of a quotation begins with ``> ``, however deep it is."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.line: list[str] = []
        self.quoted = 0
        self.silent = 0
        self.kept = 0

    def start(self, tag: str, attrs: Mapping[str, str]) -> None:
        if tag in _SILENT:
            self.silent += 1
        elif tag == "br":
            self.end_line()
        elif tag in _BLOCKS:
            self.break_before(tag)
            self.quoted += tag == "blockquote"
            self.kept += tag == "pre"
            if tag == "li":
                self.line.append("* ")
        elif tag in ("td", "th"):
            self.line.append(" ")

    def end(self, tag: str) -> None:
        if tag in _SILENT:
            self.silent = max(0, self.silent - 1)
        elif tag in _BLOCKS:
            self.break_before(tag)
            self.quoted = max(0, self.quoted - (tag == "blockquote"))
            self.kept = max(0, self.kept - (tag == "pre"))

    def data(self, data: str) -> None:
        if self.silent:
            return
        if self.kept:
            first, *rest = data.split("\n")
            self.line.append(first)
            for line in rest:
                self.end_line()
                self.line.append(line)
        else:
            self.line.append(data)

    def close(self) -> str:
        """What was collected; the parser asks for it at the end."""
        self.break_before("")
        while self.lines and self.lines[-1] in ("", "> "):
            self.lines.pop()
        return "\n".join(self.lines).lstrip("\n")

    def break_before(self, tag: str) -> None:
        if any(piece.strip() for piece in self.line):
            self.end_line()
        else:
            self.line.clear()
        if tag in _PARAGRAPHS and self.lines and self.lines[-1]:
            self.lines.append("")

    def end_line(self) -> None:
        joined = "".join(self.line)
        words = joined.rstrip() if self.kept else " ".join(joined.split())
        self.lines.append(f"> {words}" if self.quoted else words)
        self.line.clear()


def text_of_html(html: str) -> str:
    r"""The words of ``html``, a line a block, an empty line between paragraphs, quotations behind ``> ``.

    >>> text_of_html("<p>Hello <b>you</b></p><blockquote>On Monday:<br>no</blockquote>")
    'Hello you\n\n> On Monday:\n> no'
    """
    parser = etree.HTMLParser(target=_Words(), huge_tree=True)
    # An empty document is an error to the parser, and so is a null character.
    parser.feed("<html>")
    parser.feed(html.replace("\0", ""))
    return str(parser.close())

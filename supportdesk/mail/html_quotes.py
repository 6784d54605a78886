"""The quoted and signed parts of a mail's HTML put into ``<details>``: folded, never cut (D31). Pure.

The words are read line by line, as a browser breaks them, and told apart by the scanner for plain text
(``quotes``), so that both say the same. What mail programs mark by class or id counts besides. Each element is
looked at a fixed number of times, whatever it is nested in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from html import escape as html_escape
from typing import Literal, TypeAlias

import lxml.html
from lxml import etree

from supportdesk.mail.quote_words import (
    HTML_BLOCKQUOTES,
    HTML_BORDERS,
    HTML_QUOTES,
    HTML_QUOTES_BELOW,
    HTML_SIGNATURES,
)
from supportdesk.mail.quotes import Kind, line_kinds

# What is longer, or made of more tags, is shown as it is: a page must not wait for it.
FOLDED_HTML_CHARS_MAX = 1_000_000
FOLDED_TAGS_MAX = 30_000

_Part = Kind | Literal["", "mixed"]
_Piece: TypeAlias = "str | etree._Element"
_BLOCKS = frozenset(
    [
        *(
            "address",
            "article",
            "aside",
            "blockquote",
            "body",
            "center",
            "dd",
            "details",
            "div",
            "dl",
            "dt",
            "fieldset",
        ),
        *("figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main"),
        *("nav", "ol", "p", "pre", "section", "summary", "table", "tbody", "tfoot", "thead", "tr", "ul"),
    ]
)
_FRAMES = frozenset(["table", "tbody", "thead", "tfoot", "tr", "ul", "ol", "dl"])  # <details> stands in what they hold
_SILENT = frozenset(["head", "noscript", "script", "style", "template", "title"])
_PICTURE = "\ufffc"
_RULE = "_" * 32
_SPACES = re.compile(r"[ \t\r\n\f]+")
_TAG = re.compile(r"<[A-Za-z]")


@dataclass(slots=True)
class _Lines:
    """The lines of a document, and which of them the text before and after each tag lies in."""

    texts: list[list[str]] = field(default_factory=lambda: [[]])
    depths: list[int] = field(default_factory=lambda: [0])
    marked: list[Kind | None] = field(default_factory=lambda: [None])
    first: dict[etree._Element, tuple[int, int]] = field(default_factory=dict)
    after: dict[etree._Element, tuple[int, int]] = field(default_factory=dict)
    depth: int = 0
    quoted: int = 0
    signed: int = 0
    below: bool = False

    def add(self, text: str | None, *, kept: bool) -> tuple[int, int]:
        """Puts a stretch of text on the line, or lines, where it stands."""
        begun = len(self.texts) - 1
        if text:
            first, *rest = text.split("\n") if kept else [_SPACES.sub(" ", text)]
            self._put(first)
            for line in rest:
                self.end_line()
                self._put(line)
        return begun, len(self.texts) - 1

    def _put(self, words: str) -> None:
        if words.strip():
            if not self.texts[-1]:
                self.depths[-1] = self.depth
                if self.below or self.quoted:
                    self.marked[-1] = "quoted"
                elif self.signed:
                    self.marked[-1] = "signature"
            self.texts[-1].append(words)
        elif self.texts[-1]:
            self.texts[-1].append(" ")

    def end_line(self) -> None:
        self.texts.append([])
        self.depths.append(self.depth)
        self.marked.append(None)

    def break_line(self) -> None:
        if self.texts[-1]:
            self.end_line()

    def kinds(self) -> list[Kind]:
        """What each line is: as its program marked it, or else as its words tell."""
        words = ["".join(line).strip() for line in self.texts]
        lines = [f"{'> ' * depth}{line}" if depth else line for line, depth in zip(words, self.depths, strict=True)]
        told = line_kinds(lines, answers="quoted" in self.marked)
        return [mark or kind for mark, kind in zip(self.marked, told, strict=True)]


def fold_html(html: str, *, quoted_word: str, signature_word: str) -> str:
    """``html`` with what is quoted, and what is a signature, each in ``<details>`` of that class (D31).

    The summaries say ``quoted_word`` and ``signature_word``. Where nothing is to be folded, or nothing else is
    left, it comes back as it was. The sanitiser may run before or after: what it keeps of class, id and style
    helps, and is not needed.

    >>> fold_html("<p>Yes.</p><blockquote type=cite>Is it?</blockquote>", quoted_word="Quoted", signature_word="Sig")
    '<p>Yes.</p><details class="quoted"><summary>Quoted</summary><blockquote type="cite">Is it?</blockquote></details>'
    """
    root = _tree(html)
    if root is None:
        return html
    around = root[0]
    lines = _read(root)
    kinds = lines.kinds()
    said = any(kind == "said" and words for kind, words in zip(kinds, lines.texts, strict=True))
    if not said or all(kind == "said" for kind in kinds):
        return html
    _Folder(lines=lines, kinds=kinds, words={"quoted": quoted_word, "signature": signature_word}).fold(root)
    return "".join(_written(root, around))


def _tree(html: str) -> etree._Element | None:
    """The body of ``html``, or None where there is no tag in it, or where the parser would leave something out."""
    if len(html) > FOLDED_HTML_CHARS_MAX or html.count("<") > FOLDED_TAGS_MAX or not _TAG.search(html):
        return None
    parser = lxml.html.HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True)
    source = html.replace("\0", "").encode("utf-8", "replace")
    try:
        # The element around it keeps the parser from making paragraphs of words that stand alone.
        document = lxml.html.document_fromstring(b"<html><body><div>" + source + b"</div></body></html>", parser=parser)
    except (etree.LxmlError, ValueError):
        return None
    if any(error.level_name == "FATAL" for error in parser.error_log):
        return None
    body: etree._Element | None = document.find("body")
    return body


def _read(root: etree._Element) -> _Lines:
    lines = _Lines()
    kept = silent = 0
    for event, element in etree.iterwalk(root, events=("start", "end")):
        tag = str(element.tag)
        step = 1 if event == "start" else -1
        if tag in _BLOCKS:
            lines.break_line()
        mark = _marked(element, tag)
        kept += step * (tag == "pre")
        silent += step * (tag in _SILENT)
        lines.depth += step * (tag == "blockquote")
        lines.quoted += step * (mark == "quoted")
        lines.signed += step * (mark == "signature")
        if event == "start":
            lines.below = lines.below or mark == "below"
            if tag == "br":
                lines.end_line()
            text = "" if silent else _standing_for(element, tag) + (element.text or "")
            lines.first[element] = lines.add(text, kept=bool(kept))
        elif element is not root:
            lines.after[element] = lines.add("" if silent else element.tail, kept=bool(kept))
    return lines


def _standing_for(element: etree._Element, tag: str) -> str:
    """What the scanner reads in the place of a picture or a rule."""
    if tag == "hr":
        return _RULE
    # A picture of one point is there to count who reads.
    return _PICTURE if tag == "img" and element.get("width") not in ("0", "1") else ""


def _marked(element: etree._Element, tag: str) -> Literal["", "quoted", "signature", "below"]:
    """What a mail program says of the element by its class, id, name or style."""
    if tag == "blockquote" and (element.get("type") or "").lower() == "cite":
        return "quoted"
    style = element.get("style") or ""
    if tag == "div" and "border-top" in style and any(border in style.lower() for border in HTML_BORDERS):
        return "below"
    names = (element.get("class") or "")[:400].split() + [element.get(key) or "" for key in ("id", "name")]
    for name in names:
        # Outlook puts "x_" before the names in what it quotes.
        plain = name.lower().removeprefix("x_")
        if plain in HTML_QUOTES_BELOW:
            return "below"
        if plain in HTML_QUOTES or (tag == "blockquote" and plain in HTML_BLOCKQUOTES):
            return "quoted"
        if plain in HTML_SIGNATURES:
            return "signature"
    return ""


@dataclass(slots=True, kw_only=True)
class _Folder:
    """Wraps what is quoted or signed, as high up in the tree as nothing else stands in it."""

    lines: _Lines
    kinds: list[Kind]
    words: dict[str, str]
    parts: dict[etree._Element, _Part] = field(default_factory=dict)

    def fold(self, root: etree._Element) -> None:
        self._tell_parts(root)
        waiting = [root]
        while waiting:
            element = waiting.pop()
            tag = str(element.tag)
            children = list(element)
            if tag in _FRAMES:
                # Between rows and entries no <details> may stand: it goes into each of them.
                waiting.extend(child for child in children if self.parts[child] not in ("", "said"))
                continue
            if tag == "p":
                element.tag = "div"  # a paragraph ends where <details> begins
            waiting.extend(child for child in children if self.parts[child] == "mixed")
            self._wrap(element, children)

    def _tell_parts(self, root: etree._Element) -> None:
        """What each element holds: one kind, nothing at all, or several."""
        within: list[set[_Part]] = [set()]
        for event, element in etree.iterwalk(root, events=("start", "end")):
            if event == "start":
                within.append(
                    {self._of_lines(self.lines.first[element], _PICTURE if _holds(element) else element.text)}
                )
                continue
            held = within.pop() - {""}
            part: _Part = "mixed" if len(held) > 1 else next(iter(held), "")
            self.parts[element] = part
            within[-1].add(part)
            if element is not root:
                within[-1].add(self._of_lines(self.lines.after[element], element.tail))

    def _of_lines(self, span: tuple[int, int], text: str | None) -> _Part:
        if not text or not text.strip():
            return ""
        held = {self.kinds[at] for at in range(span[0], span[1] + 1) if self.lines.texts[at]}
        return "mixed" if len(held) > 1 else next(iter(held), "")

    def _wrap(self, element: etree._Element, children: list[etree._Element]) -> None:
        """Puts each run of children and words of one kind into ``<details>``; blank ones go with what is above."""
        pieces: list[tuple[_Part, _Piece]] = list(self._words(element.text, self.lines.first[element]))
        for child in children:
            pieces.append((self.parts[child], child))
            tail, child.tail = child.tail, None
            element.remove(child)
            pieces.extend(self._words(tail, self.lines.after[child]))
        element.text = None
        held: list[_Piece] = []
        for kind, run in self._runs(pieces):
            if kind:
                details = element.makeelement("details", {"class": kind})
                summary = etree.SubElement(details, "summary")
                summary.text = self.words[kind]
                _fill(details, run, last=summary)
                held.append(details)
            else:
                held.extend(run)
        _fill(element, held, last=None)

    def _runs(self, pieces: list[tuple[_Part, _Piece]]) -> Iterator[tuple[str, list[_Piece]]]:
        """Neighbours of one kind together; what is blank stays with what is above it, but not at the end of a fold."""
        open_kind = ""
        run: list[_Piece] = []
        blank: list[_Piece] = []
        for part, piece in pieces:
            if not part:
                blank.append(piece)
                continue
            kind = part if part in self.words else ""
            if kind != open_kind:
                if not open_kind:
                    run, blank = run + blank, []
                yield open_kind, run
                open_kind, run = kind, []
            run += [*blank, piece]
            blank = []
        yield open_kind, run + blank

    def _words(self, text: str | None, span: tuple[int, int]) -> Iterator[tuple[_Part, str]]:
        """The stretch of text, cut between its lines where they are of several kinds."""
        if not text:
            return
        part = self._of_lines(span, text)
        if part != "mixed":
            yield part, text
            return
        for at, line in enumerate(_kept_lines(text), span[0]):
            yield (self.kinds[at] if line.strip() else ""), line


def _holds(element: etree._Element) -> bool:
    return element.tag in ("img", "hr")


def _kept_lines(text: str) -> list[str]:
    *lines, last = text.split("\n")
    return [f"{line}\n" for line in lines] + [last]


def _fill(parent: etree._Element, pieces: list[_Piece], *, last: etree._Element | None) -> None:
    """Puts the pieces into ``parent`` below its child ``last``; words are joined once, whatever their number."""
    words: list[str] = []
    for piece in [*pieces, None]:
        if isinstance(piece, str):
            words.append(piece)
            continue
        if words and last is None:
            parent.text = "".join(words)
        elif words and last is not None:
            last.tail = "".join(words)
        words = []
        if piece is not None:
            parent.append(piece)
            last = piece


def _written(root: etree._Element, around: etree._Element) -> Iterator[str]:
    """The document without the element that was put around it, unless that was folded as a whole."""
    yield html_escape(root.text or "", quote=False)
    for element in root:
        if element is not around:
            yield etree.tostring(element, encoding="unicode", method="html")
            continue
        yield html_escape(element.text or "", quote=False)
        for inner in element:
            yield etree.tostring(inner, encoding="unicode", method="html")
        yield html_escape(element.tail or "", quote=False)

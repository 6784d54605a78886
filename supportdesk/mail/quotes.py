"""What of a mail's text was said, quoted or signed: folded, never cut (D31). Pure.

One pass over the lines, each looked at a fixed number of times: reply parsers that match whole texts
hang on a few KB of "On ". A wrong fold is worse than a missed one, for a log that nobody sees helps nobody.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from supportdesk.mail.quote_lines import Lines, above_reply_line, attribution, begins_mail, is_arrowed, is_reply_line
from supportdesk.mail.quote_signatures import signature_in

Kind = Literal["said", "quoted", "signature"]

FOLDED_CHARS_MAX = 1_000_000  # what lies beyond is folded as a whole: nobody reads that far


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text. The pieces of a text, joined, are the text."""

    kind: Kind
    text: str


def fold(text: str, *, answers: bool = False) -> tuple[Piece, ...]:
    """The pieces of ``text``; answers between quoted lines stay in sight, and nothing is lost (D31).

    Lines behind ">" count as quoted below an attribution; where there is none, only in a text that ``answers``:
    else people write them by hand. Where nothing but a quote is left, the answer stands in it somehow: then all
    of it counts as said.

    >>> [piece.kind for piece in fold("Yes.\\n\\nOn Monday Tess wrote:\\n> Does it?\\n")]
    ['said', 'quoted']
    """
    pieces = _pieces(text, unproved="quoted" if answers else "said")
    if any(piece.kind == "said" and piece.text.strip() for piece in pieces) or not text:
        return pieces
    return (Piece("said", text),)


def unquoted(text: str) -> str:
    """What the sender wrote themselves, as far as lines tell: in which a ticket number may count (D26).

    Lines behind ">" never count here, for they may be anybody's.
    """
    return "".join(piece.text for piece in _pieces(text, unproved="quoted", strict=True) if piece.kind == "said")


def line_kinds(lines: list[str], *, answers: bool = False) -> list[Kind]:
    """The kind of each line of a text, for those who show it in another form."""
    return _kinds(Lines.of(lines), unproved="quoted" if answers else "said")


def _pieces(text: str, *, unproved: Kind, strict: bool = False) -> tuple[Piece, ...]:
    lines = text[:FOLDED_CHARS_MAX].splitlines(keepends=True)
    kinds = _kinds(Lines.of(lines), unproved=unproved, strict=strict)
    marked = groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0])
    pieces = [Piece(kind, "".join(line for _kind, line in group)) for kind, group in marked]
    if len(text) > FOLDED_CHARS_MAX:
        pieces.append(Piece("quoted", text[FOLDED_CHARS_MAX:]))
    return tuple(pieces)


def _kinds(lines: Lines, *, unproved: Kind, strict: bool = False) -> list[Kind]:
    """The kind of each line; ``unproved`` is what ">" makes of lines where no attribution tells of a mail."""
    kinds, early, proved = _quoted(lines)
    if early and not strict and (proved or unproved == "said"):
        for at in early:
            kinds[at] = "said"
    _sign(lines, kinds)
    _close_gaps(lines, kinds)
    return kinds


def _quoted(lines: Lines) -> tuple[list[Kind], list[int], bool]:
    """What is quoted, which lines of it stand above any sign of an old mail, and whether there is such a sign.

    Quotes by ">" end where it ends; below a mark of Outlook's kind all is quoted.
    """
    kinds: list[Kind] = []
    early: list[int] = []
    proved = False
    while len(kinds) < len(lines):
        at = len(kinds)
        if is_arrowed(lines, at) and not lines.marked(lines.following[at]):
            proved = True
            kinds.extend(["quoted"] * (len(lines) - at))
        elif lines.marked(at):
            fresh = at == 0 or not lines.marked(at - 1)
            if not proved and (is_reply_line(lines, at) or (fresh and _attributed(lines, at))):
                proved = True
            if not proved:
                early.append(at)
            kinds.append("quoted")
        elif lines.blank(at):
            within = bool(kinds) and kinds[-1] == "quoted" and lines.marked(lines.following[at])
            if within and not proved:
                early.append(at)
            kinds.append("quoted" if within else "said")
        elif is_reply_line(lines, at):
            above = above_reply_line(lines, at)
            kinds[above:] = ["quoted"] * (len(lines) - above)
            proved = True
        elif found := attribution(lines, at):
            end, weight = found
            below = lines.following[end]
            if lines.marked(below):
                proved = True
                kinds.extend(["quoted"] * (below - at))
            elif weight == "sure":
                proved = True
                kinds.extend(["quoted"] * (len(lines) - at))
            else:
                kinds.append("said")
        elif begins_mail(lines, at):
            proved = True
            below = lines.following[at]
            kinds.extend(["quoted"] * ((below if lines.marked(below) else len(lines)) - at))
        else:
            kinds.append("said")
    return kinds, early, proved


def _attributed(lines: Lines, at: int) -> bool:
    """True where a quote begins with its attribution behind ">", as phones write it, or with an old header."""
    return attribution(lines, at) is not None or begins_mail(lines, at)


def _sign(lines: Lines, kinds: list[Kind]) -> None:
    """Marks the signature at the end of each stretch that was said."""
    begin = 0
    for kind, group in groupby(list(kinds)):
        end = begin + sum(1 for _ in group)
        if kind == "said":
            signed = signature_in(lines, begin, end)
            kinds[signed:end] = ["signature"] * (end - signed)
        begin = end


def _close_gaps(lines: Lines, kinds: list[Kind]) -> None:
    """Blank lines below what is folded belong to it, unless something that was said follows."""
    for at in range(1, len(kinds)):
        if kinds[at] == "said" and kinds[at - 1] != "said" and lines.blank(at):
            below = lines.following[at]
            kinds[at] = "said" if below < len(lines) and kinds[below] == "said" else kinds[at - 1]

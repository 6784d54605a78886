"""What of a mail's text was said, quoted or signed: folded, never cut (D31). Pure.

One pass over the lines, each looked at a fixed number of times: reply parsers that match whole texts
hang on a few KB of "On ".
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from typing import Literal

Kind = Literal["said", "quoted", "signature"]

FOLDED_CHARS_MAX = 1_000_000  # what lies beyond is folded as a whole: nobody reads that far
LINE_LOOKED_AT = 400  # characters of a line that can be an attribution, a header or a mark
ATTRIBUTION_LINES = 3  # mail programs wrap "On …, … wrote:" at most that often
HEADER_LINES = 6
SIGNATURE_MARK = "-- "
SIGNATURE_LINES = 10  # of one begun by "--" alone; people also draw lines that way

_OPENINGS = ("on ", "am ", "le ", "el ", "op ", "il ", "em ", "den ", "w dniu ", "dnia ")
_VERBS = ("wrote", "schrieb", "a écrit", "escribió", "schreef", "ha scritto", "escreveu", "skrev", "napisał")
_MARKS = (
    "original message",
    "ursprüngliche nachricht",
    "forwarded message",
    "weitergeleitete nachricht",
    "message d'origine",
    "message transféré",
    "mensaje original",
    "messaggio originale",
    "oorspronkelijk bericht",
)
_FROM = ("from:", "von:", "de:", "da:", "van:", "fra:", "från:")
_HEADERS = (
    *("sent:", "date:", "to:", "cc:", "subject:", "gesendet:", "datum:", "an:", "betreff:", "envoyé:", "envoyé :"),
    *("à:", "à :", "objet:", "objet :", "enviado:", "fecha:", "para:", "asunto:"),
    *(
        "inviato:",
        "data:",
        "a:",
        "oggetto:",
        "verzonden:",
        "aan:",
        "onderwerp:",
        "sendt:",
        "til:",
        "emne:",
        "skickat:",
        "till:",
        "ämne:",
    ),
)
_DEVICES = ("sent from my ", "get outlook for ", "von meinem ", "gesendet mit ", "envoyé de mon ", "enviado desde mi ")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a text. The pieces of a text, joined, are the text."""

    kind: Kind
    text: str


def fold(text: str) -> tuple[Piece, ...]:
    """The pieces of ``text``; answers between quoted lines stay in sight, and nothing is lost (D31).

    Where nothing but a quote is left, the answer stands in it somehow: then all of it counts as said.

    >>> [piece.kind for piece in fold("Yes.\\n\\nOn Monday Tess wrote:\\n> Does it?\\n")]
    ['said', 'quoted']
    """
    pieces = _pieces(text)
    if any(piece.kind == "said" and piece.text.strip() for piece in pieces) or not text:
        return pieces
    return (Piece("said", text),)


def unquoted(text: str) -> str:
    """What the sender wrote themselves, as far as lines tell: in which a ticket number may count (D26)."""
    return "".join(piece.text for piece in _pieces(text) if piece.kind == "said")


def line_kinds(lines: list[str], *, answers: bool = False) -> list[Kind]:
    """The kind of each line."""
    return _kinds([_looked_at(line) for line in lines])


def _pieces(text: str) -> tuple[Piece, ...]:
    lines = text[:FOLDED_CHARS_MAX].splitlines(keepends=True)
    kinds = _kinds([_looked_at(line) for line in lines])
    marked = groupby(zip(kinds, lines, strict=True), key=lambda pair: pair[0])
    pieces = [Piece(kind, "".join(line for _kind, line in group)) for kind, group in marked]
    if len(text) > FOLDED_CHARS_MAX:
        pieces.append(Piece("quoted", text[FOLDED_CHARS_MAX:]))
    return tuple(pieces)


def _looked_at(line: str) -> str:
    """The beginning of a line without the spaces around it; those of a signature's mark are its sign."""
    return SIGNATURE_MARK if line.rstrip("\r\n") == SIGNATURE_MARK else line[:LINE_LOOKED_AT].strip()


def _kinds(lines: list[str]) -> list[Kind]:
    """The kind of each line. Quotes by ">" end where it ends; below a mark of Outlook's kind all is quoted."""
    kinds: list[Kind] = []
    following = _next_filled(lines)
    signature_left = 0
    while len(kinds) < len(lines):
        at = len(kinds)
        line = lines[at]
        if line.startswith(">"):
            signature_left = 0
            kinds.append("quoted")
        elif not line and _between_quotes(lines, kinds, following[at]):
            kinds.append("quoted")
        elif _rest_is_quoted(lines, at, following):
            kinds.extend(["quoted"] * (len(lines) - at))
        elif length := _attribution(lines, at, following):
            signature_left = 0
            kinds.extend(["quoted"] * length)
        elif signature_left:
            signature_left -= 1
            kinds.append("signature")
        elif length := _signature(lines, at):
            signature_left = length - 1
            kinds.append("signature")
        else:
            kinds.append("said")
    return kinds


def _next_filled(lines: list[str]) -> list[int]:
    """For each line the index of the first one below it that is not blank (or the number of lines)."""
    following = [len(lines)] * len(lines)
    for at in range(len(lines) - 2, -1, -1):
        following[at] = at + 1 if lines[at + 1] else following[at + 1]
    return following


def _between_quotes(lines: list[str], kinds: list[Kind], below: int) -> bool:
    """True for a blank line inside a quote: quoted above, and quoted where the text goes on."""
    return bool(kinds) and kinds[-1] == "quoted" and below < len(lines) and lines[below].startswith(">")


def _attribution(lines: list[str], at: int, following: list[int]) -> int:
    """How many lines an "On …, … wrote:" takes up from here, with blank lines down to its quote; 0 for none."""
    end = _attribution_end(lines, at)
    if end is None:
        return 0
    below = following[end]
    return below - at if below < len(lines) and lines[below].startswith(">") else 0


def _attribution_end(lines: list[str], at: int) -> int | None:
    """The last line of an attribution that begins here: with a known word, or with who wrote."""
    if not lines[at].lower().startswith(_OPENINGS) and "@" not in lines[at]:
        return None
    for end in range(at, min(at + ATTRIBUTION_LINES, len(lines))):
        if not lines[end]:
            return None
        if lines[end].endswith(":"):
            said = " ".join(lines[at : end + 1]).lower()
            return end if any(f" {verb}" in said for verb in _VERBS) else None
    return None


def _rest_is_quoted(lines: list[str], at: int, following: list[int]) -> bool:
    """True where a mail program put the old mail below without marking its lines."""
    line = lines[at]
    if line.startswith("-----") and line.endswith("-----"):
        return line.strip("- ").lower() in _MARKS
    if line.startswith("_____") and not line.strip("_"):
        return following[at] < len(lines) and _header_block(lines, following[at])
    if _header_block(lines, at):
        return True
    end = _attribution_end(lines, at)
    if end is None:
        return False
    said = " ".join(lines[at : end + 1])
    below = following[end]
    marked = below < len(lines) and lines[below].startswith(">")
    # "On Monday the installer wrote:" may introduce a log: only with an address in it is it a mail's.
    return not marked and "@" in said


def _header_block(lines: list[str], at: int) -> bool:
    """True for "From: …" with at least two more header lines right below it, as Outlook writes them."""
    if not _plain(lines[at]).startswith(_FROM):
        return False
    below = [_plain(line) for line in lines[at + 1 : at + HEADER_LINES]]
    return sum(line.startswith(_HEADERS) for line in below) >= 2


def _plain(line: str) -> str:
    return line.lstrip("*_ ").replace(":*", ":").lower()


def _signature(lines: list[str], at: int) -> int:
    """How many lines a signature that begins here may have; 0 where none does."""
    if lines[at] == SIGNATURE_MARK:
        return len(lines)
    if lines[at] == "--":
        left = lines[at : at + SIGNATURE_LINES + 1]
        short = len(left) <= SIGNATURE_LINES or any(line.startswith(">") for line in left)
        return len(lines) if short else 0
    return 1 if lines[at].lower().startswith(_DEVICES) else 0

"""What a line of a mail begins: an attribution, the header of an old mail, a mark above one (D31). Pure.

Each question looks at a fixed number of lines, and at the beginning of each only.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from supportdesk.mail.quote_words import (
    FORWARDS,
    LABELS,
    MARKS,
    NO_PEOPLE,
    OPENINGS,
    RAW_LABELS,
    REPLY_LINES,
    TELLING,
    VERBLESS,
    VERBS,
    VERBS_WITHIN,
    WEEKDAYS,
)

LINE_LOOKED_AT = 400  # characters of a line that can be an attribution, a header or a mark
ATTRIBUTION_LINES = 4  # mail programs wrap "On …, … wrote:" at most that often
ATTRIBUTION_CHARS = 100  # of one that is known by its verb alone
HEADER_LINES = 10
ABOVE_LINES = 8  # of what stands above a line that tells to answer above it

Weight = Literal["sure", "marked"]  # of an attribution: a mail's whatever is below, or only where ">" is below it

_UNSEEN = dict.fromkeys(map(ord, "\u200b\u200c\u200d\u200e\u200f\u202a\u202b\u202c\u2060\u2066\u2067\u2069\ufeff\xad"))
_LOOKS = _UNSEEN | dict.fromkeys(map(ord, "\xa0\u2007\u2009\u202f\u3000\t"), " ") | {ord("："): ":"}


def _words(words: tuple[str, ...]) -> str:
    return "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True))


_OPENING = re.compile(rf"(?:(?:{_words(OPENINGS)})(?:\s|(?<=[在於于])))")
_DATE_FIRST = re.compile(rf"[(\"„\[*]?(?:\d{{1,4}}[ .,/年-]|(?:{_words(WEEKDAYS)})\w{{0,10}}[.,]? )")
_VERB = re.compile(rf"(?<!\w)(?:{_words(VERBS)})(?!\w)|{_words(VERBS_WITHIN)}")
_YEAR = re.compile(r"(?<!\d)(?:19|20)\d\d(?!\d)|(?<!\d)\d{1,2}[./-]\d{1,2}[./-]\d{2,4}(?!\d)|年|년")
_TIME = re.compile(r"(?<!\d)\d{1,2}[:.h]\d\d(?!\d)")
_ADDRESS = re.compile(r"[<(\[]\s*(?:mailto:)?[^\s<>()\[\]@]{1,200}@[^\s<>()\[\]]{1,200}\s*[>)\]]")
_NOBODY = re.compile(rf"(?<!\w)(?:{_words(NO_PEOPLE)})(?!\w)")
_TELLING = re.compile(rf"(?<!\w)(?:{_words(TELLING)})(?!\w)")
_DASHES = "-_=*–— "
_NOTES = re.compile(r".{1,80}-{3,5} ?\d{1,4}[./-]\d{1,2}[./-]\d{1,4}.{0,20}-{3}")
_LABEL_CHARS = 25


@dataclass(slots=True)
class Lines:
    """The beginnings of a text's lines: without ">", each space a plain one, no space around."""

    raw: list[str]
    words: list[str]
    low: list[str]
    depths: list[int]
    following: list[int]  # the next line that is not blank (or the number of lines)

    @classmethod
    def of(cls, lines: list[str]) -> Lines:
        """The lines of a text, with or without their ends."""
        raw = [line[:LINE_LOOKED_AT].translate(_LOOKS).rstrip("\r\n") for line in lines]
        # An attribution ends its line: what goes on has none.
        words, depths = [], []
        for at, line in enumerate(raw):
            bare = line.strip()
            depth = 0
            if bare.startswith(">"):
                unmarked = bare.lstrip("> ")
                depth, bare = bare[: len(bare) - len(unmarked)].count(">"), unmarked
            words.append(f"{bare}…" if len(lines[at]) > LINE_LOOKED_AT + 2 else bare)
            depths.append(depth)
        following = [len(raw)] * len(raw)
        for at in range(len(raw) - 2, -1, -1):
            following[at] = at + 1 if words[at + 1] or depths[at + 1] else following[at + 1]
        return cls(raw=raw, words=words, low=[line.lower() for line in words], depths=depths, following=following)

    def __len__(self) -> int:
        return len(self.raw)

    def marked(self, at: int) -> bool:
        """True for a line behind ">"."""
        return at < len(self.depths) and self.depths[at] > 0

    def blank(self, at: int) -> bool:
        """True for a line with nothing in it, no ">" either."""
        return not self.words[at] and not self.depths[at]


def is_reply_line(lines: Lines, at: int) -> bool:
    """True for "Please answer above this line.", as it stands at the top of our mails."""
    line = lines.low[at]
    return 5 < len(line) < 100 and line.strip("-_=*#~|<>.。! ") in REPLY_LINES


def attribution(lines: Lines, at: int) -> tuple[int, Weight] | None:
    """The last line of an "On …, … wrote:" that begins here, and how surely it is one."""
    first = lines.low[at]
    opening = bool(_OPENING.match(first))
    dated = bool(_DATE_FIRST.match(first))
    if not (opening or dated or "@" in first or first.endswith((":", "<", ","))):
        return None
    head, gap, _text = first.partition(":   ")
    if gap and opening and _weight(f"{head}:", lone=True, opening=True, dated=dated) == "sure":
        return at, "sure"  # Yahoo's app goes on in the same line
    for end in range(at, min(at + ATTRIBUTION_LINES, len(lines))):
        if not lines.words[end] or lines.depths[end] != lines.depths[at]:
            return None
        if lines.words[end].endswith(":"):
            if end > at and _begins_later(lines, at, end):
                return None
            said = " ".join(lines.low[at : end + 1])
            weight = _weight(said, lone=end == at, opening=opening, dated=dated)
            return (end, weight) if weight else None
    return None


def _begins_later(lines: Lines, at: int, end: int) -> bool:
    """True where this line is a sentence of somebody's own, and the attribution begins below it."""
    first = lines.low[at]
    if "@" in first or _VERB.search(first):
        return False
    if not any(letter.isdigit() for letter in first) and first.endswith((".", "!", "?", "…", ")", ":")):
        return True
    return any(
        _OPENING.match(line) and any(letter.isdigit() for letter in line) for line in lines.low[at + 1 : end + 1]
    )


def _weight(said: str, *, lone: bool, opening: bool, dated: bool) -> Weight | None:
    verb = _VERB.search(said)
    address = _ADDRESS.search(said)
    date = _YEAR.search(said)
    clock = _TIME.search(said)
    if address and verb and (date or not _NOBODY.search(said)):
        return "marked" if _TELLING.search(said) else "sure"
    if address and date and clock and any(word in said for word in VERBLESS):
        return "sure"
    if address and date:
        return "marked"
    if verb and date and (opening or dated or clock):
        return "marked"
    short = len(said) <= ATTRIBUTION_CHARS and not _NOBODY.search(said)
    if verb and short and (opening or dated or address or "@" in said or (lone and said.endswith(f"{verb[0]}:"))):
        return "marked"
    return None


def is_arrowed(lines: Lines, at: int) -> bool:
    """True for ">>> Tess <address> date >>>", below which GroupWise puts the old mail as it was."""
    words = lines.words[at]
    return lines.depths[at] >= 3 and words.endswith(">>>") and bool(_YEAR.search(words))


def begins_mail(lines: Lines, at: int) -> bool:
    """True where a program put another mail below without marking its lines."""
    line = lines.low[at]
    below = lines.following[at]
    if line[:2] in ("--", "__", "==", "—-", "——", "––", "**") and _mark(lines, at):
        return True
    if line.endswith(":") and line.rstrip(": ") in FORWARDS:
        return below < len(lines) and (lines.marked(below) or _label(lines.words[below]) != "")
    if line.startswith("_____") and not line.strip("_"):
        return below < len(lines) and is_header(lines, below)
    if "---" in line and _NOTES.match(line):
        return below < len(lines) and _label(lines.words[below]) == "from"
    return is_header(lines, at)


def _mark(lines: Lines, at: int) -> bool:
    """True for "-----Original Message-----", and for "---- On … wrote ----" on one line or wrapped."""
    inner = lines.low[at].strip(_DASHES)
    if inner.rstrip(":") in MARKS:
        return True
    if not inner:
        return False
    for end in range(at, min(at + 3, len(lines))):
        line = lines.low[end]
        if not line:
            return False
        if line.endswith("--") and (end > at or line.startswith("--")):
            said = " ".join(lines.low[at : end + 1])
            return bool(_VERB.search(said)) and bool(_ADDRESS.search(said) or _YEAR.search(said) or end == at)
    return False


def is_header(lines: Lines, at: int) -> bool:
    """True for "From: …" with a date and a subject below it, as Outlook writes them above an old mail.

    Not for the source of a mail, for settings in lower case or indented, for a journey from here to there.
    """
    if _label(lines.words[at]) not in ("from", "date") or _is_source(lines, at):
        return False
    roles: set[str] = set()
    addressed = False
    last = at
    for below in range(at, min(at + HEADER_LINES, len(lines))):
        words = lines.words[below]
        if lines.depths[below] != lines.depths[at]:
            break
        if not words:
            if below > last + 1 or "subject" in roles:
                break
            continue
        if words[:_LABEL_CHARS].lower().partition(":")[0] in RAW_LABELS:
            return False
        role = _label(words)
        # Long lists of recipients go on in lines without a label.
        if not role and "@" not in words and ";" not in words:
            if below > last + 1 or roles >= {"from", "date", "subject"}:
                break
            continue
        last = below
        if role:
            roles.add(role)
        addressed = addressed or "@" in words
    return roles >= {"from", "date"} and ("subject" in roles or (addressed and "to" in roles))


def _is_source(lines: Lines, at: int) -> bool:
    raw, words = lines.raw[at], lines.words[at].lstrip("*_ ")
    if not lines.depths[at] and raw.startswith(("  ", "\t")):
        return True
    if words[:1].islower():
        return True
    above = lines.low[at - 1] if at else ""
    return above.partition(":")[0] in RAW_LABELS


def _label(words: str) -> str:
    """What a header line tells, by its label; an empty text where it has none."""
    label, colon, _value = words.lstrip("*_ ")[: _LABEL_CHARS + 3].partition(":")
    return LABELS.get(label.rstrip("*_ ").lower(), "") if colon else ""


def above_reply_line(lines: Lines, at: int) -> int:
    """Where the attribution or header begins that stands right above a quote, in whatever language; ``at`` for none."""
    end = at - 1
    while end >= 0 and at - end <= 3 and lines.blank(end):
        end -= 1
    begin = end
    while begin > 0 and end - begin < ABOVE_LINES and not lines.blank(begin - 1) and not lines.depths[begin - 1]:
        begin -= 1
    if end < 0 or begin < 0 or lines.blank(end) or lines.depths[end]:
        return at
    block = lines.low[begin : end + 1]
    if block[0].startswith("____"):
        begin, block = begin + 1, block[1:]
    labelled = [line for line in block if ":" in line[: _LABEL_CHARS + 5].strip(":")]
    whole = " ".join(block)
    if len(labelled) >= 3 and len(labelled) == len(block) and _ADDRESS.search(whole):
        return begin - 1 if begin and lines.low[begin - 1].startswith("____") else begin
    for first in range(max(begin, end - 2), end + 1):
        said = " ".join(lines.low[first : end + 1])
        if said.endswith(":") and _ADDRESS.search(said) and _YEAR.search(said) and _TIME.search(said):
            later = next((line for line in range(end, first, -1) if _YEAR.search(lines.low[line])), first)
            return first if _YEAR.search(lines.low[first]) or _ADDRESS.search(lines.low[first]) else later
    return at

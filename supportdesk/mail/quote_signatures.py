"""Where the signature of a stretch of a mail begins (D31). Pure.

A mark counts only where what is below it can be a signature: people draw lines with "--", and so do programs.
"""

from __future__ import annotations

import re

from supportdesk.mail.quote_lines import Lines
from supportdesk.mail.signature_words import CONFIDENTIAL, DEVICES, DISCLAIMERS, FOOTERS

SIGNATURE_LINES = 10  # below "--"; people also draw lines that way
MARKED_LINES = 40  # below "-- ", with what firms put there
DEVICE_CHARS = 90
DEVICE_WORDS = 6  # "Sent from my " and at most that many
DISCLAIMER_LINES = 30  # of a paragraph
DISCLAIMER_CHARS = 2_000

_DEVICES_BY_BEGINNING = tuple(begins for begins, _ends in DEVICES)
_RULE = re.compile(r"[-_=*~#]{3,}")
# What stands in code, logs, scripts and postscripts, and in nobody's signature.
_TECHNICAL = re.compile(
    r"\d\d:\d\d:\d\d|[{}\\$`]|;$|::|\(\)|^\d+[:)]|^[A-Za-z]\S*-\d+-|^--|^(?:at|in) \S+\(|^[<>+] |^@@"
    r"|^[Pp][.]? ?[Ss][.]?[: ]|^\w+ ?= ?"
)


def signature_in(lines: Lines, begin: int, end: int) -> int:
    """The first line of the signature at the end of the stretch ``begin`` to ``end``; ``end`` where there is none."""
    last = _above_footers(lines, begin, end)
    mark = _marked(lines, begin, last)
    return _above_footers(lines, begin, mark) if mark < last else last


def _marked(lines: Lines, begin: int, end: int) -> int:
    """The line "-- " or "--" with a signature below it, or ``end``."""
    found = end
    filled = 0
    technical = False
    weak = 0
    for at in range(end - 1, begin - 1, -1):
        words = lines.words[at]
        # "-- " lost its space on the way, or never had one: it is less sure then.
        if words == "--" and lines.raw[at] == words:
            weak += 1
            if filled <= SIGNATURE_LINES and not technical and not _drawn(lines, at, begin):
                found = at
        elif lines.raw[at] == "-- " and filled <= MARKED_LINES and not technical and not _drawn(lines, at, begin):
            found = at
        elif words:
            filled += 1
            technical = technical or bool(_TECHNICAL.search(words))
    if weak > 1 and found < end and lines.words[found] == lines.raw[found]:
        return end
    return found


def _drawn(lines: Lines, at: int, begin: int) -> bool:
    """True for a mark among comments, or with nothing below it."""
    above = lines.words[at - 1] if at > begin else ""
    below = lines.words[at + 1] if at + 1 < len(lines) else ""
    return above.startswith(("--", "<", "+", "@@")) or above.endswith(";") or below.startswith("--")


def _above_footers(lines: Lines, begin: int, end: int) -> int:
    """Where the lines about devices, secrets and trees begin, that stand at the end of the stretch."""
    found = end
    last = end
    while last > begin:
        if not lines.words[last - 1]:
            last -= 1
            continue
        if _is_device(lines.low[last - 1]):
            last -= 1
            found = last
            continue
        top = last - 1
        while top > begin and lines.words[top - 1] and last - top < DISCLAIMER_LINES:
            top -= 1
        # Rules often frame it.
        text_top = next((at for at in range(top, last) if not _RULE.fullmatch(lines.words[at])), last)
        if text_top == last or not _is_footer(lines.low[text_top:last]):
            break
        found = last = top
    return found


def _is_device(line: str) -> bool:
    if len(line) > DEVICE_CHARS or not line.lstrip("*_-[(<").startswith(_DEVICES_BY_BEGINNING):
        return False
    bare = line.strip("*_-[](). ")
    link = bare.find("<http")
    bare = bare[:link] if link > 0 else bare
    return any(
        bare.startswith(begins.strip())
        and bare.endswith(ends.strip())
        and len(bare[len(begins) : len(bare) - len(ends)].split()) <= DEVICE_WORDS
        for begins, ends in DEVICES
    )


def _is_footer(paragraph: list[str]) -> bool:
    first = paragraph[0].lstrip('*_[("„«- ')
    if first.startswith(FOOTERS):
        return True
    return first.startswith(DISCLAIMERS) and any(
        word in " ".join(paragraph)[:DISCLAIMER_CHARS] for word in CONFIDENTIAL
    )

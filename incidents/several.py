"""Whether a report reads like several problems: each is an incident of its own (R9). Pure.

One pass over the lines, each looked at up to a fixed length. It only ever asks, so it rather misses than nags:
steps, symptoms and logs come as lists, too, and a list counts only where its items themselves read like problems.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

LINE_LOOKED_AT = 400  # characters of a line, or of an item with what follows it
PROBLEMS_MAX = 10  # longer lists are logs or inventories
ITEM_WORDS_MIN = 3

_NUMBERED = re.compile(r"\s{0,8}\(?(?:#\s?)?(\d{1,2}|[a-h])[.):]\)?\s+(?=\S)")
_BULLET = re.compile(r"\s{0,8}[-*•–—·]\s+(?=\S)")
_INLINE = re.compile(r"(?<![\w.,:-])\(?(\d)[.)]\s+(?=[^\W\d_])")
_CLOCK = re.compile(r"\d\d:\d\d:\d\d")

_WRONG: Final = re.compile(
    r"\?|\b(?:not|never|no longer|cannot|can.?t|don.?t|doesn.?t|won.?t|isn.?t|aren.?t|didn.?t|fail(?:s|ed|ing|ure)?"
    r"|errors?|crash(?:es|ed|ing)?|stop(?:s|ped)?|hangs?|hung|freez(?:es|e|ing)|froze|slow(?:er|ly)?|wrong(?:ly)?"
    r"|missing|lost|loses?|broken?|breaks|refus(?:es|ed)|reject(?:s|ed)|disappear(?:s|ed)?|vanish(?:es|ed)?|gone|blank"
    r"|duplicate[sd]?|twice|garbled|unreadable|late|how (?:do|can|to)|problem|issue|bug"
    r"|nicht|kein(?:e|en|er)?|nie|fehlt|fehlen|fehler|falsch(?:e|er|en)?|langsam|stürzt|hängt|bricht|verschwind\w{1,4}"
    r"|verschwunden|doppelt|leer|wie (?:kann|können|geht)|kaputt|scheitert"
    r"|ne (?:marche|fonctionne)|erreur|no funciona)\b",
    re.IGNORECASE,
)
_STEP: Final = re.compile(
    r"(?:(?:i|we|you|users?|ich|wir|man|then|now|next|dann|and|first|finally)\s+){0,2}"
    r"(?:(?:open|click|double-click|right-click|go|goto|select|press|enter|type|wait|log|sign|start|restart|run|reboot"
    r"|install|create|choose|pick|add|edit|save|send|set|stop|close|delete|move|import|export|try|repeat|reload|visit"
    r"|navigate|observe|notice|see|look|check)(?:s|ed|d|ned)?\s+"
    r"(?:the|a|an|any|one|on|to|in|into|up|out|off|at|as|it|its|your|our|that|this|with|until|for|and|some|how|here)\b"
    r"|(?:öffne[nt]?|klicke?n?|starte[nt]?|wähle[nt]?|gehe?n?|drücke[nt]?|melde[nt]?|warte[nt]?)\b)",
    re.IGNORECASE,
)
# What stands before a list that is about one problem.
_ONE: Final = re.compile(
    r"\b(?:steps?|reproduc\w{0,7}|follow(?:ing|ed) (?:way|order)|how to get there|tried|attempts?|did|done|do this"
    r"|order|symptoms?|logs?|log ?file|output|messages?|environment|set-?up|versions?|details?|observ\w{1,8}|causes?"
    r"|because|result(?:s|ed|ing)?|consequence\w?|schritte?n?|nachstell\w{0,4}|reproduzier\w{0,4}|versucht|symptome?"
    r"|protokoll|ausgabe|umgebung"
    r"|this (?:problem|issue|bug)|the (?:problem|issue|bug) (?:is|shows|appears)|expected|actual)\b",
    re.IGNORECASE,
)
_MANY: Final = re.compile(
    r"\b(?:problems|issues|questions|bugs|errors|things|topics|points|faults|troubles|probleme|fragen|fehler|punkte"
    r"|themen|dinge|problèmes|problemas)\b",
    re.IGNORECASE,
)
# Words that name a further problem, at the beginning of a sentence.
_BEGIN = r"(?:^|(?<=[.!?;:\n])|(?<=[.!?;:\n] )|(?<=[.!?;:\n]  ))"
_THING = r"(?:problem|issue|question|bug|error|topic|fault|thing|matter)"
_FURTHER: Final = re.compile(
    _BEGIN
    + r"(?:(?:and|also|but|then|now|oh|finally|by the way|in addition|besides|und|ausserdem|außerdem|dann),?\s){0,3}"
    + r"(?:(?:we (?:also )?have |there is |there.s |here is |i (?:also )?have |es gibt |wir haben |ich habe |noch )?"
    + r"(?:(?:another|(?:a|the|our|my) (?:second|third|further|different|separate|new)"
    + r"|an (?:unrelated|other|additional)"
    + r"|one more|a completely different|second|third) "
    + _THING
    + r"|(?:noch ein|ein (?:weiteres|anderes|zweites)|eine (?:weitere|andere|zweite)|noch eine|(?:das )?zweites?) "
    + r"(?:problem|frage|fehler|thema|sache))"
    + r"|(?:problem|issue|question|bug|frage|fehler) (?:no\. ?|nr\. ?|#)?[2-9](?=[:.) -])"
    + r"|(?:on another (?:note|topic)|(?:completely |totally )?unrelated(?: to (?:this|that))?(?=,)))\b",
    re.IGNORECASE | re.MULTILINE,
)
# Words that count: of problems, or of what was tried. The sentence tells.
_SECONDLY: Final = re.compile(_BEGIN + r"(?:secondly|thirdly|zweitens|drittens|deuxièmement)\b", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!?\n]")
_DONE = re.compile(r"\b(?:we|i|wir|ich|haben wir|habe ich)\b", re.IGNORECASE)


@dataclass(slots=True)
class _List:
    """A list in a text: what stands before it, and its items."""

    before: str
    numbered: bool
    items: list[str] = field(default_factory=list)


def problems_in(text: str) -> int:
    """How many problems ``text`` reads like; 1 unless there is a clear word for more (R9).

    >>> problems_in("1. Search stops at 71 %.\\n2. The calendar lost its colours.")
    2
    >>> problems_in("Steps: 1. Open the calendar. 2. Click on a day. 3. It stops with an error.")
    1
    """
    return max([1, _further(text), *(_problems(found) for found in _lists(text))])


def _problems(found: _List) -> int:
    """How many problems a list is of; 1 where it is of steps, symptoms, or what else comes in lists."""
    if not 2 <= len(found.items) <= PROBLEMS_MAX or _ONE.search(found.before):
        return 1
    if any(_STEP.match(item) or _CLOCK.search(item) or len(item.split()) < ITEM_WORDS_MIN for item in found.items):
        return 1
    wrong = sum(1 for item in found.items if _WRONG.search(item))
    if _MANY.search(found.before):
        return len(found.items) if wrong >= 1 else 1
    # After a sentence of its own, dots are mostly what one sees of one problem.
    is_alone = found.numbered or len(found.before.split()) < ITEM_WORDS_MIN
    return len(found.items) if is_alone and wrong == len(found.items) else 1


def _further(text: str) -> int:
    """One, and one more for each sentence that names a further problem."""
    count = 1
    for line in _lines(text):
        count += len(_FURTHER.findall(line))
        for found in _SECONDLY.finditer(line):
            sentence = _SENTENCE_END.split(line[found.end() : found.end() + LINE_LOOKED_AT], maxsplit=1)[0]
            count += bool(_WRONG.search(sentence)) and not _DONE.search(sentence)
    return min(count, PROBLEMS_MAX)


def _lists(text: str) -> Iterator[_List]:
    """The lists of a text, those within a line as well."""
    current: _List | None = None
    before, was_blank = "", False
    for line in _lines(text):
        mark = _NUMBERED.match(line) or _BULLET.match(line)
        if mark is not None:
            inline = _inline(line, before)
            if inline is not None:
                yield inline
                continue
            numbered = mark.re is _NUMBERED
            if current is None or current.numbered is not numbered:
                if current is not None:
                    yield current
                current = _List(before, numbered)
            current.items.append(line[mark.end() :].strip())
        elif not line.strip():
            was_blank = True
            continue
        elif current is not None and not was_blank:
            current.items[-1] = f"{current.items[-1]} {line.strip()}"[:LINE_LOOKED_AT]
        else:
            if current is not None:
                yield current
            current, before = None, line.strip()
            inline = _inline(line, "")
            if inline is not None:
                yield inline
        was_blank = False
    if current is not None:
        yield current


def _inline(line: str, before: str) -> _List | None:
    """The list within a line: 1. …, 2. …"""
    marks = list(_INLINE.finditer(line))[: PROBLEMS_MAX + 1]
    if len(marks) < 2 or [int(mark[1]) for mark in marks] != list(range(1, len(marks) + 1)):
        return None
    ends = [mark.start() for mark in marks[1:]] + [len(line)]
    items = [line[mark.end() : end].strip() for mark, end in zip(marks, ends, strict=True)]
    return _List(line[: marks[0].start()].strip() or before, True, items)


def _lines(text: str) -> Iterator[str]:
    for line in text.split("\n"):
        yield line[:LINE_LOOKED_AT].rstrip("\r")

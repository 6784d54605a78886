"""Whether a case can be divided as it is asked for: what is wrong with each part, all at once (R9, D14). Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from supportdesk.policy import POLICY


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A subordinate problem that becomes an incident of its own, with what is copied there.

    The title is kept without odd white space, the ids in order and once each: two askings that mean the same are equal.
    """

    subject: str
    message_ids: tuple[int, ...] = ()
    file_ids: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "subject", one_line(self.subject))
        object.__setattr__(self, "message_ids", tuple(sorted(set(self.message_ids))))
        object.__setattr__(self, "file_ids", tuple(sorted(set(self.file_ids))))


class Flaw(StrEnum):
    """Why a case is not divided like that."""

    NO_PARTS = "no_parts"  # one problem cannot be divided (R9)
    TOO_MANY = "too_many"
    NO_TITLE = "no_title"
    LONG_TITLE = "long_title"
    SAME_TITLE = "same_title"
    NO_MESSAGE = "no_message"  # none that its customer can read
    NOT_ITS_MESSAGE = "not_its_message"
    NOT_ITS_FILE = "not_its_file"
    FILE_ALONE = "file_alone"  # without the message that it came with


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """A flaw of the part at ``position``: 0 is what stays, 1 the first that becomes an incident."""

    position: int
    flaw: Flaw


def one_line(subject: str) -> str:
    """A title as it is stored.

    >>> one_line("  Two\\n words ")
    'Two words'
    """
    return " ".join(subject.replace("\x00", "").split())


def flaws(
    *, kept_subject: str, parts: Sequence[Part], messages: Mapping[int, bool], files: Mapping[int, int]
) -> tuple[Problem, ...]:
    """All that is wrong; nothing where the case can be divided like that.

    ``messages`` are those that may be copied, and whether the customer reads each; ``files`` are theirs, each with its
    message.
    """
    found: list[Problem] = []
    if not parts:
        found.append(Problem(position=0, flaw=Flaw.NO_PARTS))
    if len(parts) > POLICY.split_parts_max:
        found.append(Problem(position=0, flaw=Flaw.TOO_MANY))
    titles: set[str] = set()
    for position, subject in enumerate([kept_subject, *(part.subject for part in parts)]):
        flaw = _flaw_of_title(subject, titles)
        if flaw is not None:
            found.append(Problem(position=position, flaw=flaw))
        titles.add(subject.casefold())
    for position, part in enumerate(parts, start=1):
        found += [Problem(position=position, flaw=flaw) for flaw in _flaws_of_choice(part, messages, files)]
    return tuple(found)


def _flaw_of_title(subject: str, titles: set[str]) -> Flaw | None:
    if not subject:
        return Flaw.NO_TITLE
    if len(subject) > POLICY.subject_max:
        return Flaw.LONG_TITLE
    return Flaw.SAME_TITLE if subject.casefold() in titles else None


def _flaws_of_choice(part: Part, messages: Mapping[int, bool], files: Mapping[int, int]) -> list[Flaw]:
    found = []
    if not messages.keys() >= set(part.message_ids):
        found.append(Flaw.NOT_ITS_MESSAGE)
    elif not any(messages[pk] for pk in part.message_ids):
        found.append(Flaw.NO_MESSAGE)
    if not files.keys() >= set(part.file_ids):
        found.append(Flaw.NOT_ITS_FILE)
    elif not {files[pk] for pk in part.file_ids} <= set(part.message_ids):
        found.append(Flaw.FILE_ALONE)
    return found

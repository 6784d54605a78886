"""Quarters of a year, and what may be done with an issue in which state (R15). Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


@dataclass(frozen=True, slots=True, order=True)
class Quarter:
    """A quarter of a calendar year; ``number`` is 1 to 4."""

    year: int
    number: int

    def __str__(self) -> str:
        return f"{self.year}/{self.number}"


def quarter_of(day: date) -> Quarter:
    """The quarter that a day falls into.

    >>> str(quarter_of(date(2026, 12, 31))), str(quarter_of(date(2027, 1, 1)))
    ('2026/4', '2027/1')
    """
    return Quarter(day.year, (day.month + 2) // 3)


class State(StrEnum):
    """Where an issue stands: what was begun is never begun again."""

    DRAFT = "draft"
    PUBLISHED = "published"  # may be read on the web, and was mailed to nobody
    SENDING = "sending"
    PAUSED = "paused"
    CANCELLED = "cancelled"
    SENT = "sent"


class Act(StrEnum):
    """What an admin does with an issue."""

    EDIT = "edit"
    TEST = "test"
    START = "start"
    PAUSE = "pause"
    GO_ON = "go_on"
    CANCEL = "cancel"
    SAMPLE = "sample"


_IN = {
    Act.EDIT: {State.DRAFT, State.PUBLISHED},
    Act.TEST: {State.DRAFT, State.PUBLISHED},
    Act.START: {State.DRAFT, State.PUBLISHED},
    Act.PAUSE: {State.SENDING},
    Act.GO_ON: {State.PAUSED},
    Act.CANCEL: {State.SENDING, State.PAUSED},
    Act.SAMPLE: set(State),
}


def allows(state: State, act: Act) -> bool:
    """Whether ``act`` may be done in ``state`` (R15).

    >>> allows(State.DRAFT, Act.START), allows(State.CANCELLED, Act.START)
    (True, False)
    """
    return state in _IN[act]

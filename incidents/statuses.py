"""The one table of statuses (D10): what may be done to an incident, asked by pages, API and mail. Pure."""

from __future__ import annotations

from enum import StrEnum
from typing import Final


class Status(StrEnum):
    """Where an incident stands."""

    NEW = "new"  # logged, nobody has responded
    OPEN = "open"  # being worked on
    WAITING = "waiting"  # for the customer
    CLOSED = "closed"
    DECLINED = "declined"


class Act(StrEnum):
    """What somebody may do to an incident."""

    TAKE = "take"
    ANSWER = "answer"
    NOTE = "note"
    CLOSE = "close"
    CUSTOMER_MESSAGE = "customer_message"
    REOPEN = "reopen"


UNFINISHED: Final = (Status.NEW, Status.OPEN, Status.WAITING)
FINISHED: Final = (Status.CLOSED, Status.DECLINED)

ALLOWED: Final[dict[Status, frozenset[Act]]] = {
    Status.NEW: frozenset({Act.TAKE, Act.ANSWER, Act.NOTE, Act.CLOSE, Act.CUSTOMER_MESSAGE}),
    Status.OPEN: frozenset({Act.TAKE, Act.ANSWER, Act.NOTE, Act.CLOSE, Act.CUSTOMER_MESSAGE}),
    Status.WAITING: frozenset({Act.TAKE, Act.ANSWER, Act.NOTE, Act.CLOSE, Act.CUSTOMER_MESSAGE}),
    # A customer's message is always kept; on a closed incident it asks to re-open (D16).
    Status.CLOSED: frozenset({Act.NOTE, Act.CUSTOMER_MESSAGE, Act.REOPEN}),
    Status.DECLINED: frozenset({Act.NOTE, Act.CUSTOMER_MESSAGE}),
}


def allows(status: str, act: Act) -> bool:
    """True where an incident of that status lets one do that (D10)."""
    return act in ALLOWED[Status(status)]


def after_customer_message(status: str) -> Status:
    """The status once the customer wrote: a waiting incident is open again, any other stays (D10).

    >>> after_customer_message("waiting")
    <Status.OPEN: 'open'>
    """
    return Status.OPEN if Status(status) is Status.WAITING else Status(status)


def after_answer(*, then: str) -> Status:
    """The status once we answered and said what comes ``then``: "open", "waiting" or "closed" (D10, D11)."""
    status = Status(then)
    if status not in (Status.OPEN, Status.WAITING, Status.CLOSED):
        raise ValueError(f"an answer leaves an incident open, waiting or closed, not {then!r}")
    return status

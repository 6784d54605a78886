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
    CALL = "call"  # log a call on it (D20)
    CLOSE = "close"
    CUSTOMER_MESSAGE = "customer_message"
    CUSTOMER_CLOSE = "customer_close"
    DECLINE = "decline"  # and never closed before (D15)
    SPLIT = "split"  # D14
    MERGE = "merge"  # it into another one (D35)
    MERGE_INTO = "merge_into"  # another one into it
    UNMERGE = "unmerge"  # D35
    REOPEN = "reopen"  # D16
    TAKE_BACK = "take_back"  # a mistaken closure or decline (D36)
    MARK_BUG = "mark_bug"  # D17
    DISPOSE = "dispose"  # of a feature request (D18)
    FOLLOW = "follow"  # D38


UNFINISHED: Final = (Status.NEW, Status.OPEN, Status.WAITING)
FINISHED: Final = (Status.CLOSED, Status.DECLINED)

_WORKED_ON: Final = frozenset(
    {
        Act.TAKE,
        Act.ANSWER,
        Act.NOTE,
        Act.CALL,
        Act.CLOSE,
        Act.CUSTOMER_MESSAGE,
        Act.CUSTOMER_CLOSE,
        Act.DECLINE,
        Act.SPLIT,
        Act.MERGE,
        Act.MERGE_INTO,
        Act.MARK_BUG,
        Act.DISPOSE,
        Act.FOLLOW,
    }
)

ALLOWED: Final[dict[Status, frozenset[Act]]] = {
    Status.NEW: _WORKED_ON,
    Status.OPEN: _WORKED_ON,
    Status.WAITING: _WORKED_ON,
    # A customer's message is always kept; on a closed incident it asks to re-open (D16).
    Status.CLOSED: frozenset(
        {
            Act.NOTE,
            Act.CALL,
            Act.CUSTOMER_MESSAGE,
            Act.REOPEN,
            Act.TAKE_BACK,
            Act.MARK_BUG,
            Act.DISPOSE,
            Act.FOLLOW,
        }
    ),
    Status.DECLINED: frozenset({Act.NOTE, Act.CALL, Act.CUSTOMER_MESSAGE, Act.TAKE_BACK, Act.FOLLOW}),
}
# A merged incident is only a number that leads to another one (D35): what is written to it is written there.
ALLOWED_MERGED: Final = frozenset({Act.UNMERGE})


def allows(status: str, act: Act, *, merged: bool = False) -> bool:
    """True where an incident of that status, or a merged one, lets one do that (D10, D35)."""
    return act in (ALLOWED_MERGED if merged else ALLOWED[Status(status)])


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


def after_take_back(*, was: str, answered: bool, wrote_since: bool) -> Status:
    """The status once a mistaken end is taken back: the one before it, as far as that is still true (D10, D36).

    What was answered is not new any more, and what the customer wrote to meanwhile does not wait for them.

    >>> after_take_back(was="waiting", answered=True, wrote_since=False)
    <Status.WAITING: 'waiting'>
    >>> after_take_back(was="waiting", answered=True, wrote_since=True)
    <Status.OPEN: 'open'>
    """
    status = Status(was)
    if status is Status.NEW and answered:
        return Status.OPEN
    return after_customer_message(status) if wrote_since else status

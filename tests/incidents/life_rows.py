"""What the model of an incident's life remembers, and its own table of what each status allows (D10)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from tests.points.twin import TwinCharge

PRICE = {"email": 10, "phone": 30}
HOUR = timedelta(hours=1)
WORKED_ON = {"take", "answer", "note", "call", "close", "customer_message", "customer_close", "decline"}
WORKED_ON |= {"split", "merge", "merge_into", "mark_bug", "dispose", "follow"}
MAY = {
    "new": WORKED_ON,
    "open": WORKED_ON,
    "waiting": WORKED_ON,
    "closed": {"note", "call", "customer_message", "reopen", "take_back", "mark_bug", "dispose", "follow"},
    "declined": {"note", "call", "customer_message", "take_back", "follow"},
    "merged": {"unmerge"},
}
FINISHED = ("closed", "declined")
Words = list[tuple[datetime, int | None]]


@dataclass
class Clock:
    started: datetime
    due: datetime
    own: datetime
    ended: datetime | None = None
    answered: bool = False
    why: str = ""
    announced: bool = False
    warned: int = 0

    @property
    def outcome(self) -> str:
        """A fact of the timestamps (D13)."""
        if self.ended is None:
            return "running"
        return "breached" if self.ended > self.due else "met" if self.answered else self.why


@dataclass
class End:
    """An end that may be a mistake (D36), with what it interrupted."""

    at: datetime
    was: str
    first: bool
    words: Words
    back: int = 0
    history: bool = False
    since: Words = field(default_factory=list)


@dataclass
class Joined:
    """What a merge did, for the parting (D35)."""

    was: str
    first: bool
    words: Words
    points: int
    ended: bool


@dataclass
class Said:
    pk: int
    kind: str
    where: int
    home: int | None = None
    source: int | None = None


@dataclass
class Case:
    pk: int
    due: datetime
    state: str = "asked"
    choice: str = ""
    chosen: bool = False
    outcome: str = ""


@dataclass
class Plan:
    """A split or a parting that was proposed (D8, D14)."""

    pk: int
    life: int
    kind: str
    until: datetime
    by: int
    titles: list[str] = field(default_factory=list)
    chosen: list[list[int]] = field(default_factory=list)
    state: str = "waiting"
    told: bool = False


@dataclass
class Life:
    pk: int
    contact: int
    channel: str
    kind: str
    subject: str
    clocks: list[Clock]
    charges: list[TwinCharge]
    owner: int | None = None
    origin: tuple[int | None, str] = (None, "")
    status: str = "new"
    first: datetime | None = None
    closed: datetime | None = None
    asked: datetime | None = None
    waits: datetime | None = None
    reminded: datetime | None = None
    reason: str = ""
    disposition: str = ""
    merged: int | None = None
    merged_at: datetime | None = None
    joined: Joined | None = None
    end: End | None = None
    words: Words = field(default_factory=list)  # of the customer, which nobody has answered
    followers: set[int] = field(default_factory=set)
    brought: set[int] = field(default_factory=set)  # of the followers, those whom merges brought
    cases: dict[int, Case] = field(default_factory=dict)  # by number of the charge
    steps: list[str] = field(default_factory=list)

    @property
    def clock(self) -> Clock:
        return self.clocks[-1]

    @property
    def wrote(self) -> datetime | None:
        return min((at for at, _from in self.words), default=None)

    @property
    def case(self) -> Case | None:
        """The product failure of what is charged now."""
        return self.cases.get(len(self.charges))

    def may(self, act: str) -> bool:
        return act in MAY["merged" if self.merged else self.status]

"""How an incident ended last, whether that can still be taken back (D36), and what declining it gives back (D15)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from incidents.models import Incident, TimelineCode, TimelineEntry
from incidents.statuses import Act
from incidents.turning import Turn, turn_of
from incidents.windows import may_take_back, take_back_until
from points.giving_back import CreditPart, credit_preview, given_back

ENDS: Final = (
    TimelineCode.CLOSED,
    TimelineCode.CUSTOMER_CLOSED,
    TimelineCode.CLOSED_SILENCE,
    TimelineCode.DECLINED,
)
# After one of these an earlier end is history: nobody takes it back any more.
OVERTAKES: Final = (
    TimelineCode.REOPENED,
    TimelineCode.REOPEN_REFUSED,
    TimelineCode.TAKEN_BACK,
    TimelineCode.MERGED,
    TimelineCode.UNMERGED,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ending:
    """The step with which an incident ended, until when it is taken back, and whether something overtook it."""

    step: TimelineEntry
    until: datetime
    overtaken: bool

    @property
    def declined(self) -> bool:
        return self.step.code == TimelineCode.DECLINED

    @property
    def turn(self) -> Turn:
        """As what it was declined, and who helps instead (R11)."""
        return turn_of(self.step.data.get("reason", ""))

    @property
    def points_back(self) -> int:
        """What a decline gave back; nothing where a product failure had done so before (D4, D15)."""
        return int(self.step.data.get("back", 0))


def ending_of(incident: Incident) -> Ending | None:
    """The latest end of an incident that is closed or declined; None for any other. One query."""
    if not incident.is_finished:
        return None
    steps = incident.timeline.filter(code__in=(*ENDS, *OVERTAKES)).select_related("user", "contact").order_by("-pk")
    overtaken = False
    for step in steps:
        if step.code in ENDS:
            return Ending(step=step, until=take_back_until(ended_at=step.at), overtaken=overtaken)
        overtaken = True
    return None


def can_be_taken_back(incident: Incident, ending: Ending | None, *, at: datetime) -> bool:
    """Whether the end is one that a technician may take back at ``at`` (D36)."""
    if ending is None or ending.overtaken or not incident.allows(Act.TAKE_BACK):
        return False
    return may_take_back(ended_at=ending.step.at, at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declining:
    """What declining an incident gives back, lot by lot; nothing where a product failure did before (D3, D4, D15)."""

    points: int
    parts: tuple[CreditPart, ...]

    @property
    def held(self) -> int:
        """How many of the points would be on hold (D32)."""
        return sum(part.points for part in self.parts if part.held)


def declining(incident: Incident, *, at: datetime) -> Declining | None:
    """What declining it at ``at`` would give back; None where it is not declined any more (D15)."""
    if not incident.allows(Act.DECLINE) or incident.first_closed_at is not None:
        return None
    charge = incident.charges.select_related("charge").get(current=True).charge
    if given_back(charge_id=charge.pk) is not None:
        return Declining(points=0, parts=())
    return Declining(points=charge.points, parts=credit_preview(charge=charge, at=at))

"""Whole stories, for by chance alone few are told to their end."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from tests.incidents.life_rows import HOUR
from tests.incidents.machine.customer import CustomerVerbs
from tests.incidents.machine.desk import DeskVerbs
from tests.incidents.machine.dividing import Dividing
from tests.incidents.machine.playing import places, thens
from tests.incidents.machine.reporting import Reporting
from tests.incidents.machine.time import Time
from tests.points.ledger import DAY, TICK


class Stories(Reporting, DeskVerbs, CustomerVerbs, Dividing, Time):
    """Several verbs in a row."""

    @rule(place=places, then=thens, same=st.booleans(), ahead=st.sampled_from([TICK, DAY, 31 * DAY]))
    def closes_and_is_asked_to_reopen(self, place: int, then: str, same: bool, ahead: timedelta) -> None:
        place *= 4
        self.answers(place, by="technician", then=then, text="Try this.", again="")
        self.closes_without_a_word(place, by="colleague")
        self.at += ahead
        self.logs_a_call(place, "admin", "owner", then, "Again.", mail=True, reopen=True, again="")
        self.writes(place, who="owner", text="It is back.", again="")
        self.decides_on_a_reopening(place, "technician", same=same, text="Another problem.", again="same")

    @precondition(lambda self: sum(life.may("merge") for life in self.model.lives.values()) > 1)
    @rule(
        place=places,
        other=places,
        first=st.sampled_from(["", "source", "target", "both"]),
        between=st.sampled_from(["", "message", "answer", "split", "close", "decline", "report"]),
        ahead=st.sampled_from([TICK, 5 * HOUR, 30 * HOUR]),
        part=st.booleans(),
    )
    def is_taken_for_a_duplicate(
        self, place: int, other: int, first: str, between: str, ahead: timedelta, part: bool
    ) -> None:
        able = [number for number, life in enumerate(self.model.lives.values()) if life.may("merge")]
        source, target = (able[number % len(able)] * 4 for number in (place, place + 1 + other % (len(able) - 1)))
        for who in {"both": (source, target), "source": (source,), "target": (target,)}.get(first, ()):
            self.answers(who, by="technician", then="waiting", text="Try this.", again="")
            self.writes(who, who="owner", text="No.", again="")
        self.merges(source, target, by="technician")
        self.at += ahead
        self.all_is_as_the_model_has_it()
        if between == "message":
            self.writes(source, who="restricted", text="And now?", again="same")
        elif between == "answer":
            self.answers(target, by="colleague", then="waiting", text="Try that.", again="")
        elif between == "split" and len(self.model.lives) < 9:
            self.splits(target, "admin", count=1, odd="", chosen=other, again="")
        elif between == "close":
            self.needs_no_more_help(target, who="owner", text="", again="")
        elif between == "decline":
            self.declines(target, by="technician", reason="tuning", text="This is tuning.", again="")
        elif len(self.model.lives) < 9:
            self.reports("owner", kind="operation", anew=True, place=source, again="")
        self.all_is_as_the_model_has_it()
        if part:
            self.parts(place, by="technician", old_key=False)
            self.all_is_as_the_model_has_it()
            self.is_paid_for_at_last(place, "unmerge")

    @precondition(lambda self: len(self.model.lives) < 9)
    @rule(place=places, count=st.integers(1, 2), chosen=places)
    def is_divided_once_it_is_paid_for(self, place: int, count: int, chosen: int) -> None:
        self.splits(place, "technician", count=count, odd="", chosen=chosen, again="same")
        self.all_is_as_the_model_has_it()
        self.is_paid_for_at_last(place, "split")

    def is_paid_for_at_last(self, place: int, kind: str) -> None:
        if any(plan.kind == kind and plan.state == "waiting" for plan in self.model.plans.values()):
            self.buys(30)
            self.accepts(self.a_plan(place * 4 + 1, kind), by="owner" if place % 2 else "technician")

    @rule(
        place=places,
        what=st.sampled_from(["take back", "part", "ask", "accept", "silence", "draft"]),
        late=st.sampled_from([-TICK, timedelta(0), TICK]),
    )
    def comes_at_the_last_instant(self, place: int, what: str, late: timedelta) -> None:
        """A microsecond before it, at it, and after it: only what may still be done is done."""
        ahead = [(edge, do) for edge, do in self.last_instants(what) if edge + late - TICK > self.at]
        if ahead:
            edge, do = ahead[place % len(ahead)]
            self.at = edge + late - TICK
            do()

    def last_instants(self, what: str) -> list[tuple[datetime, Callable[[], None]]]:
        found: list[tuple[datetime, Callable[[], None]]] = []
        lives = list(self.model.lives.values())
        ended, merged = ([life for life in lives if life.end], [life for life in lives if life.merged])
        for number, life in enumerate(lives):
            if what == "take back" and life.end:
                nth = ended.index(life)
                found.append((life.end.at + HOUR, partial(self.takes_back, nth, by="admin", older=False)))
            elif what == "part" and life.merged_at:
                nth = merged.index(life)
                found.append((life.merged_at + 24 * HOUR, partial(self.parts, nth, by="admin", old_key=False)))
            elif what == "ask" and life.first and life.status == "closed":
                write = partial(self.writes, number * 4, who="owner", text="It is back.", again="")
                found.append((self.model.after_days(life.first, 90), write))
            elif what == "silence" and (due := self.silent_until(life)):
                found.append((due, self.silence_is_ended))
        if what == "accept":
            waiting = [proposal for proposal in self.model.plans.values() if proposal.state == "waiting"]
            found += [(proposal.until, partial(self.accepts, proposal, by="owner")) for proposal in waiting]
        elif what == "draft":
            found += [
                (until, partial(self.opens_a_draft, number)) for number, (_pk, until, _c) in enumerate(self.drafts)
            ]
        return found

"""Incidents begin: by form, by phone, from a draft (R3, D8, D20)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import initialize, precondition, rule

from incidents.models import Draft, Incident, Message
from incidents.services import calls, opening
from points.refusals import NotEnoughPoints
from tests.incidents.life_rows import PRICE, Life
from tests.incidents.machine.playing import Played, Why, agains, people, places, staff, thens
from tests.incidents_helpers import a_report, key
from tests.points.ledger import TICK, given


class Reporting(Played):
    """Points are bought, problems reported."""

    @initialize(
        spare=st.sampled_from([0, 10, 100]),
        kinds=st.lists(st.sampled_from(["operation", "feature"]), min_size=3, max_size=3),
    )
    def some_are_open(self, spare: int, kinds: list[str]) -> None:
        self.buys(30 + spare)
        for who, kind in zip(("owner", "restricted", "owner"), kinds, strict=True):
            self.reports(who=who, kind=kind, anew=False, place=0, again="")

    @rule(points=st.sampled_from([10, 10, 30, 100]))
    def buys(self, points: int) -> None:
        self.at += TICK
        lot = given(self.cast.acme, points, at=self.at)
        self.model.ledger.buy(lot.pk, self.cast.acme.pk, points, self.at, self.cast.acme.zone)

    def a_life(self, incident: Incident, origin: int | None) -> Life:
        paid = self.model.pays(None, PRICE[incident.channel], self.at)
        return Life(
            *(incident.pk, incident.contact_id, incident.channel, incident.kind, incident.subject),
            clocks=[self.model.a_clock(self.at)],
            charges=[paid],
            origin=(origin, "anew" if origin else ""),
        )

    def is_opened(self, incident: Incident, report: dict[str, Any]) -> None:
        life = self.a_life(incident, report.get("origin_id"))
        said = Message.objects.filter(incident=incident).order_by("pk").values_list("pk", flat=True)
        answer = (said[1], report["then"], report["by"]) if report.get("answer") else None
        self.model.opens(life, said=said[0], answer=answer, at=self.at)

    @precondition(lambda self: len(self.model.lives) < 9)
    @rule(who=people, kind=st.sampled_from(["operation", "feature"]), anew=st.booleans(), place=places, again=agains)
    def reports(self, who: str, kind: str, anew: bool, place: int, again: str) -> None:
        origin = self.life(place).pk if anew and self.model.lives else None
        content = {"kind": kind, "origin_id": origin}
        form_key = key()

        def send(text: str = "Each night at two it stops.") -> Incident | Draft:
            report = a_report(self.contact(who), text=text, **content)
            return opening.report_problem(report=report, at=self.at, key=form_key)

        enough = self.model.on_hand(self.at + TICK) >= PRICE["email"]
        made = self.plays(set(), send)
        assert isinstance(made, Incident) == enough, "R3, D8"
        if isinstance(made, Incident):
            self.is_opened(made, content)
        else:
            self.drafts.append((made.pk, self.model.after_days(self.at, 30), content))
        self.sends_again(again, send, made)

    @precondition(lambda self: len(self.model.lives) < 9)
    @rule(who=people, answer=st.booleans(), then=thens, by=staff)
    def calls_in(self, who: str, answer: bool, then: str, by: str) -> None:
        form_key, user = key(), self.user(by)

        def send() -> Incident | Draft:
            report = a_report(self.contact(who), channel="phone")
            return calls.open_by_phone(
                report=report,
                answered_text="Press it." if answer else "",
                then=then,
                user=user,
                at=self.at,
                key=form_key,
            )

        made = self.plays(set(), send)
        content = {"answer": answer, "then": then, "by": user.pk}
        if isinstance(made, Incident):
            self.is_opened(made, content)
        else:
            # What comes after the call is not kept with a draft: it is open.
            self.drafts.append((made.pk, self.model.after_days(self.at, 30), {**content, "then": "open"}))
        self.sends_again("same", send, made)

    @precondition(lambda self: self.drafts)
    @rule(place=places)
    def opens_a_draft(self, place: int) -> None:
        number = place % len(self.drafts)
        pk, until, content = self.drafts[number]
        known = Draft.objects.get(pk=pk)

        def send() -> Incident:
            return opening.open_draft(draft_id=pk, at=self.at)

        if known.incident_id is not None:
            self.repeats(send)
            return
        why: Why = {opening.DraftGone} if until <= self.at + TICK else set()
        short = self.model.on_hand(self.at + TICK) < PRICE[known.channel]
        made = self.plays(why or ({NotEnoughPoints} if short else set()), send)
        if made is not None:
            self.is_opened(made, content)
            self.repeats(send)

"""Splits and merges, at once or when there are points (D8, D14, D35)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from incidents.dividing import Part
from incidents.models import Incident, Proposal
from incidents.services import merging, opening, splitting
from incidents.services.common import BugUndecided, KeyReused
from points.refusals import NotEnoughPoints
from tests.incidents.life_rows import HOUR, PRICE, Plan
from tests.incidents.machine.playing import Played, Why, agains, places, staff
from tests.incidents_helpers import a_report, key
from tests.points.ledger import TICK


class Dividing(Played):
    """One becomes several, several become one, and back."""

    @precondition(lambda self: len(self.model.lives) < 9)
    @rule(
        place=places,
        by=staff,
        count=st.integers(0, 2),
        odd=st.sampled_from(["", "", "", "title", "note", "foreign"]),
        chosen=places,
        again=agains,
    )
    def splits(self, place: int, by: str, count: int, odd: str, chosen: int, again: str) -> None:
        life, form_key = self.life(place, "split"), key()
        there = self.model.of(life)
        read = [said.pk for said in there if said.kind != "note"]
        picked = [read[(chosen + number) % len(read)] for number in range(count)] if read else []
        parts = [
            Part(subject=f"Part {number}, {form_key}", message_ids=(pk,)) for number, pk in enumerate(picked, start=1)
        ]
        flawed = not parts or bool(odd)
        if parts and odd == "title":
            parts[-1] = Part(subject=life.subject, message_ids=parts[-1].message_ids)
        elif parts and odd:
            kept = (
                [said.pk for said in there if said.kind == "note"]
                if odd == "note"
                else [self.foreign.messages.get().pk]
            )
            parts[-1] = Part(subject="Part", message_ids=tuple(kept))
        before = self.model.waiting(life)
        over = before is not None and before.until <= self.at + TICK
        why = self.may(life, "split")
        why |= {splitting.ProposalWaits} if before is not None and not over else set()
        why |= {splitting.CannotDivide} if flawed else set()

        def send(text: str = life.subject) -> Proposal:
            return splitting.split(
                incident_id=life.pk, parts=parts, kept_subject=text, user=self.user(by), at=self.at, key=form_key
            )

        made = self.plays(why, send)
        if made is None:
            return
        if before is not None:
            before.state = "lapsed"
            life.steps.append("split_lapsed")
        self.is_proposed(made, "split", by)
        proposal = self.model.plans[made.pk]
        proposal.titles = [life.subject, *(part.subject for part in parts)]
        proposal.chosen = [[], *(list(part.message_ids) for part in parts)]
        if self.model.on_hand(self.at) < len(parts) * PRICE[life.channel]:
            life.steps.append("split_proposed")
            self.model.mail(life, "split_proposed", to=1)
        else:
            self.is_divided(proposal)
        self.sends_again(again, send, made)

    def is_divided(self, proposal: Plan, owner: int | None = None) -> None:
        made = Incident.objects.filter(part__proposal=proposal.pk).order_by("part__position")
        copies = [(incident.pk, self.copies_of(incident)) for incident in made]
        self.model.divides(proposal, copies, owner or proposal.by, self.at)

    def copies_of(self, incident: Incident) -> dict[int, int]:
        found = incident.messages.values_list("copied_from", "pk")
        return {source: copy for source, copy in found if source is not None}

    @precondition(lambda self: any(p.kind == "split" for p in self.model.plans.values()))
    @rule(place=places, by=st.sampled_from(["technician", "owner"]))
    def accepts_a_split(self, place: int, by: str) -> None:
        self.accepts(self.a_plan(place, "split"), by=by)

    def accepts(self, proposal: Plan, by: str) -> None:
        verb = self.is_carried_out if proposal.kind == "split" else self.is_parted_at_last
        verb(proposal, by)

    def is_carried_out(self, proposal: Plan, by: str) -> None:
        life = self.model.lives[proposal.life]
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"contact": self.contact(by)}

        def send() -> Proposal:
            return splitting.accept_proposal(proposal_id=proposal.pk, at=self.at, **who)

        if proposal.state == "accepted":
            self.repeats(send)
            return
        why = self.settled(proposal) or self.may(life, "split")
        if not why and self.model.on_hand(self.at + TICK) < (len(proposal.titles) - 1) * PRICE[life.channel]:
            why = {NotEnoughPoints}
        if not all(self.model.there(life, chosen) for chosen in proposal.chosen[1:]):
            why = why | {splitting.CannotDivide}
        if self.plays(why, send) is not None:
            self.is_divided(proposal, self.user(by).pk if by == "technician" else None)
            self.repeats(send)

    @precondition(lambda self: any(p.kind == "split" for p in self.model.plans.values()))
    @rule(place=places, by=st.sampled_from(["technician", "owner"]))
    def withdraws_a_split(self, place: int, by: str) -> None:
        proposal = self.a_plan(place, "split")
        life = self.model.lives[proposal.life]

        def send() -> Proposal:
            if by == "owner":
                return splitting.decline_proposal(proposal_id=proposal.pk, contact=self.contact(by), at=self.at)
            return splitting.withdraw_proposal(proposal_id=proposal.pk, user=self.user(by), at=self.at)

        if proposal.state == "withdrawn":
            self.repeats(send)
        elif self.plays(self.settled(proposal), send) is not None:
            proposal.state = "withdrawn"
            life.steps.append("split_withdrawn")
            self.model.mail(life, "split_withdrawn", to=0 if by == "owner" else 1)
            self.repeats(send)

    # Merges

    @rule(place=places, other=places, by=staff)
    def merges(self, place: int, other: int, by: str) -> None:
        source, target = self.life(place, "merge"), self.life(other, "merge_into")

        def send() -> Incident:
            return merging.merge(incident_id=source.pk, into_id=target.pk, user=self.user(by), at=self.at)

        if source.merged == target.pk:
            self.repeats(send)
            return
        why: Why = {merging.IntoItself} if source is target else set()
        why |= {merging.MergedAlready} if source.merged or target.merged else set()
        why |= self.may(source, "merge") | self.may(target, "merge_into")
        why |= {BugUndecided} if source.case and source.case.state != "determined" else set()
        if self.plays(why, send) is not None:
            self.model.merges(source, target, self.at)
            self.repeats(send)

    @rule(place=places, what=st.sampled_from(["merge", "merge_into", "anew"]))
    def reaches_for_another_customers(self, place: int, what: str) -> None:
        mine, theirs = self.life(place).pk, self.foreign.pk
        if what == "anew":
            report = a_report(self.contact("owner"), origin_id=theirs)
            self.plays({opening.OriginNotTheirs}, lambda: opening.report_problem(report=report, at=self.at, key=key()))
            return
        one, two = (mine, theirs) if what == "merge" else (theirs, mine)
        self.plays(
            {merging.AnotherCustomers},
            lambda: merging.merge(incident_id=one, into_id=two, user=self.user("technician"), at=self.at),
        )

    @rule(place=places, by=staff, old_key=st.booleans())
    def parts(self, place: int, by: str, old_key: bool) -> None:
        merged = [life for life in self.model.lives.values() if life.merged]
        life = merged[place % len(merged)] if merged else self.life(place)
        target = self.model.lives.get(life.merged or 0)
        form_key = key()
        why: Why = set() if target else {merging.NotMerged}
        if old_key and Proposal.objects.exclude(incident=life.pk, kind="unmerge").exists():
            form_key = Proposal.objects.exclude(incident=life.pk, kind="unmerge").order_by("pk")[0].key
            why |= {KeyReused}
        if target is not None and life.merged_at is not None:
            why |= {merging.TooLateToPart} if self.at + TICK >= life.merged_at + 24 * HOUR else set()
            why |= {merging.PartingWaits} if self.model.waiting(life) else set()
            why |= {merging.MergedAlready} if target.merged else set()

        def send() -> Proposal:
            return merging.unmerge(incident_id=life.pk, user=self.user(by), at=self.at, key=form_key)

        made = self.plays(why, send)
        if made is None:
            return
        assert life.joined is not None
        proposal = self.is_proposed(made, "unmerge", by)
        if life.joined.points and self.model.on_hand(self.at) < PRICE[life.channel]:
            life.steps.append("split_proposed")
            self.model.mail(life, "part_proposed", to=1)
        else:
            self.model.parts(proposal, self.at)
        self.repeats(send)

    @precondition(lambda self: any(p.kind == "unmerge" for p in self.model.plans.values()))
    @rule(place=places, by=st.sampled_from(["technician", "owner"]))
    def accepts_a_parting(self, place: int, by: str) -> None:
        self.accepts(self.a_plan(place, "unmerge"), by=by)

    def is_parted_at_last(self, proposal: Plan, by: str) -> None:
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"contact": self.contact(by)}

        def send() -> Proposal:
            return merging.accept_parting(proposal_id=proposal.pk, at=self.at, **who)

        if proposal.state == "accepted":
            self.repeats(send)
            return
        life = self.model.lives[proposal.life]
        why = self.settled(proposal)
        target = self.model.lives.get(life.merged or 0)
        why |= {merging.MergedAlready} if target is not None and target.merged else set()
        why |= {NotEnoughPoints} if self.model.on_hand(self.at + TICK) < PRICE[life.channel] else set()
        if self.plays(why, send) is not None:
            self.model.parts(proposal, self.at)
            self.repeats(send)

    @precondition(lambda self: any(p.kind == "unmerge" for p in self.model.plans.values()))
    @rule(place=places)
    def leaves_it_merged(self, place: int) -> None:
        proposal = self.a_plan(place, "unmerge")

        def send() -> Proposal:
            return merging.leave_merged(proposal_id=proposal.pk, contact=self.contact("owner"), at=self.at)

        if proposal.state == "withdrawn":
            self.repeats(send)
        elif self.plays(self.settled(proposal), send) is not None:
            proposal.state = "withdrawn"
            self.model.lives[proposal.life].steps.append("split_withdrawn")
            self.repeats(send)

"""Whatever is done to incidents, by whomever and in any order: each stands as the model has it (D8–D20, D35, D36)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import connection, transaction
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from incidents.access import incidents_for, messages_for
from incidents.announcing import announce_due
from incidents.cases import CreditCase
from incidents.dividing import Part
from incidents.models import (
    Draft,
    Follower,
    Incident,
    IncidentCharge,
    IncidentClock,
    Message,
    Proposal,
    TimelineEntry,
)
from incidents.services import (
    calls,
    conversation,
    crediting,
    declining,
    disposing,
    ending,
    following,
    lapsing,
    merging,
    opening,
    ownership,
    reopening,
    silence,
    splitting,
)
from incidents.services.common import BugUndecided, KeyReused, NotAllowed, TextMissing
from incidents.statuses import Act, allows
from incidents.stories import say
from points.models import Lot
from points.queries import balance
from points.refusals import AlreadyGivenBack, NotEnoughPoints
from sla.calendars import calendar_for
from sla.deadline import business_days_after, instant_before, plan
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents.life import HOUR, MAY, PRICE, Case, Life, Lives, Plan
from tests.incidents_helpers import a_release, a_report, key, opened
from tests.points.ledger import DAY, TICK, checked, given, sql

pytestmark = pytest.mark.rule(
    *("R9", "R13", "R14", "D8", "D10", "D11", "D12", "D13", "D14", "D15", "D16", "D17", "D18", "D35", "D36", "D38")
)

START = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)  # a Tuesday, 10:00 in New York
Why = set[type[Exception]]
TABLES = (
    *("incidents_incident", "incidents_message", "incidents_timelineentry", "incidents_incidentclock"),
    *("incidents_incidentcharge", "incidents_proposal", "incidents_proposalpart", "incidents_creditcase"),
    *("incidents_follower", "incidents_draft", "incidents_notice", "sla_responseclock", "points_purchase"),
    *("points_lot", "points_charge", "points_entry", "points_giveback"),
)
ENDS = ("closed", "customer_closed", "closed_silence", "declined")

places = st.integers(0, 1_000)
staff = st.sampled_from(["technician", "colleague", "admin"])
people = st.sampled_from(["owner", "restricted"])
thens = st.sampled_from(["open", "waiting", "closed"])
words = st.sampled_from(["It works.", "No, it does not.", " ", "Thank you."])
agains = st.sampled_from(["", "", "same", "other"])


def digest() -> tuple[Any, ...]:
    """All that a refusal must not have changed, in one query."""
    parts = [
        f"SELECT '{name}', count(*), md5(coalesce(string_agg(t::text, '|' ORDER BY t.id), '')) FROM {name} t"
        for name in TABLES
    ]
    parts.append(f"SELECT 'mail', count(*), max(id)::text FROM {OutgoingMail._meta.db_table}")
    return tuple(sorted(sql(" UNION ALL ".join(parts))))


class Desk(RuleBasedStateMachine):
    """Each rule does one thing to the database and the same to the model, and each has to come out the same."""

    cast: ClassVar[Cast]

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.at = START
        acme = self.cast.acme
        self.calendar = calendar_for(acme.place, acme.pk)
        self.model = Lives(acme.pk, acme.zone, lambda at: plan(logged_at=at, calendar=self.calendar).due_at)
        self.drafts: list[tuple[int, datetime, dict[str, Any]]] = []
        self.history: list[tuple[Any, ...]] = []
        self.foreign = opened(self.cast.stranger, at=START)
        self.foreign_row = self.row_of(self.foreign.pk)

    def teardown(self) -> None:
        try:
            self.everybody_sees_what_is_theirs()
            assert self.row_of(self.foreign.pk) == self.foreign_row, "another customer's is not touched"
            assert "nothing differs" in checked()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    # How a verb is played

    def plays(self, why: Why, do: Callable[[], Any]) -> Any:
        """Does it; where the model knows reasons against it, it is refused for one of them, without a trace."""
        self.at += TICK
        if not why:
            return do()
        before = digest()
        with pytest.raises(tuple(why)):
            do()
        assert digest() == before, "a refusal has no effect"
        return None

    def sends_again(self, again: str, do: Callable[..., Any], was: Any) -> None:
        """The same key once more: with the same content it gives the first result, with other content it is refused."""
        if not again:
            return
        before = digest()
        if again == "same":
            assert do() == was
        else:
            with pytest.raises(KeyReused):
                do(text="Other words.")
        assert digest() == before, "what is sent twice counts once"

    def repeats(self, do: Callable[[], Any]) -> None:
        """The same once more, where that is no refusal, changes nothing."""
        before = digest()
        do()
        assert digest() == before

    def life(self, place: int, act: str = "") -> Life:
        """Any of them; three times in four one that allows the act, for by chance alone few come far."""
        lives = list(self.model.lives.values())
        able = [life for life in lives if act and life.may(act)]
        lives = able if able and place % 4 else lives
        return lives[place // 4 % len(lives)]

    def may(self, life: Life, act: str) -> Why:
        return set() if life.may(act) else {NotAllowed}

    def texts(self, text: str) -> Why:
        return set() if text.strip() else {TextMissing}

    def sees(self, who: str, life: Life) -> bool:
        contact = self.contact(who)
        return who != "stranger" and (who == "owner" or contact.pk in self.model.readers(life))

    def contact(self, who: str) -> Contact:
        found = getattr(self.cast, who)
        assert isinstance(found, Contact)
        return found

    def user(self, who: str) -> User:
        found = getattr(self.cast, who)
        assert isinstance(found, User)
        return found

    def row_of(self, pk: int) -> list[Any]:
        return [Incident.objects.filter(pk=pk).values().get(), list(Message.objects.filter(incident=pk).values())]

    # Opening

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

    # The technician's verbs

    @rule(place=places, by=staff)
    def takes(self, place: int, by: str) -> None:
        life, user = self.life(place, "take"), self.user(by)
        why = self.may(life, "take")
        if not why and life.owner not in (None, user.pk):
            why = {ownership.TakenBySomeoneElse}
        done = self.plays(why, lambda: ownership.take(incident_id=life.pk, user=user, at=self.at))
        if done is not None:
            if life.owner is None:
                life.owner = user.pk
                life.steps.append("taken")
            self.repeats(lambda: ownership.take(incident_id=life.pk, user=user, at=self.at))

    @rule(place=places, by=staff, to=st.sampled_from(["technician", "colleague", "owner"]))
    def hands_over(self, place: int, by: str, to: str) -> None:
        life = self.life(place, "take")
        whom = self.contact(to).user if to == "owner" else self.user(to)
        assert whom is not None
        why: Why = {ownership.NotStaff} if to == "owner" else self.may(life, "take")

        def send() -> Incident:
            return ownership.assign(incident_id=life.pk, to=whom, user=self.user(by), at=self.at)

        if self.plays(why, send) is not None:
            if life.owner != whom.pk:
                life.owner = whom.pk
                life.steps.append("handed_over")
            self.repeats(send)

    @rule(place=places, by=staff, then=thens, text=words, again=agains)
    def answers(self, place: int, by: str, then: str, text: str, again: str) -> None:
        life, form_key = self.life(place, "answer"), key()

        def send(text: str = text) -> Message:
            return conversation.answer(
                incident_id=life.pk, text=text, then=then, user=self.user(by), at=self.at, key=form_key
            )

        made = self.plays(self.may(life, "answer") | self.texts(text), send)
        if made is not None:
            self.model.answers(life, "answered", made.pk, then, self.user(by).pk, at=self.at)
            self.model.mail(life, "closed" if then == "closed" else "answered")
            self.sends_again(again, send, made)

    @rule(place=places, by=staff, text=words, again=agains)
    def notes(self, place: int, by: str, text: str, again: str) -> None:
        life, form_key = self.life(place, "note"), key()

        def send(text: str = text) -> Message:
            return conversation.note(incident_id=life.pk, text=text, user=self.user(by), at=self.at, key=form_key)

        made = self.plays(self.may(life, "note") | self.texts(text), send)
        if made is not None:
            self.model.notes(life, made.pk)
            self.sends_again(again, send, made)

    @rule(
        place=places,
        by=staff,
        who=st.sampled_from(["owner", "restricted", "stranger"]),
        then=thens,
        text=words,
        mail=st.booleans(),
        reopen=st.booleans(),
        again=agains,
    )
    def logs_a_call(
        self, place: int, by: str, who: str, then: str, text: str, mail: bool, reopen: bool, again: str
    ) -> None:
        life, form_key, contact = self.life(place, "call"), key(), self.contact(who)

        def send(text: str = text) -> calls.Logged:
            return calls.log_call(
                incident_id=life.pk,
                contact=contact,
                direction="in",
                text=text,
                then=then,
                user=self.user(by),
                at=self.at,
                key=form_key,
                mail=mail,
                reopen=reopen,
            )

        why = self.may(life, "call") | self.texts(text)
        why |= set() if self.sees(who, life) else {calls.NotTheirs}
        made = self.plays(why, send)
        if made is None:
            return
        if life.status in ("closed", "declined"):
            self.model.keeps_call(life, made.message.pk, contact.pk, self.at, reopen=reopen)
            self.model.mail(life, "called", to=None if mail else 0)
        else:
            self.model.answers(life, "called", made.message.pk, then, self.user(by).pk, at=self.at)
            self.model.mail(life, "closed" if then == "closed" else "called", to=None if mail else 0)
        if again == "same":
            self.repeats(send)
        else:
            self.sends_again(again, send, made)

    @rule(place=places, by=staff)
    def closes_without_a_word(self, place: int, by: str) -> None:
        life = self.life(place, "close")
        why = self.may(life, "close")
        if not why and (life.words or life.clock.ended is None):
            why = {conversation.NoAnswerYet}

        def send() -> Incident:
            return conversation.close(incident_id=life.pk, user=self.user(by), at=self.at)

        if self.plays(why, send) is not None:
            self.model.shuts(life, "closed", self.at)
            self.model.mail(life, "closed")
            self.plays({NotAllowed}, send)

    @rule(place=places, by=staff, reason=st.sampled_from(["tuning", "other"]), text=words, again=agains)
    def declines(self, place: int, by: str, reason: str, text: str, again: str) -> None:
        life, form_key = self.life(place, "decline"), key()

        def send(text: str = text) -> Message:
            return declining.decline(
                incident_id=life.pk, reason=reason, text=text, user=self.user(by), at=self.at, key=form_key
            )

        why = self.may(life, "decline") | self.texts(text)
        if not why and life.first is not None:
            why = {declining.ClosedBefore}
        elif not why and life.case is not None and life.case.state != "determined":
            why = {BugUndecided}
        made = self.plays(why, send)
        if made is not None:
            self.model.declines(life, made.pk, "" if reason == "other" else reason, self.at)
            self.sends_again(again, send, made)

    @precondition(lambda self: any(life.end for life in self.model.lives.values()))
    @rule(place=places, by=staff, older=st.booleans())
    def takes_back(self, place: int, by: str, older: bool) -> None:
        ended = [life for life in self.model.lives.values() if life.end]
        life = ended[place % len(ended)]
        assert life.end is not None
        steps = list(TimelineEntry.objects.filter(incident=life.pk, code__in=ENDS).order_by("pk"))
        back = set(
            TimelineEntry.objects.filter(incident=life.pk, code="taken_back").values_list("data__step", flat=True)
        )
        step = steps[0 if older else -1]
        if step.pk in back:
            self.repeats(lambda: ending.take_back(incident_id=life.pk, step_id=step.pk, user=self.user(by), at=self.at))
            return
        why = self.may(life, "take_back")
        if not why and (step != steps[-1] or life.end.history):
            why = {ending.Overtaken}
        elif not why and self.at + TICK > life.end.at + HOUR:
            why = {ending.HourOver}
        elif not why and self.model.on_hand(self.at + TICK) < life.end.back:
            why = {NotEnoughPoints}

        def send() -> Incident:
            return ending.take_back(incident_id=life.pk, step_id=step.pk, user=self.user(by), at=self.at)

        if self.plays(why, send) is not None:
            self.model.takes_back(life, self.at)
            self.repeats(send)

    # The customer's verbs

    @rule(place=places, who=people, text=words, again=agains)
    def writes(self, place: int, who: str, text: str, again: str) -> None:
        life = self.life(place, "customer_message")
        form_key, there = key(), self.model.lead(life)

        def send(text: str = text) -> conversation.Added:
            return conversation.customer_message(
                incident_id=life.pk, contact=self.contact(who), text=text, via="portal", at=self.at, key=form_key
            )

        made = self.plays(self.texts(text), send)
        if made is not None:
            assert made.message.incident_id == there.pk, "D35"
            self.model.hears(there, made.message.pk, self.contact(who).pk, self.at)
            self.sends_again(again, send, made)

    @rule(place=places, who=people, text=words, again=agains)
    def needs_no_more_help(self, place: int, who: str, text: str, again: str) -> None:
        life, form_key, contact = self.life(place, "customer_close"), key(), self.contact(who)

        def send(text: str = text) -> Incident:
            return ending.customer_close(incident_id=life.pk, contact=contact, text=text, at=self.at, key=form_key)

        if self.plays(self.may(life, "customer_close"), send) is not None:
            said = Message.objects.filter(key=form_key).values_list("pk", flat=True).first()
            assert (said is not None) == bool(text.strip())
            self.model.is_closed_by_its_customer(life, said, contact.pk, self.at)
            self.sends_again(again, send, Incident(pk=life.pk))

    # Re-opening

    @rule(place=places, by=staff, same=st.booleans(), text=words, again=agains)
    def decides_on_a_reopening(self, place: int, by: str, same: bool, text: str, again: str) -> None:
        asked = [life for life in self.model.lives.values() if life.asked]
        life = asked[place % len(asked)] if asked else self.life(place)
        form_key, user = key(), self.user(by)
        why: Why = set() if life.asked else {reopening.NothingToDecide}

        def accept() -> Incident:
            return reopening.accept(incident_id=life.pk, user=user, at=self.at)

        def refuse(text: str = text) -> Incident:
            return reopening.refuse(incident_id=life.pk, reason=text, user=user, at=self.at, key=form_key)

        if same:
            if self.plays(why, accept) is not None:
                self.model.reopens(life, self.at)
                self.plays({reopening.NothingToDecide}, accept)
        elif self.plays(why | self.texts(text), refuse) is not None:
            self.model.refuses(life, Message.objects.get(key=form_key).pk)
            self.sends_again(again, refuse, Incident(pk=life.pk))

    # Product failures and feature requests

    @rule(place=places, by=staff, again=agains)
    def marks_a_bug(self, place: int, by: str, again: str) -> None:
        life, form_key = self.life(place, "mark_bug"), key()

        def send(text: str = "QM-1") -> CreditCase:
            return crediting.mark_bug(incident_id=life.pk, reference=text, user=self.user(by), at=self.at, key=form_key)

        why: Why = {crediting.AlreadyMarked, AlreadyGivenBack} if life.case or life.charges[-1].back else set()
        case = self.plays(why | (self.may(life, "mark_bug") if why else set()), send)
        if case is not None:
            life.cases[len(life.charges)] = Case(case.pk, self.at + 14 * DAY)
            life.steps += ["bug_marked", "bug_asked"]
            self.model.mail(life, "bug_marked", to=1)
            self.sends_again(again, send, case)

    @precondition(lambda self: any(life.cases for life in self.model.lives.values()))
    @rule(place=places, card=st.booleans())
    def chooses(self, place: int, card: bool) -> None:
        life, case = self.a_case(place)
        why: Why = {crediting.CardNotPossible} if card else set()
        why = {crediting.AlreadyDetermined} if case.state == "determined" else why

        def send() -> CreditCase:
            return crediting.choose(
                case_id=case.pk, contact=self.contact("owner"), choice="card" if card else "points", at=self.at
            )

        if self.plays(why, send) is not None:
            if not case.chosen:
                case.choice, case.chosen = "points", True
                life.steps.append("bug_chosen")
            self.repeats(send)

    @precondition(lambda self: any(life.cases for life in self.model.lives.values()))
    @rule(place=places, by=st.sampled_from(["technician", "admin", "admin"]), refused=st.booleans())
    def determines(self, place: int, by: str, refused: bool) -> None:
        life, case = self.a_case(place)
        why: Why = {crediting.NotAdmin} if by == "technician" else set()
        why |= {crediting.AlreadyDetermined} if case.state == "determined" else set()
        form_key = key()

        def send() -> CreditCase:
            return crediting.determine(
                case_id=case.pk,
                outcome="refused" if refused else "",
                reason="It is meant so." if refused else "",
                user=self.user(by),
                at=self.at,
                key=form_key,
            )

        if self.plays(why, send) is not None:
            case.state, case.outcome = "determined", "refused" if refused else "credited"
            assert refused or self.model.gives_back(life, self.at)
            life.steps.append("bug_refused" if refused else "bug_credited")
            self.model.mail(life, "bug_determined", to=1)
            self.repeats(send)

    def a_case(self, place: int) -> tuple[Life, Case]:
        cases = [(life, case) for life in self.model.lives.values() for case in life.cases.values()]
        return cases[place % len(cases)]

    @rule(place=places, by=staff, to=st.sampled_from(["received", "planned", "released"]), text=words)
    def disposes(self, place: int, by: str, to: str, text: str) -> None:
        life, form_key = self.life(place, "dispose"), key()
        why = self.may(life, "dispose")
        why |= set() if life.kind == "feature" else {disposing.NotAFeatureRequest}
        why |= {disposing.SameDisposition} if life.disposition == to else set()

        def send() -> Incident:
            return disposing.dispose(
                incident_id=life.pk, disposition=to, text=text, user=self.user(by), at=self.at, key=form_key
            )

        if self.plays(why, send) is not None:
            life.disposition = to
            life.steps.append("disposed")
            said = Message.objects.filter(key=form_key).values_list("pk", flat=True).first()
            self.model.says(life, said, "answer")
            self.model.mail(life, "disposed")
            self.repeats(send)

    # Followers

    @rule(
        place=places,
        whom=st.sampled_from(["owner", "restricted", "stranger"]),
        by=st.sampled_from(["technician", "owner", "restricted", "stranger"]),
    )
    def adds_a_follower(self, place: int, whom: str, by: str) -> None:
        life, contact = self.life(place, "follow"), self.contact(whom)
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"by": self.contact(by)}
        why: Why = {following.MayNotAdd} if by == "restricted" else set()
        why |= {following.NoColleague} if "stranger" in (whom, by) else set()
        why |= {following.IsTheContact} if contact.pk == life.contact else set()
        why |= self.may(life, "follow")

        def send() -> Follower:
            return following.add_follower(incident_id=life.pk, contact_id=contact.pk, at=self.at, **who)

        if self.plays(why, send) is not None:
            if contact.pk not in life.followers:
                life.followers.add(contact.pk)
                life.steps.append("follower_added")
                if by != whom:
                    self.model.once_a_day(life, "follower_added", contact.pk, self.at)
            self.repeats(send)

    @rule(place=places, whom=people, by=st.sampled_from(["technician", "owner", "restricted"]))
    def takes_off_a_follower(self, place: int, whom: str, by: str) -> None:
        life, contact = self.life(place), self.contact(whom)
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"by": self.contact(by)}

        def send() -> bool:
            return following.remove_follower(incident_id=life.pk, contact_id=contact.pk, at=self.at, **who)

        done = self.plays({following.MayNotAdd} if (by, whom) == ("restricted", "owner") else set(), send)
        if done is not None:
            assert done == (contact.pk in life.followers)
            life.followers.discard(contact.pk)
            life.brought.discard(contact.pk)
            life.steps += ["follower_removed"] if done else []
            self.repeats(send)

    # Splits

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

    def is_proposed(self, made: Proposal, kind: str, by: str) -> Plan:
        proposal = Plan(made.pk, made.incident_id, kind, self.model.after_days(self.at, 30), self.user(by).pk)
        self.model.plans[made.pk] = proposal
        return proposal

    def is_divided(self, proposal: Plan, owner: int | None = None) -> None:
        made = Incident.objects.filter(part__proposal=proposal.pk).order_by("part__position")
        copies = [
            (incident.pk, {copy.copied_from_id or 0: copy.pk for copy in incident.messages.all()}) for incident in made
        ]
        self.model.divides(proposal, copies, owner or proposal.by, self.at)

    def a_plan(self, place: int, kind: str) -> Plan:
        plans = [proposal for proposal in self.model.plans.values() if proposal.kind == kind]
        waiting = [proposal for proposal in plans if proposal.state == "waiting"]
        found = waiting if waiting and place % 4 else plans
        return found[place % len(found)]

    def settled(self, proposal: Plan) -> Why:
        if proposal.state == "accepted":
            return {splitting.ProposalAccepted}
        if proposal.state == "withdrawn":
            return {splitting.ProposalWithdrawn}
        return {splitting.ProposalLapsed} if proposal.until <= self.at + TICK or proposal.state == "lapsed" else set()

    @precondition(lambda self: any(p.kind == "split" for p in self.model.plans.values()))
    @rule(place=places, by=st.sampled_from(["technician", "owner"]))
    def accepts_a_split(self, place: int, by: str) -> None:
        proposal = self.a_plan(place, "split")
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
        proposal = self.a_plan(place, "unmerge")
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

    # Whole stories, for by chance alone few are told to their end

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
            accept = self.accepts_a_split if kind == "split" else self.accepts_a_parting
            accept(place * 4 + 1, by="owner" if place % 2 else "technician")

    # What runs by itself

    @rule()
    def silence_is_ended(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            due = self.silent_until(life)
            if due is not None and due <= self.at:
                self.model.ends_silence(life, self.at)
        silence.remind_and_close(at=self.at)
        self.repeats(lambda: silence.remind_and_close(at=self.at))

    def silent_until(self, life: Life) -> datetime | None:
        if life.waits is None or life.clock.ended is None:
            return None
        after = business_days_after(at=life.waits, days=10 if life.reminded else 5, calendar=self.calendar)
        if life.reminded is None:
            return after
        return max(after, business_days_after(at=life.reminded, days=5, calendar=self.calendar))

    @rule()
    def what_waited_lapses(self) -> None:
        self.at += TICK
        self.model.lapses(self.at)
        lapsing.warn_and_lapse(at=self.at)
        self.repeats(lambda: lapsing.warn_and_lapse(at=self.at))

    @rule()
    def what_is_late_is_announced(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            clock = life.clock
            first, last = (instant_before(due_at=clock.due, minutes=n, calendar=self.calendar) for n in (60, 15))
            if clock.ended is None and clock.due < self.at and not clock.announced:
                clock.announced = True
                life.steps.append("breached")
            elif clock.ended is None and clock.due >= self.at:
                warned = 2 if last <= self.at else 1 if first <= self.at else 0
                if warned > clock.warned:
                    clock.warned = warned
                    life.steps.append("warned")
        announce_due(at=self.at)
        self.repeats(lambda: announce_due(at=self.at))

    @rule()
    def silence_means_points(self) -> None:
        self.at += TICK
        for life in self.model.lives.values():
            for case in life.cases.values():
                if case.state == "asked" and not case.choice and case.due <= self.at:
                    case.choice = "points"
                    life.steps.append("bug_silence")
        crediting.record_silence(at=self.at)
        self.repeats(lambda: crediting.record_silence(at=self.at))

    # Time goes by

    @rule(ahead=st.sampled_from([TICK, timedelta(minutes=20), HOUR, 5 * HOUR, DAY, 7 * DAY, 31 * DAY]))
    def time_passes(self, ahead: timedelta) -> None:
        self.at += ahead

    @rule(place=places, late=st.sampled_from([-TICK, timedelta(0), TICK]))
    def time_passes_until_something_is_due(self, place: int, late: timedelta) -> None:
        """The verb that follows comes a microsecond before, at, or after the instant."""
        edges: set[datetime | None] = {until for _pk, until, _content in self.drafts}
        edges |= {proposal.until for proposal in self.model.plans.values()}
        for life in self.model.lives.values():
            edges |= {life.clock.due, self.silent_until(life)}
            edges |= {life.end.at + HOUR} if life.end else set()
            edges |= {life.merged_at + 24 * HOUR} if life.merged_at else set()
            edges |= {self.model.after_days(life.first, 90)} if life.first else set()
            edges |= {case.due for case in life.cases.values()}
        ahead = sorted(edge for edge in edges if edge is not None and edge + late - TICK > self.at)
        if ahead:
            self.at = ahead[place % min(len(ahead), 3)] + late - TICK

    # Each time

    @invariant()
    def all_is_as_the_model_has_it(self) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")
            cursor.execute("SET CONSTRAINTS ALL DEFERRED")
        self.steps_are_complete()
        self.rows_are_right()
        self.points_add_up()

    def ours(self) -> list[int]:
        return sorted(self.model.lives)

    def steps_are_complete(self) -> None:
        rows = list(
            TimelineEntry.objects.exclude(incident=self.foreign.pk)
            .order_by("pk")
            .values_list("pk", "incident_id", "code", "at", "user_id", "contact_id", "data")
        )
        assert rows[: len(self.history)] == self.history, "append-only"
        self.history = rows
        found: dict[int, list[str]] = {pk: [] for pk in self.model.lives}
        for row in rows:
            found[row[1]].append(row[2])
        assert found == {pk: life.steps for pk, life in self.model.lives.items()}

    def rows_are_right(self) -> None:
        found = {
            row[0]: row[1:]
            for row in Incident.objects.exclude(pk=self.foreign.pk).values_list(
                *("pk", "status", "owner_id", "first_closed_at", "closed_at", "wrote_at", "reopen_asked_at"),
                *("waits_since", "reminded_at", "merged_into_id", "merged_at", "decline_reason", "disposition"),
                *("subject", "origin_id", "origin_kind"),
            )
        }
        assert found == {
            pk: (
                *(life.status, life.owner, life.first, life.closed, life.wrote, life.asked),
                *(life.waits, life.reminded, life.merged, life.merged_at, life.reason, life.disposition),
                *(life.subject, *life.origin),
            )
            for pk, life in self.model.lives.items()
        }
        clocks = IncidentClock.objects.filter(incident__in=self.ours()).order_by("incident_id", "pk")
        assert list(
            clocks.values_list(
                *("incident_id", "current", "clock__started_at", "clock__due_at", "clock__ended_at", "clock__outcome")
            )
        ) == [
            (pk, clock is self.model.lives[pk].clock, clock.started, clock.due, clock.ended, clock.outcome)
            for pk in self.ours()
            for clock in self.model.lives[pk].clocks
        ]
        messages = Message.objects.filter(incident__in=self.ours()).order_by("pk")
        assert list(messages.values_list("pk", "kind", "incident_id", "written_on_id", "copied_from_id")) == sorted(
            (said.pk, said.kind, said.where, said.home, said.source) for said in self.model.said
        )
        follow = Follower.objects.filter(incident__in=self.ours(), removed_at=None).values_list(
            "incident_id", "contact_id"
        )
        assert sorted(follow) == sorted((pk, who) for pk, life in self.model.lives.items() for who in life.followers)
        assert dict(Proposal.objects.values_list("pk", "state")) == {
            proposal.pk: proposal.state for proposal in self.model.plans.values()
        }
        assert sorted(CreditCase.objects.values_list("pk", "state", "choice", "outcome")) == sorted(
            (case.pk, case.state, case.choice, case.outcome)
            for life in self.model.lives.values()
            for case in life.cases.values()
        )
        mails = OutgoingMail.objects.filter(kind__startswith="incident_").exclude(about=f"incident:{self.foreign.pk}")
        sent = Counter((int(about.split(":")[1]), kind[9:]) for about, kind in mails.values_list("about", "kind"))
        assert sent == +self.model.mails

    def points_add_up(self) -> None:
        links = IncidentCharge.objects.filter(incident__in=self.ours()).order_by("incident_id", "pk")
        rows = list(links.values_list("incident_id", "current", "charge_id", "charge__points", "charge__given_back"))
        expected = [(pk, charge) for pk in self.ours() for charge in self.model.lives[pk].charges]
        assert [(row[0], row[1], row[3], row[4] is not None) for row in rows] == [
            (pk, charge is self.model.lives[pk].charges[-1], sum(charge.legs.values()), bool(charge.back))
            for pk, charge in expected
        ]
        for row, (_pk, charge) in zip(rows, expected, strict=True):
            charge.pk = row[2]
        self.credits_get_their_numbers()
        lots = Lot.objects.filter(customer=self.cast.acme).order_by("pk").values_list("pk", "remaining", "expires_at")
        assert list(lots) == sorted((lot.pk, lot.remaining, lot.expires_at) for lot in self.model.ledger.lots)
        self.model.ledger.balanced()
        assert balance(customer_id=self.cast.acme.pk, at=self.at) == self.model.on_hand(self.at)

    def credits_get_their_numbers(self) -> None:
        ledger = self.model.ledger
        nameless = [lot for lot in ledger.lots if not lot.pk]
        if not nameless:
            return
        known = [lot.pk for lot in ledger.lots if lot.pk]
        credits_ = Lot.objects.filter(customer=self.cast.acme, origin="credit").exclude(pk__in=known)
        rows = {(row.from_charge_id, row.from_lot_id): row.pk for row in credits_}
        legs = [
            (charge.pk, ledger.lots[place].pk)
            for charge in ledger.charges
            if charge.back and (charge.pk, ledger.lots[min(charge.legs)].pk) in rows
            for place in charge.legs
        ]
        assert len(legs) == len(nameless) == len(rows)
        for lot, leg in zip(nameless, legs, strict=True):
            lot.pk = rows[leg]

    def everybody_sees_what_is_theirs(self) -> None:
        """The desk everything, a customer no note, a restricted contact their own, a stranger nothing (D21, D22)."""
        scopes = {who: scope_of_contact(self.contact(who)) for who in ("owner", "restricted", "stranger")}
        desk = scope_of(self.user("technician"))
        for life in self.model.lives.values():
            incident = Incident.objects.select_related("customer").get(pk=life.pk)
            assert {act.value for act in Act if incident.allows(act)} == MAY["merged" if life.merged else life.status]
            all_of_it = {said.pk for said in self.model.of(life)}
            assert set(messages_for(desk, incident).values_list("pk", flat=True)) == all_of_it
            for who, scope in scopes.items():
                seen = self.sees(who, life)
                assert incidents_for(scope).filter(pk=life.pk).exists() == seen
                read = {said.pk for said in self.model.of(life) if said.kind != "note"} if seen else set()
                assert set(messages_for(scope, incident).values_list("pk", flat=True)) == read
        for step in TimelineEntry.objects.select_related("user", "contact", "incident__customer"):
            assert say(step)


def _run(cast: Cast, examples: int, steps: int) -> None:
    a_release()
    run_state_machine_as_test(
        type("OfTheCast", (Desk,), {"cast": cast}),
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )


@pytest.mark.rule("D10")
def test_the_table_says_what_the_model_says():
    for status, acts in MAY.items():
        merged = status == "merged"
        assert {act.value for act in Act if allows("closed" if merged else status, act, merged=merged)} == acts


def test_any_life_comes_out_as_the_model_has_it(cast: Cast):
    _run(cast, examples=12, steps=40)


@pytest.mark.full
def test_many_more_lives_come_out_as_the_model_has_it(cast: Cast):
    _run(cast, examples=300, steps=80)

"""The technician's verbs, and the admin's (D10, D11, D15, D17, D18, D36)."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from incidents.cases import CreditCase
from incidents.models import Incident, Message, TimelineEntry
from incidents.services import calls, conversation, crediting, declining, disposing, ending, ownership
from incidents.services.common import BugUndecided, NotAllowed
from points.refusals import AlreadyGivenBack, NotEnoughPoints
from tests.incidents.life_rows import HOUR, Case, Life
from tests.incidents.machine.playing import Played, Why, agains, places, staff, thens, words
from tests.incidents_helpers import key
from tests.points.ledger import DAY, TICK

ENDS = ("closed", "customer_closed", "closed_silence", "declined")


class DeskVerbs(Played):
    """Take, answer, note, log a call, close, decline, take back; product failures and feature requests."""

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

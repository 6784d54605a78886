"""The life of incidents once more, in plain Python and from docs/rules.md alone: where each stands after any verb."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from zoneinfo import ZoneInfo

from tests.incidents.life_rows import FINISHED, PRICE, Clock, End, Joined, Life, Plan, Said
from tests.points.twin import Twin, TwinCharge


@dataclass
class Lives:
    """All incidents of one customer."""

    customer: int
    zone: str
    due: Callable[[datetime], datetime]
    ledger: Twin = field(default_factory=Twin)
    lives: dict[int, Life] = field(default_factory=dict)
    said: list[Said] = field(default_factory=list)
    plans: dict[int, Plan] = field(default_factory=dict)
    mails: Counter[tuple[int, str]] = field(default_factory=Counter)
    told_today: set[tuple[str, int, int, str]] = field(default_factory=set)

    # What is asked

    def after_days(self, at: datetime, days: int) -> datetime:
        """The end of the customer's day that is so many days after ``at`` (D8, D16)."""
        day = at.astimezone(ZoneInfo(self.zone)).date() + timedelta(days=days + 1)
        return datetime.combine(day, time(), tzinfo=ZoneInfo(self.zone)).astimezone(UTC)

    def on_hand(self, at: datetime) -> int:
        return self.ledger.on_hand(self.customer, at)

    def lead(self, life: Life) -> Life:
        while life.merged:
            life = self.lives[life.merged]
        return life

    def of(self, life: Life) -> list[Said]:
        return [said for said in self.said if said.where == life.pk]

    def waiting(self, life: Life) -> Plan | None:
        return next((plan for plan in self.plans.values() if plan.life == life.pk and plan.state == "waiting"), None)

    def into(self, life: Life) -> list[Life]:
        return [other for other in self.lives.values() if other.merged == life.pk]

    def readers(self, life: Life) -> set[int]:
        return {life.contact} | life.followers

    # What all verbs do

    def mail(self, life: Life, kind: str, to: int | None = None) -> None:
        self.mails[life.pk, kind] += len(self.readers(life)) if to is None else to

    def once_a_day(self, life: Life, kind: str, contact: int, at: datetime) -> None:
        told = (kind, life.pk, contact, f"{at.astimezone(ZoneInfo(self.zone)):%Y-%m-%d}")
        if told not in self.told_today:
            self.told_today.add(told)
            self.mail(life, kind, to=1)

    def pays(self, life: Life | None, points: int, at: datetime) -> TwinCharge:
        legs = self.ledger.pay(self.customer, points, at)
        assert legs is not None
        charge = TwinCharge(0, self.customer, at, legs)
        self.ledger.charges.append(charge)
        if life is not None:
            life.charges.append(charge)
        return charge

    def gives_back(self, life: Life, at: datetime) -> int:
        charge = life.charges[-1]
        if charge.back:
            return 0
        charge.back = "points"
        self.ledger.lots += self.ledger.credits(charge, at)
        return sum(charge.legs.values())

    def a_clock(self, at: datetime) -> Clock:
        return Clock(started=at, due=self.due(at), own=at)

    def starts(self, clock: Clock, at: datetime) -> None:
        clock.started, clock.due = at, self.due(at)

    def puts(self, life: Life, status: str, at: datetime) -> None:
        life.status = status
        life.waits, life.reminded = (at if status == "waiting" else None), None
        life.closed = at if status in FINISHED else None
        plan = self.waiting(life)
        if status in FINISHED and plan is not None and plan.kind == "split":
            plan.state = "withdrawn"
            life.steps.append("split_withdrawn")

    def moves(self, life: Life, status: str, at: datetime) -> None:
        if status != life.status:
            life.steps.append("status")
            self.puts(life, status, at)

    def shuts(self, life: Life, code: str, at: datetime) -> None:
        life.steps.append(code)
        life.end = End(at=at, was=life.status, first=life.first is None, words=life.words)
        life.words = []
        life.first = life.first or at
        self.puts(life, "closed", at)

    def ends_clock(self, life: Life, why: str, at: datetime) -> bool:
        if life.clock.ended is not None:
            return False
        life.clock.ended, life.clock.why = at, why
        return True

    # The verbs

    def opens(self, life: Life, *, said: int, answer: tuple[int, str, int] | None, at: datetime) -> None:
        """``answer``: the message of a call in which it was answered, what came then, and by whom."""
        self.lives[life.pk] = life
        self.said.append(Said(said, "customer", life.pk))
        life.disposition = "received" if life.kind == "feature" else ""
        life.steps.append("opened")
        origin = life.origin[0]
        if origin:
            life.steps.append("reported_anew")
            self.lives[origin].steps.append("reported_anew")
        if answer:
            self.answers(life, "called", *answer, at=at)
        life.steps.append("number_mailed")
        self.mail(life, "opened", to=1)

    def answers(self, life: Life, code: str, said: int, then: str, user: int, *, at: datetime) -> None:
        self.said.append(Said(said, "call" if code == "called" else "answer", life.pk))
        if life.clock.ended is None:
            life.clock.ended, life.clock.answered = at, True
        life.steps.append(code)
        if life.owner is None:
            life.owner = user
            life.steps.append("taken")
        life.words = []
        if then == "closed":
            self.shuts(life, "closed", at)
        elif then == life.status == "waiting":
            life.waits, life.reminded = at, None
        else:
            self.moves(life, then, at)

    def hears(self, life: Life, said: int, contact: int, at: datetime) -> None:
        """A message of the customer's, on the incident that its number leads to (D10, D16, D35)."""
        self.said.append(Said(said, "customer", life.pk))
        life.steps.append("customer_wrote")
        if life.end is not None:
            life.end.since.append((at, None))
        if life.status == "closed":
            self.asks(life, contact, at, mail=True)
            return
        if life.status == "waiting":
            self.moves(life, "open", at)
        life.words.append((at, None))

    def asks(self, life: Life, contact: int, at: datetime, *, mail: bool) -> None:
        assert life.first is not None
        if life.asked is not None:
            return
        if at >= self.after_days(life.first, 90):
            if mail:
                self.once_a_day(life, "reopening_too_late", contact, at)
        else:
            life.asked = at
            life.steps.append("reopen_asked")
            if life.end is not None:
                life.end.since.append((at, None))

    def reopens(self, life: Life, at: datetime) -> None:
        life.clocks.append(self.a_clock(at))
        life.steps.append("reopened")
        self.puts(life, "open", at)
        life.asked, life.words, life.end = None, [(at, None)], None
        self.mail(life, "reopened")

    def declines(self, life: Life, said: int, reason: str, at: datetime) -> None:
        self.said.append(Said(said, "answer", life.pk))
        back = self.gives_back(life, at)
        self.ends_clock(life, "declined", at)
        life.steps.append("declined")
        life.end = End(at=at, was=life.status, first=False, words=life.words, back=back)
        life.words, life.reason = [], reason
        self.puts(life, "declined", at)
        self.mail(life, "declined")

    def takes_back(self, life: Life, at: datetime) -> None:
        end = life.end
        assert end is not None
        if end.back:
            self.pays(life, end.back, at)
        if not life.clock.answered:
            life.clock.ended = None
            self._runs_from_its_own(life)
        status = "open" if end.was == "new" and life.clock.answered else end.was
        status = "open" if status == "waiting" and end.since else status
        life.steps.append("taken_back")
        self.puts(life, status, at)
        life.words = [*end.words, *end.since]
        life.first = None if end.first else life.first
        life.asked, life.reason, life.end = None, "", None
        self.mail(life, "taken_back")

    def says(self, life: Life, said: int | None, kind: str) -> None:
        self.said += [] if said is None else [Said(said, kind, life.pk)]

    def notes(self, life: Life, said: int) -> None:
        self.says(life, said, "note")
        life.steps.append("noted")
        if life.status == "declined":
            life.words = []

    def keeps_call(self, life: Life, said: int, contact: int, at: datetime, *, reopen: bool) -> None:
        """A call on what has ended (D20)."""
        self.says(life, said, "call")
        life.steps.append("called")
        if reopen and life.status == "closed":
            self.asks(life, contact, at, mail=False)

    def refuses(self, life: Life, said: int) -> None:
        self.says(life, said, "answer")
        life.steps.append("reopen_refused")
        life.asked = None
        if life.end is not None:
            life.end.history = True
        self.mail(life, "reopening_refused")

    def is_closed_by_its_customer(self, life: Life, said: int | None, contact: int, at: datetime) -> None:
        self.says(life, said, "customer")
        self.ends_clock(life, "withdrawn", at)
        self.shuts(life, "customer_closed", at)
        self.mail(life, "customer_closed", to=len(self.readers(life) - {contact}))

    def ends_silence(self, life: Life, at: datetime) -> None:
        """What waits is reminded of, then closed (D10)."""
        if life.reminded is None:
            life.reminded = at
            life.steps.append("reminded")
            self.mail(life, "reminded")
        else:
            self.shuts(life, "closed_silence", at)
            self.mail(life, "closed_silence")

    def lapses(self, at: datetime) -> None:
        """What waits is told of three days before at nine, and lapses (D8, D14)."""
        for plan in self.plans.values():
            life = self.lives[plan.life]
            if plan.state == "waiting" and plan.until <= at:
                plan.state = "lapsed"
                life.steps.append("split_lapsed")
            elif plan.state == "waiting" and not plan.told and plan.until <= at + timedelta(days=3, hours=-9):
                plan.told = True
                self.mail(life, "proposal_lapsing")

    def merges(self, source: Life, target: Life, at: datetime) -> None:
        points = self.gives_back(source, at)
        ran = self.ends_clock(source, "merged", at)
        if ran and target.clock.ended is None:
            self.starts(target.clock, min(target.clock.started, source.clock.started))
        for said in self.of(source):
            said.where, said.home = target.pk, said.home or source.pk
        new = self.readers(source) - self.readers(target)
        target.followers |= new
        target.brought |= new
        self.mail(source, "merged")
        source.joined = Joined(source.status, source.first is None, source.words, points, ran)
        owed = [word for word, _from in source.words]
        if source.status == "new" and target.clock.ended is not None:
            owed.append(source.clock.started)  # its report, which no clock stands for any more
        target.words += [(word, source.pk) for word in owed]
        self.shuts(source, "merged", at)
        source.end, source.merged, source.merged_at = None, target.pk, at
        if owed and target.status == "waiting":
            self.moves(target, "open", at)
        target.steps.append("merged_in")

    def parts(self, plan: Plan, at: datetime) -> None:
        source = self.lives[plan.life]
        joined, target = source.joined, self.lives[source.merged or 0]
        assert joined is not None
        if joined.points:
            self.pays(source, PRICE[source.channel], at)
        source.merged = source.merged_at = source.joined = source.end = None
        self.puts(source, joined.was, at)
        source.first = None if joined.first else source.first
        source.words = joined.words
        target.words = [word for word in target.words if word[1] != source.pk]
        if target.end is not None:
            target.end.words = [word for word in target.end.words if word[1] != source.pk]
        self._takes_messages(source, target)
        others = self.into(target)
        leave = target.brought - {pk for other in others for pk in self.readers(other)}
        target.followers, target.brought = target.followers - leave, target.brought - leave
        if joined.ended:
            source.clock.ended = None
            self._runs_from_its_own(target)
        plan.state = "accepted"
        source.steps.append("unmerged")
        target.steps.append("unmerged_from")
        self.mail(source, "parted")

    def _runs_from_its_own(self, life: Life) -> None:
        """Or from the start of one that is merged into it since (D12)."""
        if life.clock.ended is None:
            own = life.clock.own
            into = [o for o in self.into(life) if o.joined and o.joined.ended and o.merged_at and o.merged_at >= own]
            self.starts(life.clock, min([own, *(other.clock.started for other in into)]))

    def _takes_messages(self, source: Life, target: Life) -> None:
        homes, ahead = {source.pk}, [source]
        while ahead:
            found = self.into(ahead.pop())
            homes |= {other.pk for other in found}
            ahead += found
        for said in self.of(target):
            if said.home in homes:
                said.where, said.home = source.pk, None if said.home == source.pk else said.home

    def divides(self, plan: Plan, made: Iterable[tuple[int, dict[int, int]]], owner: int, at: datetime) -> None:
        """``made``: each part's incident, and its copies by the message that each is one of."""
        life = self.lives[plan.life]
        kind_of = {said.pk: said.kind for said in self.said}
        for title, chosen, (pk, copies) in zip(plan.titles[1:], plan.chosen[1:], made, strict=True):
            paid = self.pays(None, PRICE[life.channel], at)
            part = Life(pk, life.contact, life.channel, life.kind, title, [self.a_clock(at)], [paid])
            part.owner, part.origin = life.owner or owner, (life.pk, "split")
            part.disposition = "received" if life.kind == "feature" else ""
            part.steps = ["split_off", "number_mailed"]
            self.lives[pk] = part
            self.mail(part, "split_off", to=1)
            assert copies.keys() == self.there(life, chosen)
            self.said += [Said(copy, kind_of[of], pk, None, of) for of, copy in copies.items()]
        plan.state = "accepted"
        life.subject = plan.titles[0]
        life.steps.append("split")
        self.mail(life, "split")

    def there(self, life: Life, chosen: Iterable[int]) -> set[int]:
        """Those of the chosen messages that are still there (D14)."""
        return {said.pk for said in self.of(life)} & set(chosen)

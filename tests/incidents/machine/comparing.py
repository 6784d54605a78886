"""Everything that is stored, compared with the model after each verb: rows, steps, mails, points, who sees what."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import Any, ClassVar

from django.db import connection, transaction
from hypothesis.stateful import RuleBasedStateMachine, invariant

from incidents.access import incidents_for, messages_for
from incidents.cases import CreditCase
from incidents.models import Follower, Incident, IncidentCharge, IncidentClock, Message, Proposal, TimelineEntry
from incidents.statuses import Act
from incidents.stories import say
from points.models import Lot
from points.queries import balance
from sla.calendars import calendar_for
from sla.deadline import plan
from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import Contact, User
from supportdesk.people.scope import scope_of, scope_of_contact
from tests.cast import Cast
from tests.incidents.life import Lives
from tests.incidents.life_rows import MAY, Life
from tests.incidents_helpers import opened
from tests.points.ledger import checked

START = datetime(2026, 12, 1, 15, 0, tzinfo=UTC)  # a Tuesday, 10:00 in New York


class Compared(RuleBasedStateMachine):
    """A desk and its model, compared row by row."""

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

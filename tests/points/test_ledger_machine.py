"""Whatever is bought, spent, given back, held and left to expire, in any order: as a twin has it (R2, R3, D1–D6)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

import pytest
from django.db import transaction
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

from points.hold_services import Claim, held_points, place_hold
from points.models import Hold, HoldNews, Lot, Refund
from points.queries import balance, statement
from points.refusals import AlreadyDecided, AlreadyGivenBack, NotEnoughPoints, NotToCard
from points.services import write_expiries
from supportdesk.people.models import Customer, User
from tests.cast import Cast
from tests.points.ledger import (
    DAY,
    TICK,
    back,
    bought,
    charged,
    checked,
    decided,
    given,
    on_hold,
    said,
    sql,
    to_card,
)
from tests.points.twin import Twin, TwinCharge, TwinHold, TwinLot, TwinRefund

pytestmark = [
    pytest.mark.rule("R2", "R3", "D1", "D2", "D3", "D4", "D5", "D6", "D32"),
    pytest.mark.usefixtures("provider"),
]

START = datetime(2027, 2, 27, 12, tzinfo=UTC)
RANK = ("pending", "sent", "done", "failed")
places = st.integers(0, 1_000)
whose = st.integers(0, 1)
stories = st.fixed_dictionaries(
    {
        "who": whose,
        "points": st.integers(1, 30),
        "days": st.sampled_from([0, 20]),
        "end": st.sampled_from(["points", "card", "done", "failed"]),
        "again": st.integers(0, 12),
    }
)


class Ledger(RuleBasedStateMachine):
    """Each rule does one thing to the database and the same to the twin, and each has to come out the same."""

    customers: ClassVar[list[Customer]] = []
    admin: ClassVar[User]

    def __init__(self) -> None:
        super().__init__()
        self.block = transaction.atomic()
        self.block.__enter__()
        self.twin = Twin()
        self.at = START

    def teardown(self) -> None:
        try:
            assert "nothing differs" in checked()
        finally:
            transaction.set_rollback(True)
            self.block.__exit__(None, None, None)

    def picked(self, rows: list[Any], place: int) -> Any:
        return rows[place % len(rows)]

    def settled(self) -> None:
        """What a commit would find."""
        sql("SET CONSTRAINTS ALL IMMEDIATE")
        sql("SET CONSTRAINTS ALL DEFERRED")

    # Points come

    @initialize(amount=st.sampled_from([1000, 24000]), first=stories, second=stories)
    def have_some(self, amount: int, first: dict[str, Any], second: dict[str, Any]) -> None:
        for late, who in enumerate((0, 1, 0, 1, 0)):
            self.buys(who, 12, amount, "EUR", 5 - late)
        for story in (first, second):
            self.spends_and_has_it_back(story)

    @rule(
        who=whose,
        points=st.integers(1, 30),
        amount=st.sampled_from([1, 7, 999, 1000, 24000, 99_999_999]),
        currency=st.sampled_from(["EUR", "JPY", "KWD"]),
        late=st.integers(0, 2),
    )
    def buys(self, who: int, points: int, amount: int, currency: str, late: int) -> None:
        customer, paid_at = self.customers[who], self.at - late * timedelta(hours=9)
        lot = bought(customer, points, amount, at=paid_at, currency=currency)
        twin = self.twin.buy(lot.pk, customer.pk, points, paid_at, customer.zone, amount)
        assert lot.expires_at == twin.expires_at

    @rule(who=whose, points=st.integers(1, 12))
    def is_granted(self, who: int, points: int) -> None:
        customer = self.customers[who]
        lot = given(customer, points, at=self.at)
        self.twin.buy(lot.pk, customer.pk, points, self.at, customer.zone)

    # Points go

    @rule(who=whose, points=st.integers(1, 12))
    def spends(self, who: int, points: int) -> None:
        customer, on_hand = self.customers[who], self.twin.on_hand(self.customers[who].pk, self.at)
        legs = self.twin.pay(customer.pk, points, self.at)
        if legs is None:
            with pytest.raises(NotEnoughPoints) as refused:
                charged(customer, points, at=self.at)
            assert (refused.value.needed, refused.value.on_hand) == (points, on_hand)
            return
        made = charged(customer, points, at=self.at)
        self.twin.charges.append(TwinCharge(made.pk, customer.pk, self.at, legs))
        assert {self.twin.lots[place].pk: n for place, n in legs.items()} == {
            lot: -n for lot, n in made.entries.values_list("lot_id", "points")
        }

    @rule(story=stories)
    def spends_and_has_it_back(self, story: dict[str, Any]) -> None:
        """A whole story at once, for by chance alone few are told to their end; then some is spent again."""
        before, refunds = len(self.twin.charges), len(self.twin.refunds)
        self.spends(story["who"], story["points"])
        if len(self.twin.charges) == before:
            return
        self.at += story["days"] * DAY
        end = story["end"]
        if end == "points":
            self.is_credited(before)
        else:
            self.is_refunded(before)
            for place in range(refunds, len(self.twin.refunds)) if end != "card" else ():
                self.the_provider_says(place, end)
        if story["again"]:
            self.spends(story["who"], story["again"])

    @rule()
    def expires(self) -> None:
        due = [lot for lot in self.twin.lots if lot.remaining and lot.expires_at <= self.at]
        assert write_expiries(at=self.at) == len(due)
        for lot in due:
            lot.expired += lot.remaining
            lot.remaining = 0

    # Points and money come back

    def came_back(self, made: list[TwinLot], charge: TwinCharge) -> None:
        """Gives the twin's credits the numbers of the database's."""
        found = Lot.objects.filter(from_charge_id=charge.pk, origin="credit")
        known = {lot.pk for lot in self.twin.lots}
        numbers = {(lot.from_lot_id): lot for lot in found if lot.pk not in known}
        sources = [place for place in charge.legs if self.twin.lots[place].pk in numbers]
        assert len(numbers) == len(made) == len(sources)
        for lot, place in zip(made, sources, strict=True):
            row = numbers[self.twin.lots[place].pk]
            assert (row.points, row.expires_at, row.bought_at) == (lot.points, lot.expires_at, lot.bought_at)
            lot.pk = row.pk
            self.twin.lots.append(lot)

    @precondition(lambda self: self.twin.charges)
    @rule(place=places)
    def is_credited(self, place: int) -> None:
        charge = self.picked(self.twin.charges, place)
        if charge.back:
            with pytest.raises(AlreadyGivenBack):
                back(self.charge_row(charge), at=self.at)
            return
        back(self.charge_row(charge), at=self.at)
        charge.back = "points"
        self.came_back(self.twin.credits(charge, self.at), charge)

    @precondition(lambda self: self.twin.charges)
    @rule(place=places)
    def is_refunded(self, place: int) -> None:
        charge = self.picked(self.twin.charges, place)
        right = self.twin.refund(charge)
        if charge.back or isinstance(right, str):
            with pytest.raises(AlreadyGivenBack if charge.back else NotToCard) as refused:
                to_card(self.charge_row(charge), at=self.at)
            if isinstance(refused.value, NotToCard):
                assert refused.value.why == right
            return
        made = to_card(self.charge_row(charge), at=self.at)
        assert [(refund.points, refund.amount_minor) for refund in made] == [(n, money) for _p, n, money in right]
        charge.back = "card"
        for refund, (purchase, points, money) in zip(made, right, strict=True):
            self.twin.refunds.append(TwinRefund(refund.pk, charge, purchase, points, money))

    @precondition(lambda self: self.twin.refunds)
    @rule(place=places, state=st.sampled_from(RANK[1:]))
    def the_provider_says(self, place: int, state: str) -> None:
        refund = self.picked(self.twin.refunds, place)
        news = RANK.index(state) > RANK.index(refund.state)
        assert (said(Refund.objects.get(pk=refund.pk), state, at=self.at) is not None) == news
        if not news:
            return
        refund.state = state
        if state == "failed":
            self.came_back(self.twin.credits(refund.charge, self.at, refund.purchase), refund.charge)

    # Money goes back otherwise

    @precondition(lambda self: sum(hold.outcome is None for hold in self.twin.holds) < 2)
    @rule(place=places, kind=st.sampled_from(["chargeback", "refund"]))
    def is_held(self, place: int, kind: str) -> None:
        by_card = [lot for lot in self.twin.lots if lot.purchase.amount]
        lot = self.picked(by_card, place)
        row = on_hold(Lot.objects.get(pk=lot.pk), at=self.at, kind=kind)
        hold = TwinHold(row.pk, lot.purchase, {"needs_response"})
        lot.purchase.refs.append(hold)
        self.twin.holds.append(hold)

    @precondition(lambda self: self.twin.holds)
    @rule(place=places, word=st.sampled_from(["won", "lost"]))
    def is_heard_of(self, place: int, word: str) -> None:
        hold = self.picked(self.twin.holds, place)
        row = HoldNews.objects.filter(hold_id=hold.pk).select_related("hold")[0].hold
        again = Claim(
            kind=Hold.Kind(row.kind),
            provider_ref=row.provider_ref,
            amount_minor=row.amount_minor,
            currency=row.currency,
            reason="",
            status=word,
            happened_at=self.at,
        )
        assert place_hold(purchase_id=row.purchase_id, claim=again, at=self.at) is None
        hold.words.add(word)

    @precondition(lambda self: self.twin.holds)
    @rule(place=places, outcome=st.sampled_from(["released", "written_off"]))
    def is_decided(self, place: int, outcome: str) -> None:
        hold = self.picked(self.twin.holds, place)
        row = HoldNews.objects.filter(hold_id=hold.pk).select_related("hold")[0].hold
        if hold.outcome is not None:
            with pytest.raises(AlreadyDecided):
                decided(row, outcome, by=self.admin, at=self.at)
            return
        there = [lot for lot in self.twin.of(hold.purchase.customer, self.at) if lot.purchase is hold.purchase]
        made = decided(row, outcome, by=self.admin, at=self.at)
        assert made.points == sum(lot.remaining for lot in there)
        hold.outcome = outcome
        for lot in there if outcome == "written_off" else []:
            lot.written_off += lot.remaining
            lot.remaining = 0

    # Time goes by

    @rule(ahead=st.sampled_from([TICK, timedelta(hours=7), 20 * DAY]))
    def time_passes(self, ahead: timedelta) -> None:
        self.at += ahead

    @precondition(lambda self: self.twin.charges)
    @rule(early=st.sampled_from([TICK, timedelta(0)]))
    def time_passes_until_something_expires(self, early: timedelta) -> None:
        ends = [lot.expires_at for lot in self.twin.lots if lot.remaining and lot.expires_at - early > self.at]
        self.at = min(ends, default=self.at + early) - early if ends else self.at

    # Each time

    def charge_row(self, charge: TwinCharge) -> Any:
        return next(row for row in self.customers[0].charges.model.objects.filter(pk=charge.pk))

    @invariant()
    def all_is_as_the_twin_has_it(self) -> None:
        self.settled()
        rows = Lot.objects.order_by("pk").values_list("pk", "remaining", "held", "expires_at")
        assert list(rows) == [
            (lot.pk, lot.remaining, lot.purchase.held, lot.expires_at)
            for lot in sorted(self.twin.lots, key=lambda lot: lot.pk)
        ]
        self.twin.balanced()
        for customer in self.customers:
            pk = customer.pk
            assert balance(customer_id=pk, at=self.at) == self.twin.on_hand(pk, self.at)
            assert held_points(customer_id=pk, at=self.at) == self.twin.held(pk, self.at)
            whole = statement(customer_id=pk, at=self.at, size=10_000).lines
            assert sum(line.points for line in whole) == self.twin.in_sight(pk, self.at)
            running = 0
            for line in reversed(whole):
                running += line.points
                assert line.balance == running >= 0


def _run(cast: Cast, examples: int, steps: int) -> None:
    """Two customers, in New York and in Berlin."""
    machine = type("OfTheCast", (Ledger,), {"customers": [cast.acme, cast.other], "admin": cast.admin})
    run_state_machine_as_test(
        machine,
        settings=settings(
            max_examples=examples,
            stateful_step_count=steps,
            deadline=None,
            suppress_health_check=list(HealthCheck),
            database=None,
            print_blob=True,
        ),
    )


def test_any_order_comes_out_as_the_twin_has_it(cast: Cast):
    _run(cast, examples=25, steps=35)


@pytest.mark.full
def test_many_more_orders_come_out_as_the_twin_has_it(cast: Cast):
    _run(cast, examples=100, steps=80)

"""A charge that goes back to the cards that paid it, leg by leg, in whatever order the words come (D3, D4, D5)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from points.giving_back import refund_preview, refunds_of
from points.models import Charge, Entry, GiveBack, HoldNews, Lot, Refund
from points.queries import balance
from points.refund_services import RefundWord, record_refund, try_again
from points.refusals import AlreadyGivenBack, KeyReused, NotToCard, ReasonMissing
from points.services import grant, write_expiries
from tests.cast import Cast
from tests.incidents_helpers import at_once
from tests.points.ledger import DAY, back, bought, charged, checked, key, left, on_hold, rows, said, to_card

pytestmark = [pytest.mark.rule("D4", "D5"), pytest.mark.usefixtures("provider")]


@pytest.fixture
def lots(cast: Cast, at: datetime) -> list[Lot]:
    """Four points for EUR 30.00, and thirty for EUR 240.00."""
    return [bought(cast.acme, 4, 3000, at=at - DAY), bought(cast.acme, 30, 24000, at=at)]


@pytest.fixture
def charge(cast: Cast, lots: list[Lot], at: datetime) -> Charge:
    """Ten points: four of the first purchase, six of the second."""
    return charged(cast.acme, at=at)


def free(cast: Cast, points: int, *, at: datetime, **facts: Any) -> Lot:
    return grant(customer=cast.acme, points=points, at=at, reason="For the test", actor=None, key=key(), **facts)


def test_each_purchase_pays_back_its_leg(cast: Cast, lots: list[Lot], charge: Charge, at: datetime):
    before = rows()
    made = to_card(charge, at=at + DAY, reason=" QM-1 ")
    assert [(row.purchase, row.points, row.amount_minor, row.currency) for row in made] == [
        (lots[0].purchase, 4, 3000, "EUR"),
        (lots[1].purchase, 6, 4800, "EUR"),
    ]
    assert {(row.state, row.provider_ref, row.decided_at, row.next_try_at) for row in made} == {
        ("pending", None, at + DAY, at + DAY)
    }
    assert len({row.key for row in made}) == 2
    done = GiveBack.objects.get()
    assert (done.means, done.reason, done.charge) == ("card", "QM-1", charge)
    assert rows() == before, "the charge took the points: a refund makes no entry"
    assert balance(customer_id=cast.acme.pk, at=at + DAY) == 24
    assert refunds_of(charge_id=charge.pk) == made
    assert "nothing differs" in checked()


def test_lots_of_one_purchase_are_one_leg(cast: Cast, at: datetime):
    """A credit of the purchase and the purchase itself pay together."""
    bought(cast.acme, 12, 10000, at=at)
    back(charged(cast.acme, 5, at=at), at=at)
    again = charged(cast.acme, 10, at=at)
    assert again.entries.count() == 2
    (refund,) = to_card(again, at=at)
    assert (refund.points, refund.amount_minor) == (10, 8333)
    said(refund, "failed", at=at + DAY)
    assert sorted(Lot.objects.filter(from_charge=again).values_list("points", flat=True)) == [3, 7]
    assert "nothing differs" in checked()


# Not to a card


def why(charge: Charge, at: datetime) -> str:
    """Why it cannot go to a card, by the preview and by the deed; which then changes nothing."""
    before = (rows(), GiveBack.objects.count(), Refund.objects.count())
    with pytest.raises(NotToCard) as refused:
        to_card(charge, at=at)
    assert refund_preview(charge_id=charge.pk).refusal == refused.value.why
    assert refund_preview(charge_id=charge.pk).legs == ()
    assert (rows(), GiveBack.objects.count(), Refund.objects.count()) == before
    return refused.value.why


@pytest.mark.parametrize("facts", [{}, {"kind": "invoice", "amount_minor": 9000, "currency": "EUR"}], ids=str)
def test_points_that_no_card_paid_go_to_none_not_even_in_part(cast: Cast, at: datetime, facts: dict[str, Any]):
    free(cast, 4, at=at - DAY, **facts)
    lot = bought(cast.acme, at=at)
    mixed, pure = charged(cast.acme, at=at), charged(cast.acme, at=at)
    assert why(mixed, at) == "not_by_card"
    (refund,) = to_card(pure, at=at)
    assert (refund.purchase, refund.amount_minor) == (lot.purchase, 8000)


def test_a_credit_of_a_grant_is_as_free_as_the_grant(cast: Cast, at: datetime):
    free(cast, 10, at=at)
    back(charged(cast.acme, at=at), at=at)
    assert why(charged(cast.acme, at=at), at) == "not_by_card"


def test_without_a_provider_nothing_goes_to_a_card(charge: Charge, at: datetime, settings: Any):
    settings.STRIPE_SECRET_KEY = ""
    assert why(charge, at) == "no_provider"


@pytest.mark.rule("D32")
@pytest.mark.parametrize(("word", "stayed"), [("lost", False), ("won", True), ("warning_closed", True)])
@pytest.mark.parametrize("kind", ["chargeback", "refund"])
def test_money_that_went_back_otherwise_does_not_go_back_twice(
    lots: list[Lot], charge: Charge, at: datetime, kind: str, word: str, stayed: bool
):
    hold = on_hold(lots[0], at=at, kind=kind)
    assert why(charge, at) == "money_went_back"
    HoldNews.objects.create(hold=hold, status=word, heard_at=at)
    if stayed:
        assert len(to_card(charge, at=at)) == 2
    else:
        assert why(charge, at) == "money_went_back"


def test_less_than_the_smallest_unit_does_not_go_back(cast: Cast, at: datetime):
    bought(cast.acme, 30, 1, at=at, currency="JPY")
    charge = charged(cast.acme, at=at)
    assert why(charge, at) == "too_small"
    assert back(charge, at=at)


# Once


def test_points_or_money_never_both(cast: Cast, charge: Charge, at: datetime):
    to_card(charge, at=at)
    for again in (partial(to_card, charge), partial(back, charge)):
        with pytest.raises(AlreadyGivenBack) as refused:
            again(at=at + DAY)
        assert refused.value.when == at
    other = charged(cast.acme, at=at)
    back(other, at=at)
    with pytest.raises(AlreadyGivenBack):
        to_card(other, at=at)
    assert (Refund.objects.count(), Lot.objects.filter(origin="credit").count()) == (2, 1)


def test_what_failed_is_given_back_and_no_second_time(charge: Charge, at: datetime):
    for refund in to_card(charge, at=at):
        said(refund, "failed", at=at)
    for again in (partial(to_card, charge), partial(back, charge)):
        with pytest.raises(AlreadyGivenBack):
            again(at=at + DAY)
    assert "nothing differs" in checked()


def test_a_key_gives_the_first_refunds_back_and_with_other_content_is_refused(cast: Cast, charge: Charge, at: datetime):
    first = to_card(charge, at=at, key_="k")
    assert to_card(charge, at=at + DAY, key_="k") == first
    for refund in first:
        said(refund, "failed", at=at)
    assert to_card(charge, at=at + DAY, key_="k") == first
    other = charged(cast.acme, at=at)
    for again in (
        partial(to_card, charge, reason="Another"),
        partial(to_card, other),
        partial(back, charge, reason="A bug"),
    ):
        with pytest.raises(KeyReused):
            again(at=at, key_="k")
    back(other, at=at, key_="points")
    with pytest.raises(KeyReused):
        to_card(other, at=at, key_="points")


def test_a_reason_is_asked_for(charge: Charge, at: datetime):
    with pytest.raises(ReasonMissing):
        to_card(charge, at=at, reason=" ")
    assert not GiveBack.objects.exists()


# The words of the provider

STATES = ("sent", "done", "failed")
ENDS = {frozenset(STATES[:n]): STATES[n - 1] for n in (1, 2, 3)}


def test_a_leg_that_fails_comes_back_as_points_with_the_life_they_had(
    cast: Cast, lots: list[Lot], charge: Charge, at: datetime
):
    first, second = to_card(charge, at=at)
    said(first, "done", at=at + DAY)
    late = at + 400 * DAY
    write_expiries(at=late)
    refund = said(second, "failed", at=late)
    assert refund is not None
    assert (refund.state, refund.settled_at, refund.word) == ("failed", late, "it is failed")
    (credit,) = Lot.objects.filter(origin="credit")
    assert (credit.points, credit.from_lot, credit.purchase) == (6, lots[1], lots[1].purchase)
    assert credit.expires_at - late == lots[1].expires_at - charge.charged_at
    entry = credit.entries.get()
    assert (entry.cause, entry.at, entry.actor, entry.charge) == ("credit", late, None, charge)
    assert left(lots[0]) == [0]
    assert balance(customer_id=cast.acme.pk, at=late) == 6
    assert "nothing differs" in checked()


def test_what_a_bank_sends_back_after_it_was_paid_comes_back_as_points(cast: Cast, charge: Charge, at: datetime):
    first, _second = to_card(charge, at=at)
    for n, state in enumerate(("sent", "done", "failed")):
        assert said(first, state, at=at + n * DAY) is not None
    first.refresh_from_db()
    assert (first.state, first.settled_at) == ("failed", at + 2 * DAY)
    assert balance(customer_id=cast.acme.pk, at=at + 2 * DAY) == 24 + 4
    assert "nothing differs" in checked()


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck), database=None)
@given(
    said_=st.lists(st.tuples(st.integers(0, 1), st.sampled_from(STATES)), max_size=9),
    again=st.randoms(use_true_random=False),
)
@example(said_=[(0, "failed"), (0, "done"), (0, "sent"), (0, "failed")], again=None)
def test_in_any_order_and_however_often_the_words_end_in_one_state(
    cast: Cast, charge: Charge, at: datetime, said_: list[tuple[int, str]], again: Any
):
    """The furthest word of a refund decides, and what failed is given back once."""

    def after(words: list[tuple[int, str]]) -> Any:
        with transaction.atomic():
            legs = to_card(charge, at=at)
            news = [said(legs[which], state, at=at) for which, state in words]
            found = (
                [(row.points, row.state, row.settled_at) for row in refunds_of(charge_id=charge.pk)],
                sorted(Lot.objects.filter(origin="credit").values_list("points", "expires_at")),
                balance(customer_id=cast.acme.pk, at=at),
            )
            assert sum(1 for row in news if row is not None and row.state == "failed") == len(found[1])
            assert "nothing differs" in checked()
            transaction.set_rollback(True)
        return found

    straight = after(said_)
    for which, (_points, state, settled_at) in enumerate(straight[0]):
        heard = [word for leg, word in said_ if leg == which]
        assert state == max(heard, key=STATES.index, default="pending")
        assert (settled_at is None) == (state in ("pending", "sent"))
    if again is not None:
        shuffled = said_ + said_[:3]
        again.shuffle(shuffled)
        assert after(shuffled) == straight


def test_a_word_before_the_decision_by_our_clock_settles_at_the_decision(charge: Charge, at: datetime):
    first, _second = to_card(charge, at=at)
    refund = said(first, "done", at=at - timedelta(seconds=1))
    assert refund is not None
    assert refund.settled_at == at


def test_the_first_reference_stays_and_a_long_word_is_cut(charge: Charge, at: datetime):
    first, _second = to_card(charge, at=at)
    said(first, "sent", at=at)
    word = RefundWord(state=Refund.State.DONE, provider_ref="re_other", text="x" * 600)
    refund = record_refund(refund_id=first.pk, word=word, at=at)
    assert refund is not None
    assert (refund.provider_ref, refund.word) == (f"re_{first.pk}", "x" * 500)


def test_what_waits_is_tried_now_and_what_ended_is_not(charge: Charge, at: datetime):
    first, second = to_card(charge, at=at)
    Refund.objects.update(next_try_at=at + DAY)
    assert try_again(refund_id=first.pk, at=at)
    said(second, "failed", at=at)
    assert not try_again(refund_id=second.pk, at=at)
    first.refresh_from_db()
    assert first.next_try_at == at


@pytest.mark.rule("D32")
def test_a_failed_leg_of_a_purchase_on_hold_comes_back_on_hold(
    cast: Cast, lots: list[Lot], charge: Charge, at: datetime
):
    _first, second = to_card(charge, at=at)
    on_hold(lots[1], at=at)
    said(second, "failed", at=at)
    assert Lot.objects.get(origin="credit").held
    assert balance(customer_id=cast.acme.pk, at=at) == 0
    assert "nothing differs" in checked()


# Many at once


def test_ten_at_once_by_points_and_by_card_give_back_once(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    charge = charged(committed_cast.acme, at=at)
    works: list[Callable[..., Any]] = [to_card, back]
    done = at_once(*[partial(work, charge, at=at) for work in works * 5], checked)
    assert sum(isinstance(result, AlreadyGivenBack) for result in done) == 9
    assert (GiveBack.objects.count(), Refund.objects.count() + Lot.objects.filter(origin="credit").count()) == (1, 1)
    assert "nothing differs" in done[-1]
    assert "nothing differs" in checked()


def test_charges_of_one_purchase_refunded_at_once_sum_to_what_was_paid(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, 30, 1000, at=at)
    charges = [charged(committed_cast.acme, at=at) for _ in range(3)]
    done = at_once(*[partial(to_card, charge, at=at) for charge in charges])
    assert sorted(refund.amount_minor for (refund,) in done) == [333, 333, 334]


def test_words_at_once_give_the_points_once(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    (refund,) = to_card(charged(committed_cast.acme, at=at), at=at)
    done = at_once(*[partial(said, refund, state, at=at) for state in STATES * 4])
    assert sum(isinstance(result, Refund) and result.state == "failed" for result in done) == 1
    assert not [result for result in done if isinstance(result, Exception)]
    assert Entry.objects.filter(cause="credit").count() == 1
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 30
    assert "nothing differs" in checked()


def test_the_customers_row_is_locked_first(charge: Charge, at: datetime):
    with CaptureQueriesContext(connection) as asked:
        first, _second = to_card(charge, at=at)
    assert _locked(asked) == ["people_customer"]
    with CaptureQueriesContext(connection) as asked:
        said(first, "failed", at=at)
    assert _locked(asked) == ["people_customer", "points_refund"]


def _locked(asked: CaptureQueriesContext) -> list[str]:
    """The tables whose rows were locked, in order."""
    found = [query["sql"] for query in asked if query["sql"].startswith("SELECT") and " FOR " in query["sql"]]
    return [statement.split(' FROM "')[1].split('"')[0] for statement in found]


def test_a_decision_costs_the_same_for_one_leg_and_for_many(cast: Cast, at: datetime):
    def cost(charge: Charge) -> tuple[int, int]:
        with CaptureQueriesContext(connection) as decides:
            refunds = to_card(charge, at=at)
        with CaptureQueriesContext(connection) as fails:
            said(refunds[0], "failed", at=at)
        return len(decides), len(fails)

    bought(cast.acme, 10, at=at)
    one = cost(charged(cast.acme, at=at))
    Lot.objects.exists()
    for _ in range(8):
        bought(cast.acme, 2, at=at)
    assert cost(charged(cast.acme, 26, at=at)) == one

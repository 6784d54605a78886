"""A product failure that is refunded to the card, and what becomes of it (R14, D4, D5, D17)."""

from __future__ import annotations

from datetime import datetime
from functools import partial
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from incidents.cases import CreditCase
from incidents.models import Incident, TimelineEntry
from incidents.services import crediting
from incidents.services.crediting import AlreadyDetermined, CardNotPossible
from incidents.stories import say
from points.models import GiveBack, Lot, Refund
from points.queries import balance
from points.refund_services import RefundWord
from points.refusals import AlreadyGivenBack
from points.services import credit_back
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.crediting import DAY, decide, everything, flat, mail, marked
from tests.incidents_helpers import at_once, key, opened, steps
from tests.points.ledger import bought, charged, checked, given, on_hold, to_card

pytestmark = pytest.mark.rule("R14", "D4", "D5", "D17")


@pytest.fixture(autouse=True)
def provider(settings: Any) -> None:
    """A desk that has a payment provider; nothing here calls it."""
    settings.STRIPE_SECRET_KEY = "sk_test_of_the_cases"


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """Four points of one card and six of another paid it."""
    bought(cast.acme, 4, 3000, at=at - DAY)
    bought(cast.acme, 30, 24000, at=at)
    return opened(cast.owner, at=at, points=0)


@pytest.fixture
def case(cast: Cast, incident: Incident, at: datetime) -> CreditCase:
    return marked(incident, cast, at=at)


@pytest.fixture
def refunds(cast: Cast, case: CreditCase, at: datetime) -> list[Refund]:
    decide(case, cast, "refunded", at=at + DAY)
    return list(Refund.objects.order_by("pk"))


def settle(refund: Refund, state: str, *, at: datetime) -> Refund | None:
    word = RefundWord(state=Refund.State(state), provider_ref=f"re_{refund.pk}", text=f"it is {state}")
    return crediting.settle_refund(refund_id=refund.pk, word=word, at=at)


def told(kind: str) -> int:
    return OutgoingMail.objects.filter(kind=f"incident_{kind}").count()


def test_what_the_customer_chose_is_what_an_admin_does(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="card", at=at)
    decided = decide(case, cast, "", at=at + DAY, key="k")
    assert (decided.state, decided.outcome, decided.determined_by) == ("determined", "refunded", cast.admin)
    found = Refund.objects.order_by("pk").values_list("points", "amount_minor", "state", "decided_at")
    assert list(found) == [(4, 3000, "pending", at + DAY), (6, 4800, "pending", at + DAY)]
    back = GiveBack.objects.get()
    assert (back.means, back.actor, back.reason) == ("card", cast.admin, "Product failure QM-4518")
    assert balance(customer_id=cast.acme.pk, at=at + DAY) == 24
    assert steps(case.incident)[-2:] == ["bug_chosen", "bug_refunded"]
    assert "goes back to your card" in flat(mail("bug_determined").text)
    before = everything()
    assert decide(case, cast, "refunded", at=at + 2 * DAY, key="k") == decided
    with pytest.raises(AlreadyDetermined):
        decide(case, cast, "credited", at=at + 2 * DAY)
    assert (everything(), Refund.objects.count()) == (before, 2)
    assert "nothing differs" in checked()


@pytest.mark.rule("D32")
def test_money_that_went_back_meanwhile_is_refused_and_points_are_not(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="card", at=at)
    hold = on_hold(Lot.objects.latest("pk"), at=at)
    before = everything()
    with pytest.raises(CardNotPossible) as refused:
        decide(case, cast, "", at=at + DAY)
    assert (refused.value.why, everything(), Refund.objects.count()) == ("money_went_back", before, 0)
    assert decide(case, cast, "credited", at=at + DAY).outcome == "credited"
    assert Lot.objects.filter(origin="credit", held=True).count() == 1
    assert hold.purchase.lots.filter(held=True).count() == 2


def test_a_grant_among_the_cards_leaves_points_only(cast: Cast, at: datetime):
    given(cast.acme, 4, at=at - DAY)
    bought(cast.acme, at=at)
    case = marked(opened(cast.owner, at=at, points=0), cast, at=at)
    with pytest.raises(CardNotPossible) as refused:
        crediting.choose(case_id=case.pk, contact=cast.owner, choice="card", at=at)
    assert refused.value.why == "not_by_card"


def test_what_was_credited_elsewhere_is_not_refunded(cast: Cast, case: CreditCase, at: datetime):
    credit_back(charge_id=case.charge_id, at=at, actor=None, key=key(), reason="Declined")
    before = everything()
    with pytest.raises(AlreadyGivenBack):
        decide(case, cast, "refunded", at=at)
    assert (everything(), Refund.objects.count()) == (before, 0)


def test_on_its_way_says_nothing_and_paid_back_is_a_step(case: CreditCase, refunds: list[Refund], at: datetime):
    assert settle(refunds[0], "sent", at=at + DAY) is not None
    assert steps(case.incident)[-1] == "bug_refunded"
    for _time in range(2):
        settle(refunds[0], "done", at=at + 2 * DAY)
    assert steps(case.incident).count("refund_done") == 1
    assert told("refund_failed") == 0
    assert say(TimelineEntry.objects.latest("pk")) == "The refund was paid back to the card"


@pytest.mark.parametrize("before", [[], ["sent"], ["sent", "done"]], ids=str)
def test_a_leg_that_failed_comes_back_as_points_and_is_told_once(
    cast: Cast, case: CreditCase, refunds: list[Refund], at: datetime, before: list[str]
):
    for state in before:
        settle(refunds[1], state, at=at + 2 * DAY)
    for _time in range(2):
        settle(refunds[1], "failed", at=at + 3 * DAY)
    settle(refunds[1], "done", at=at + 4 * DAY)
    assert balance(customer_id=cast.acme.pk, at=at + 4 * DAY) == 30
    assert (steps(case.incident).count("refund_failed"), told("refund_failed")) == (1, 1)
    said = flat(mail("refund_failed").text)
    assert "EUR" in said or "€" in said
    assert "6 points, valid until" in said
    assert "4 points, valid until" not in said, "the other leg is on its way"
    step = TimelineEntry.objects.get(code="refund_failed")
    assert say(step) == "The card did not take the refund: 6 points came back instead"
    assert step.data == {"refund": refunds[1].pk, "points": 6}
    case.incident.refresh_from_db()
    assert case.incident.last_at == at + 3 * DAY
    assert "nothing differs" in checked()


def test_a_refund_of_no_case_is_kept_all_the_same(cast: Cast, at: datetime):
    bought(cast.acme, at=at)
    (refund,) = to_card(charged(cast.acme, at=at), at=at)
    settled = settle(refund, "failed", at=at)
    assert settled is not None
    assert settled.state == "failed"
    assert (TimelineEntry.objects.count(), told("refund_failed")) == (0, 0)
    assert balance(customer_id=cast.acme.pk, at=at) == 30


def test_points_and_card_by_two_admins_at_once_are_one(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    case = marked(opened(committed_cast.owner, at=at, points=0), committed_cast, at=at)
    works = [partial(decide, case, committed_cast, outcome, at=at) for outcome in ("credited", "refunded")]
    done = at_once(*works * 3)
    assert sum(isinstance(result, AlreadyDetermined) for result in done) == 5
    assert GiveBack.objects.count() == 1
    assert Refund.objects.count() + Lot.objects.filter(origin="credit").count() == 1
    assert "nothing differs" in checked()


def test_the_same_word_by_webhook_and_by_worker_at_once_is_one_mail(committed_cast: Cast, at: datetime):
    bought(committed_cast.acme, at=at)
    case = marked(opened(committed_cast.owner, at=at, points=0), committed_cast, at=at)
    decide(case, committed_cast, "refunded", at=at)
    refund = Refund.objects.get()
    done = at_once(*[partial(settle, refund, state, at=at) for state in ("failed", "done", "sent") * 3])
    assert not [result for result in done if isinstance(result, Exception)]
    assert (told("refund_failed"), steps(case.incident).count("refund_failed")) == (1, 1)
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 30
    assert "nothing differs" in checked()


def test_the_customers_row_is_locked_first(case: CreditCase, refunds: list[Refund], at: datetime):
    with CaptureQueriesContext(connection) as asked:
        settle(refunds[0], "failed", at=at + DAY)
    locks = [sql for query in asked if (sql := query["sql"].strip()).startswith("SELECT") and " UPDATE" in sql]
    tables = [lock.partition(" FROM ")[2].split()[0].strip('"') for lock in locks]
    assert tables == [
        *("people_customer", "incidents_incident", "incidents_creditcase"),
        *("people_customer", "points_refund"),
    ]

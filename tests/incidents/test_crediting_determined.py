"""A product failure is determined by an admin, once, whoever else is at it (R14, D3, D4, D17)."""

from __future__ import annotations

from datetime import datetime
from functools import partial

import pytest

from incidents.cases import CreditCase
from incidents.models import Incident, TimelineEntry
from incidents.services import crediting
from incidents.services.common import TextMissing, TextTooLong
from incidents.services.crediting import (
    AlreadyDetermined,
    NotAdmin,
)
from incidents.stories import say
from points.models import Lot
from points.queries import balance
from points.services import AlreadyGivenBack, NotLater, credit_back
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents.crediting import DAY, decide, everything, flat, mail, marked
from tests.incidents_helpers import at_once, opened, steps
from tests.points.ledger import checked

pytestmark = pytest.mark.rule("R14", "D4", "D17")


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """Ten points of thirty, spent."""
    return opened(cast.owner, at=at, points=30)


@pytest.fixture
def case(cast: Cast, incident: Incident, at: datetime) -> CreditCase:
    return marked(incident, cast, at=at)


# Determined


@pytest.mark.rule("D3")
def test_points_come_back_with_the_life_they_had(cast: Cast, case: CreditCase, incident: Incident, at: datetime):
    (spent,) = Lot.objects.filter(origin="purchase")
    found = at + 100 * DAY
    decided = decide(case, cast, at=found)
    assert (decided.state, decided.outcome, decided.determined_by) == ("determined", "credited", cast.admin)
    credit = Lot.objects.get(origin="credit")
    assert (credit.points, credit.expires_at - found) == (10, spent.expires_at - at)
    assert (credit.from_charge_id, credit.from_lot) == (case.charge_id, spent)
    assert balance(customer_id=cast.acme.pk, at=found) == 30
    assert steps(incident)[-1] == "bug_credited"
    for text in (flat(mail("bug_determined").text), flat(mail("bug_determined").html)):
        assert "the points that it cost are back" in text
        assert "10 points, valid until 10 Mar 2028" in text
    assert "nothing differs" in checked()


def test_refused_with_a_reason_that_is_mailed_as_written(cast: Cast, case: CreditCase, at: datetime):
    decided = decide(case, cast, "refused", at=at, reason="It is the old <table>.\r\nNot a bug & no credit.")
    assert (decided.outcome, decided.reason) == ("refused", "It is the old <table>.\nNot a bug & no credit.")
    assert balance(customer_id=cast.acme.pk, at=at) == 20
    assert "It is the old <table>.\nNot a bug & no credit." in mail("bug_determined").text
    assert "It is the old &lt;table&gt;.<br>Not a bug &amp; no credit." in mail("bug_determined").html
    assert steps(case.incident)[-1] == "bug_refused"


@pytest.mark.parametrize("chosen", ["", "points"])
def test_without_a_word_of_their_own_admins_do_what_the_customer_said_or_points(
    cast: Cast, case: CreditCase, at: datetime, chosen: str
):
    if chosen:
        crediting.choose(case_id=case.pk, contact=cast.owner, choice=chosen, at=at)
    assert decide(case, cast, "", at=at).outcome == "credited"


@pytest.mark.rule("D3")
def test_a_later_end_with_its_reason(cast: Cast, case: CreditCase, at: datetime):
    until = at + 800 * DAY
    decided = decide(case, cast, at=at, reason="For the wait", expires_at=until)
    assert (decided.later_until, decided.reason) == (until, "For the wait")
    assert Lot.objects.get(origin="credit").expires_at == until
    assert "For the wait" in mail("bug_determined").text
    assert "nothing differs" in checked()


def test_a_second_decision_is_told_who_decided_what(cast: Cast, case: CreditCase, at: datetime):
    decided = decide(case, cast, at=at, key="k")
    before = everything()
    assert decide(case, cast, at=at + DAY, key="k") == decided
    for again_ in (
        partial(decide, case, cast, "refused", reason="No"),
        partial(decide, case, cast, "credited"),
        partial(decide, case, cast, "refused", reason="No", key="k"),
        partial(decide, case, cast, "credited", key="k", expires_at=at + 500 * DAY),
    ):
        with pytest.raises(AlreadyDetermined) as refused:
            again_(at=at + DAY)
        assert (refused.value.by, refused.value.at, refused.value.outcome) == (cast.admin, at, "credited")
    with pytest.raises(AlreadyDetermined):
        crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at + DAY)
    assert everything() == before


@pytest.mark.rule("D22")
def test_only_admins_determine(cast: Cast, case: CreditCase, at: datetime):
    before = everything()
    for user in (cast.technician, cast.owner.user):
        with pytest.raises(NotAdmin):
            decide(case, cast, at=at, user=user)
    assert everything() == before


def test_what_is_refused_changes_nothing(cast: Cast, case: CreditCase, at: datetime):
    before = everything()
    with pytest.raises(TextMissing):
        decide(case, cast, "refused", at=at, reason=" \n")
    with pytest.raises(TextMissing):
        decide(case, cast, at=at, expires_at=at + 900 * DAY)
    with pytest.raises(TextTooLong):
        decide(case, cast, "refused", at=at, reason="x" * 501)
    with pytest.raises(NotLater):
        decide(case, cast, at=at, reason="Early", expires_at=at + DAY)
    assert everything() == before


def test_a_charge_that_was_given_back_otherwise_is_not_credited_again(cast: Cast, case: CreditCase, at: datetime):
    credit_back(charge_id=case.charge_id, at=at, actor=None, key="k", reason="Declined")
    before = everything()
    with pytest.raises(AlreadyGivenBack):
        decide(case, cast, at=at)
    assert everything() == before
    assert decide(case, cast, "refused", at=at, reason="Given back before").outcome == "refused"


def test_each_step_is_told_in_words(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at)
    decide(case, cast, at=at)
    other = marked(opened(cast.restricted, at=at), cast, at=at)
    crediting.record_silence(at=at + 14 * DAY)
    decide(other, cast, "refused", at=at + 14 * DAY, reason="No")
    told = [say(step) for step in TimelineEntry.objects.filter(code__startswith="bug_").order_by("id")]
    assert told == [
        "Tess Technician marked it as a bug of ours",
        "The customer was asked how to give the charge back",
        "Olive Owner wants the points back",
        "Ada Admin gave back 10 points",
        "Tess Technician marked it as a bug of ours",
        "The customer was asked how to give the charge back",
        "No answer within 14 days: points",
        "Ada Admin refused the credit",
    ]


@pytest.mark.rule("D34")
def test_steps_hold_ids_and_codes_only(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at)
    decide(case, cast, "refused", at=at, reason="CANARY")
    for step in TimelineEntry.objects.filter(code__startswith="bug_"):
        assert not any(word in str(step.data) for word in ("QM-4518", "CANARY", "Olive"))


# Many at once


@pytest.fixture
def committed_case(committed_cast: Cast, at: datetime) -> CreditCase:
    return marked(opened(committed_cast.owner, at=at, points=30), committed_cast, at=at)


def test_two_admins_at_once_are_one_decision_and_the_other_is_told(
    committed_cast: Cast, committed_case: CreditCase, at: datetime
):
    done = at_once(
        partial(decide, committed_case, committed_cast, "credited", at=at),
        partial(decide, committed_case, committed_cast, "refused", at=at, reason="No"),
        partial(decide, committed_case, committed_cast, "credited", at=at),
    )
    won = [result for result in done if isinstance(result, CreditCase)]
    lost = [result for result in done if isinstance(result, AlreadyDetermined)]
    assert (len(won), len(lost)) == (1, 2)
    assert {(result.by, result.outcome) for result in lost} == {(committed_cast.admin, won[0].outcome)}
    back = 10 if won[0].outcome == "credited" else 0
    assert balance(customer_id=committed_cast.acme.pk, at=at) == 20 + back
    assert OutgoingMail.objects.filter(kind="incident_bug_determined").count() == 1
    assert "nothing differs" in checked()


def test_two_technicians_at_once_mark_it_once(committed_cast: Cast, at: datetime):
    incident = opened(committed_cast.owner, at=at)
    done = at_once(*[partial(marked, incident, committed_cast, at=at)] * 4)
    assert sorted(type(result).__name__ for result in done) == ["AlreadyMarked"] * 3 + ["CreditCase"]
    assert OutgoingMail.objects.filter(kind="incident_bug_marked").count() == 1


def test_customer_silence_and_admin_at_once_leave_one_state(
    committed_cast: Cast, committed_case: CreditCase, at: datetime
):
    due = at + 14 * DAY
    at_once(
        partial(crediting.choose, case_id=committed_case.pk, contact=committed_cast.owner, choice="points", at=due),
        partial(crediting.record_silence, at=due),
        partial(crediting.record_silence, at=due),
        partial(decide, committed_case, committed_cast, at=due),
    )
    committed_case.refresh_from_db()
    assert committed_case.outcome == "credited"
    assert steps(committed_case.incident).count("bug_silence") <= 1
    assert balance(customer_id=committed_cast.acme.pk, at=due) == 30

"""A product failure: marked, chosen, determined; what each does, and what is refused (R14, D3, D4, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.cases import CreditCase
from incidents.models import Incident, TimelineEntry
from incidents.services import crediting
from incidents.services.common import KeyReused, TextMissing, TextTooLong
from incidents.services.crediting import (
    AlreadyDetermined,
    AlreadyMarked,
    CardNotPossible,
    NotAdmin,
    NothingCharged,
)
from incidents.stories import say
from incidents.tasks import record_silence
from points.models import Entry, Lot
from points.queries import balance
from points.services import AlreadyGivenBack, NotLater, credit_back
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import again, answered, at_once, key, opened, steps
from tests.points.ledger import checked

pytestmark = pytest.mark.rule("R14", "D4", "D17")
DAY = timedelta(days=1)


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """Ten points of thirty, spent."""
    return opened(cast.owner, at=at, points=30)


@pytest.fixture
def case(cast: Cast, incident: Incident, at: datetime) -> CreditCase:
    return marked(incident, cast, at=at)


def marked(incident: Incident, cast: Cast, *, at: datetime, reference: str = "QM-4518", key_: str = "") -> CreditCase:
    return crediting.mark_bug(
        incident_id=incident.pk, reference=reference, user=cast.technician, at=at, key=key_ or key()
    )


def decide(case: CreditCase, cast: Cast, outcome: str = "credited", *, at: datetime, **given: object) -> CreditCase:
    values = {"reason": "", "user": cast.admin, "key": key(), **given}
    return crediting.determine(case_id=case.pk, outcome=outcome, at=at, **values)  # type: ignore[arg-type]


def everything() -> tuple[object, ...]:
    """What a refusal must not have changed."""
    return (
        list(CreditCase.objects.order_by("pk").values()),
        list(Lot.objects.order_by("pk").values()),
        Entry.objects.count(),
        list(Incident.objects.order_by("pk").values()),
        TimelineEntry.objects.count(),
        OutgoingMail.objects.count(),
    )


def mail(kind: str) -> OutgoingMail:
    return OutgoingMail.objects.get(kind=f"incident_{kind}")


def flat(text: str) -> str:
    return " ".join(text.split())


# Marked


@pytest.mark.rule("D11")
def test_marking_asks_the_customer_at_once_and_is_no_response(cast: Cast, incident: Incident, at: datetime):
    case = marked(incident, cast, at=at + DAY, reference=" QM-4518,\n lost rights ")
    assert (case.state, case.reference, case.choice, case.outcome) == ("asked", "QM-4518, lost rights", "", "")
    assert (case.marked_by, case.marked_at, case.asked_at) == (cast.technician, at + DAY, at + DAY)
    assert case.answer_due == at + 15 * DAY
    assert steps(incident)[-2:] == ["bug_marked", "bug_asked"]
    assert incident.clocks.get().clock.answered_at is None
    assert again(incident).status == "new"
    assert balance(customer_id=cast.acme.pk, at=at + DAY) == 20, "nothing is back yet"


@pytest.mark.parametrize("then", ["open", "waiting", "closed"])
def test_it_can_be_marked_at_any_status(cast: Cast, incident: Incident, at: datetime, then: str):
    answered(incident, cast.technician, at=at, then=then)
    assert marked(incident, cast, at=at + 100 * DAY).state == "asked"
    assert again(incident).status == then


def test_twice_says_so_and_the_same_key_is_the_same_case(cast: Cast, incident: Incident, at: datetime):
    case = marked(incident, cast, at=at, key_="k")
    before = everything()
    assert marked(incident, cast, at=at + DAY, key_="k") == case
    with pytest.raises(AlreadyMarked) as refused:
        marked(incident, cast, at=at + DAY, reference="Another")
    assert (refused.value.case, refused.value.case.marked_by) == (case, cast.technician)
    with pytest.raises(KeyReused):
        marked(incident, cast, at=at + DAY, reference="Another", key_="k")
    assert everything() == before


def test_marking_that_is_refused_changes_nothing(cast: Cast, incident: Incident, at: datetime):
    before = everything()
    with pytest.raises(TextMissing):
        marked(incident, cast, at=at, reference=" \x00\n")
    with pytest.raises(TextTooLong):
        marked(incident, cast, at=at, reference="x" * 121)
    assert everything() == before
    incident.charges.update(current=False)
    with pytest.raises(NothingCharged):
        marked(incident, cast, at=at)
    incident.charges.update(current=True)
    credit_back(charge_id=incident.charges.get().charge_id, at=at, actor=cast.admin, key="k", reason="Declined")
    before = everything()
    with pytest.raises(AlreadyGivenBack):
        marked(incident, cast, at=at)
    assert everything() == before


def test_who_has_no_address_is_not_asked_by_mail(cast: Cast, incident: Incident, at: datetime):
    cast.owner.email, cast.owner.phone = "", "+12125550100"
    cast.owner.save()
    case = marked(incident, cast, at=at)
    assert (case.state, case.answer_due) == ("marked", None)
    assert crediting.record_silence(at=at + 100 * DAY) == 0
    assert decide(case, cast, at=at + DAY).outcome == "credited"


def test_the_mail_previews_both_ways(cast: Cast, incident: Incident, at: datetime):
    marked(incident, cast, at=at + 30 * DAY)
    said = mail("bug_marked")
    assert said.to_address == "olive@acme.example"
    assert flat(said.subject) == f"[{flat(incident.shown_number)}] A bug of ours: It stops at night"
    for text in (flat(said.text), flat(said.html)):
        assert "QM-4518" in text
        # Spent on 1 December with 366 days of life, and 14 hours of the last one.
        assert "10 points, valid until 31 Dec 2027" in text
        assert "not possible, these points were not paid by card" in text
        assert "until Thursday 14 January, 10:00, your time in New York. If you say nothing, it is points." in text
        assert f"/incidents/{incident.number}/" in text
    assert incident.mails.filter(mail=said).exists(), "an answer to it finds its way back"


# Chosen


def test_the_customer_says_points_and_it_waits_for_an_admin(cast: Cast, case: CreditCase, at: datetime):
    for _time in range(2):
        case = crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at + DAY)
    assert (case.choice, case.chosen_by, case.chosen_at, case.state) == ("points", cast.owner, at + DAY, "asked")
    assert steps(case.incident).count("bug_chosen") == 1


@pytest.mark.rule("D5")
def test_a_card_is_refused_with_its_reason(cast: Cast, case: CreditCase, at: datetime):
    before = everything()
    with pytest.raises(CardNotPossible) as refused:
        crediting.choose(case_id=case.pk, contact=cast.owner, choice="card", at=at)
    assert refused.value.why == "not_by_card"
    with pytest.raises(CardNotPossible):
        decide(case, cast, "refunded", at=at)
    with pytest.raises(ValueError, match="cash"):
        crediting.choose(case_id=case.pk, contact=cast.owner, choice="cash", at=at)
    assert everything() == before


def test_silence_of_fourteen_days_means_points(cast: Cast, case: CreditCase, at: datetime):
    assert crediting.record_silence(at=at + 14 * DAY - timedelta(microseconds=1)) == 0
    with clock.set_to(at + 14 * DAY):
        assert (record_silence(), record_silence()) == (1, 0)
    case.refresh_from_db()
    assert (case.choice, case.chosen_by, case.chosen_at) == ("points", None, at + 14 * DAY)
    assert (case.state, case.outcome) == ("asked", ""), "an admin determines it all the same"
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at + 15 * DAY)
    assert steps(case.incident)[-2:] == ["bug_silence", "bug_chosen"]


def test_who_has_chosen_is_not_silent(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at)
    assert crediting.record_silence(at=at + 20 * DAY) == 0


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
    assert mail("bug_determined").subject.endswith("10 points back: It stops at night")
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


# What the database refuses


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reference": ""}, "case_has_a_reference"),
        ({"state": "lost"}, "case_state_known"),
        ({"state": "marked"}, "case_marked_is_not_asked"),
        ({"asked_at": None}, "case_asked"),
        ({"asked_at": None, "answer_due": None}, "case_asked_when"),
        ({"choice": "points"}, "case_chosen_when"),
        ({"choice": "cash"}, "case_chosen_when"),
        ({"outcome": "credited"}, "case_determined_whole"),
        ({"state": "determined"}, "case_determined_whole"),
        ({"later_until": datetime(2030, 1, 1).astimezone()}, "case_determined_whole|case_says_why"),
    ],
)
def test_a_case_that_does_not_fit_is_refused(case: CreditCase, changed: dict[str, object], words: str):
    with pytest.raises(IntegrityError, match=words), transaction.atomic():
        CreditCase.objects.filter(pk=case.pk).update(**changed)


def test_a_refusal_has_its_reason_and_a_charge_its_one_case(cast: Cast, case: CreditCase, at: datetime):
    decide(case, cast, "refused", at=at, reason="No")
    with pytest.raises(IntegrityError, match="case_says_why"), transaction.atomic():
        CreditCase.objects.filter(pk=case.pk).update(reason="")
    case.refresh_from_db()
    case.pk, case.key, case.decision_key = None, key(), key()
    with pytest.raises(IntegrityError, match="charge_id"), transaction.atomic():
        case.save(force_insert=True)


def test_the_customers_row_is_locked_first(cast: Cast, incident: Incident, at: datetime):
    """One order for all: customer, then incident."""

    def locked(captured: CaptureQueriesContext) -> list[str]:
        locks = [query["sql"] for query in captured if "FOR NO KEY UPDATE" in query["sql"]]
        return ["customer" if 'FROM "people_customer"' in lock else "incident" for lock in locks]

    with CaptureQueriesContext(connection) as queries:
        case = marked(incident, cast, at=at)
    assert locked(queries)[:2] == ["customer", "incident"]
    with CaptureQueriesContext(connection) as queries:
        decide(case, cast, at=at)
    assert locked(queries)[:2] == ["customer", "incident"]

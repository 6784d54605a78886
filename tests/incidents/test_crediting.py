"""A product failure: marked by a technician, the customer asked how they want it back (R14, D4, D17)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction
from django.test.utils import CaptureQueriesContext

from incidents.cases import CreditCase
from incidents.models import Incident
from incidents.services import crediting
from incidents.services.common import KeyReused, TextMissing, TextTooLong, note_step
from incidents.services.crediting import (
    AlreadyMarked,
    CardNotPossible,
    NothingCharged,
)
from incidents.tasks import record_silence
from points.queries import balance
from points.services import AlreadyGivenBack, credit_back
from supportdesk import clock
from tests.cast import Cast
from tests.incidents.crediting import DAY, decide, everything, flat, mail, marked
from tests.incidents_helpers import again, answered, key, opened, steps

pytestmark = pytest.mark.rule("R14", "D4", "D17")


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    """Ten points of thirty, spent."""
    return opened(cast.owner, at=at, points=30)


@pytest.fixture
def case(cast: Cast, incident: Incident, at: datetime) -> CreditCase:
    return marked(incident, cast, at=at)


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
    assert flat(said.subject) == f"Re: [{flat(incident.shown_number)}] It stops at night"
    for text in (flat(said.text), flat(said.html)):
        assert "QM-4518" in text
        # Spent on 1 December with 366 days of life, and 14 hours of the last one.
        assert "10 points, valid until 31 Dec 2027" in text
        assert "not possible, not all of these points were paid by card" in text
        assert "by Thursday 14 January 2027, 10:00, your time in New York. If you say nothing, it is points." in text
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


def test_one_that_cannot_be_written_holds_up_no_other(
    cast: Cast, case: CreditCase, at: datetime, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    other = marked(opened(cast.owner, at=at), cast, at=at)

    def refuses_one(incident: Incident, *args: Any, **kw: Any) -> Any:
        if incident.pk == case.incident_id:
            raise ValueError("no step of this one")
        return note_step(incident, *args, **kw)

    monkeypatch.setattr(crediting, "note_step", refuses_one)
    assert crediting.record_silence(at=at + 20 * DAY) == 1
    assert (CreditCase.objects.get(pk=case.pk).choice, CreditCase.objects.get(pk=other.pk).choice) == ("", "points")
    assert "no step of this one" in caplog.text


def test_who_has_chosen_is_not_silent(cast: Cast, case: CreditCase, at: datetime):
    crediting.choose(case_id=case.pk, contact=cast.owner, choice="points", at=at)
    assert crediting.record_silence(at=at + 20 * DAY) == 0


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

"""A new report made of a closed incident: filled in, linked both ways, told in both timelines (D16)."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from incidents.models import Draft, Incident, Release, Via
from incidents.services import conversation, opening, reopening
from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import a_report, again, answered, key, opened, signed_in, steps, with_points
from tests.portal.test_report import plain

pytestmark = pytest.mark.rule("D16")


def closed(cast: Cast, *, at: datetime, **given: Any) -> Incident:
    incident = opened(cast.owner, at=at, **given)
    answered(incident, cast.technician, at=at, then="closed", text="Solved.")
    return again(incident)


def asked(cast: Cast, incident: Incident, text: str, *, at: datetime) -> None:
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text=text, via=Via.PORTAL, at=at, key=key()
    )


def refused(cast: Cast, incident: Incident, *, at: datetime) -> None:
    reopening.refuse(incident_id=incident.pk, reason="Another one.", user=cast.technician, at=at, key=key())


@pytest.fixture
def origin(cast: Cast, clock_at: datetime) -> Incident:
    incident = closed(cast, at=clock_at, kind="configuration")
    asked(cast, incident, "It stops by day now.\n\n> Solved.", at=clock_at)
    refused(cast, incident, at=clock_at)
    return again(incident)


def form_data(client: Client, origin: Incident, **given: Any) -> dict[str, Any]:
    form = client.get("/report/", {"from": origin.number}).context["form"]
    names = ("key", "contact", "kind", "release", "subject", "text")
    return {name: form[name].value() for name in names} | {"from": origin.number} | given


def test_the_form_is_filled_in_with_what_was_asked(cast: Cast, origin: Incident):
    client = signed_in(cast.owner)
    data = form_data(client, origin)
    assert data["text"] == "It stops by day now."
    assert (data["kind"], data["release"], data["subject"]) == ("configuration", origin.release_id, origin.subject)
    assert (
        f"It is reported anew from {origin.shown_number}"
        in client.get(f"/report/?from={origin.number}").content.decode()
    )


def test_it_is_linked_both_ways_and_both_timelines_say_so(cast: Cast, origin: Incident, clock_at: datetime):
    with_points(cast.acme, 10, at=clock_at)
    client = signed_in(cast.owner)
    answer = client.post("/report/", form_data(client, origin))
    made = Incident.objects.latest("id")
    assert answer["Location"] == f"/incidents/{made.number}/"
    assert (made.origin, made.origin_kind) == (origin, "anew")
    assert "reported_anew" in steps(made)
    assert steps(origin)[-1] == "reported_anew"
    for client_, room in ((client, ""), (signed_in(cast.technician), "/desk")):
        page = client_.get(f"{room}/incidents/{made.number}/").content.decode()
        assert f'href="{room}/incidents/{origin.number}/"' in page
        assert "Olive Owner reported it anew, after a closed incident" in plain(page)
        page = client_.get(f"{room}/incidents/{origin.number}/").content.decode()
        assert f'href="{room}/incidents/{made.number}/"' in page
        assert "Olive Owner made a new report of it" in plain(page)


def test_what_was_re_opened_while_it_was_written_charges_nothing(cast: Cast, origin: Incident, clock_at: datetime):
    with_points(cast.acme, 10, at=clock_at)
    client = signed_in(cast.owner)
    data = form_data(client, origin)
    asked(cast, origin, "Exactly the same again.", at=clock_at)
    reopening.accept(incident_id=origin.pk, user=cast.technician, at=clock_at)
    answer = client.post("/report/", data)
    assert answer.status_code == 422
    assert "is open again: write there, at no charge" in plain(answer.content.decode())
    assert Incident.objects.count() == 1


@pytest.mark.rule("D8")
def test_short_of_points_the_draft_remembers_it(cast: Cast, origin: Incident, clock_at: datetime):
    client = signed_in(cast.owner)
    client.post("/report/", form_data(client, origin))
    draft = Draft.objects.get()
    assert draft.origin == origin
    assert origin.shown_number in client.get(f"/drafts/{draft.pk}/").content.decode()
    with_points(cast.acme, 10, at=clock_at)
    client.post(f"/drafts/{draft.pk}/open/")
    assert Incident.objects.latest("id").origin == origin


def test_the_page_offers_it_once_refused_or_too_late(cast: Cast, clock_at: datetime):
    incident = closed(cast, at=clock_at)
    client, link = signed_in(cast.owner), f"/report/?from={incident.number}"

    def offers() -> bool:
        return link in client.get(f"/incidents/{incident.number}/").content.decode()

    assert not offers()
    asked(cast, incident, "Again.", at=clock_at)
    assert not offers()
    refused(cast, incident, at=clock_at)
    assert offers()
    asked(cast, incident, "Again and again.", at=clock_at)
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=clock_at)
    assert not offers()
    answered(incident, cast.technician, at=clock_at, then="closed")
    assert not offers()
    with clock.set_to(clock_at + timedelta(days=92)):
        assert offers()


def test_the_mails_lead_there(cast: Cast, origin: Incident, clock_at: datetime):
    mail = OutgoingMail.objects.get(kind="incident_reopening_refused")
    assert f"/report/?from={origin.number}" in mail.text
    asked(cast, origin, "Late.", at=clock_at + timedelta(days=92))
    assert f"/report/?from={origin.number}" in OutgoingMail.objects.get(kind="incident_reopening_too_late").text


def test_without_a_request_it_is_the_last_message(cast: Cast, clock_at: datetime):
    incident = closed(cast, at=clock_at, text="The first words.")
    assert form_data(signed_in(cast.owner), incident)["text"] == "The first words."


@pytest.mark.rule("R12")
def test_a_release_out_of_support_is_chosen_anew(cast: Cast, origin: Incident):
    Release.objects.filter(pk=origin.release_id).update(supported_until=date(2026, 11, 30))
    assert form_data(signed_in(cast.owner), origin)["release"] is None


@pytest.mark.rule("D22")
@pytest.mark.parametrize("who", ["stranger", "restricted"])
def test_what_is_not_theirs_is_not_there(cast: Cast, origin: Incident, clock_at: datetime, who: str):
    client = signed_in(getattr(cast, who))
    for number in (origin.number, "12345", "x"):
        assert client.get("/report/", {"from": number}).status_code == 404
        assert client.post("/report/", {"from": number}).status_code == 404
    with_points(cast.other, 10, at=clock_at)
    with pytest.raises(opening.OriginNotTheirs):
        opening.open_incident(report=a_report(cast.stranger, origin_id=origin.pk), at=clock_at, key=key())


@pytest.mark.rule("D22")
def test_a_link_to_what_the_reader_may_not_see_is_not_shown(cast: Cast, clock_at: datetime):
    incident = opened(cast.restricted, at=clock_at)
    answered(incident, cast.technician, at=clock_at, then="closed")
    made = opened(cast.owner, at=clock_at, origin_id=incident.pk)
    page = signed_in(cast.restricted).get(f"/incidents/{incident.number}/").content.decode()
    assert made.number not in page
    assert made.shown_number not in page
    assert made.number in signed_in(cast.owner).get(f"/incidents/{incident.number}/").content.decode()


def test_one_that_is_open_again_leads_to_itself(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    answer = signed_in(cast.owner).get("/report/", {"from": incident.number})
    assert answer["Location"] == f"/incidents/{incident.number}/"


@pytest.mark.rule("D22")
def test_nobody_signed_in_signs_in_first(cast: Cast, origin: Incident):
    for number in (origin.number, "12345"):
        assert Client().get(f"/report/?from={number}")["Location"].startswith("/accounts/sign-in/?next=/report/")


def test_the_links_are_one_question_however_many(cast: Cast, clock_at: datetime):
    incident = closed(cast, at=clock_at)
    client = signed_in(cast.owner)
    there = f"/incidents/{incident.number}/"

    def count() -> int:
        with CaptureQueriesContext(connection) as queries:
            client.get(there)
        return len(queries)

    opened(cast.owner, at=clock_at, origin_id=incident.pk)
    one = count()
    for _ in range(4):
        opened(cast.owner, at=clock_at, origin_id=incident.pk)
    assert count() == one

"""What becomes of a feature request."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from incidents.models import Kind
from incidents.services.common import KeyReused
from incidents.services.disposing import NotAFeatureRequest, SameDisposition, dispose
from supportdesk.mail.models import OutgoingMail
from tests.cast import Cast
from tests.incidents_helpers import again, answered, key, opened, signed_in, steps

HOUR = timedelta(hours=1)

pytestmark = pytest.mark.rule("D18", "R10")


def test_each_change_is_mailed_after_the_closure_as_well(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, kind=Kind.FEATURE)
    assert incident.disposition == "received"
    answered(incident, cast.technician, at=at + HOUR, then="closed")
    for hours, disposition in ((2, "planned"), (3, "released")):
        dispose(
            incident_id=incident.pk,
            disposition=disposition,
            text="",
            user=cast.technician,
            at=at + hours * HOUR,
            key=key(),
        )
    assert again(incident).disposition == "released"
    assert again(incident).status == "closed"
    assert steps(incident)[-2:] == ["disposed", "disposed"]
    mails = OutgoingMail.objects.filter(kind="incident_disposed").order_by("pk")
    assert ["planned" in mails[0].text, "released" in mails[1].text] == [True, True]


@pytest.mark.rule("D11")
def test_it_is_no_response(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, kind=Kind.FEATURE)
    dispose(
        incident_id=incident.pk, disposition="planned", text="Next spring.", user=cast.technician, at=at, key="one-key"
    )
    clock = incident.clocks.get(current=True).clock
    assert (clock.answered_at, clock.outcome) == (None, "running")
    assert incident.messages.get(kind="answer").text == "Next spring."


def test_once_a_key(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, kind=Kind.FEATURE)

    def set_it(disposition: str, text: str) -> None:
        dispose(incident_id=incident.pk, disposition=disposition, text=text, user=cast.technician, at=at, key="one-key")

    set_it("planned", "Soon.")
    set_it("planned", "Soon.")
    assert OutgoingMail.objects.filter(kind="incident_disposed").count() == 1
    for disposition, text in (("released", "Soon."), ("planned", "Late."), ("planned", "")):
        with pytest.raises(KeyReused):
            set_it(disposition, text)


def test_refusals(cast: Cast, at: datetime):
    problem = opened(cast.owner, at=at)
    wish = opened(cast.owner, at=at, kind=Kind.FEATURE)
    for incident, disposition, refusal in (
        (problem, "planned", NotAFeatureRequest),
        (wish, "received", SameDisposition),
        (wish, "someday", ValueError),
    ):
        with pytest.raises(refusal):
            dispose(incident_id=incident.pk, disposition=disposition, text="", user=cast.technician, at=at, key=key())
    assert not OutgoingMail.objects.filter(kind="incident_disposed").exists()


def test_on_the_desk_and_in_the_portal(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at, kind=Kind.FEATURE)
    desk = signed_in(cast.technician)
    address = f"/desk/incidents/{incident.number}/disposition/"
    refused = desk.post(address, {"feature-key": "a-key-of-it", "feature-disposition": "received", "feature-text": "x"})
    assert refused.status_code == 422
    assert "That is its disposition already" in refused.content.decode()
    taken = {"feature-key": "a-key-of-it", "feature-disposition": "planned", "feature-text": ""}
    assert desk.post(address, taken).status_code == 302
    assert "planned" in signed_in(cast.owner).get(f"/incidents/{incident.number}/").content.decode()


def test_a_key_that_made_an_answer_disposes_nothing(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, kind=Kind.FEATURE)
    answer = answered(incident, cast.technician, at=at, text="Next spring.")
    with pytest.raises(KeyReused):
        dispose(
            incident_id=incident.pk,
            disposition="planned",
            text=answer.text,
            user=cast.technician,
            at=at + HOUR,
            key=answer.key,
        )
    assert again(incident).disposition == "received"

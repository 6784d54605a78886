"""The timeline: append-only in the database itself, ids and codes only."""

from __future__ import annotations

import json
from datetime import datetime

import pytest
from django.db import DatabaseError, connection, transaction

from incidents import stories
from incidents.models import TimelineCode, TimelineEntry
from incidents.services import conversation, ownership
from tests.cast import Cast
from tests.incidents_helpers import answered, key, opened


@pytest.mark.rule("D10")
@pytest.mark.parametrize(
    "sql",
    [
        "UPDATE incidents_timelineentry SET code = 'closed'",
        "UPDATE incidents_timelineentry SET at = now()",
        "DELETE FROM incidents_timelineentry",
        "TRUNCATE incidents_timelineentry",
        "ALTER TABLE incidents_timelineentry DISABLE TRIGGER ALL",
        "DROP TRIGGER incidents_timelineentry_append_only ON incidents_timelineentry",
        "SET session_replication_role = replica",
    ],
)
def test_the_application_can_change_nothing(cast: Cast, at: datetime, sql: str):
    opened(cast.owner, at=at)
    before = list(TimelineEntry.objects.values())
    with connection.cursor() as cursor:
        cursor.execute("SELECT current_user")
        assert cursor.fetchone() == ("desk_app",)
        with pytest.raises(DatabaseError), transaction.atomic():
            cursor.execute(sql)
    assert list(TimelineEntry.objects.values()) == before


@pytest.mark.rule("D34", "D10")
def test_no_names_and_no_texts_stand_in_it(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at)
    conversation.note(incident_id=incident.pk, text="CANARY", user=cast.technician, at=at, key=key())
    answered(incident, cast.technician, at=at, text="CANARY", then="waiting")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="CANARY", via="mail", at=at, key=key()
    )
    answered(incident, cast.technician, at=at, text="CANARY", then="closed")
    stored = json.dumps(list(incident.timeline.values_list("code", "data")))
    for word in ("CANARY", "Olive", "olive@", "Tess", "Acme", incident.subject):
        assert word not in stored


def test_each_step_has_words(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at)
    for code in TimelineCode:
        step = TimelineEntry(incident=incident, at=at, code=code, user=cast.technician)
        step.data = {"to": "waiting", "minutes": 60, "direction": "in", "choice": "points", "days": 14, "points": 10}
        step.data |= {"number": incident.number}
        step.data |= {"reason": "tuning", "back": 10, "ended": "declined"}
        step.data |= {"old": at.isoformat(), "new": at.isoformat(), "why": "calendar"}
        step.data |= {"direction": "out"}
        step.data |= {"count": 2, "number": incident.number, "numbers": [incident.number]}
        if code == TimelineCode.DISPOSED:
            step.data["to"] = "planned"
        assert stories.say(step)
        assert isinstance(stories.tone(step), str)

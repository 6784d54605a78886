"""Makers of duplicates, of merges and of partings."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents.models import Incident, Proposal
from incidents.services import conversation, merging
from sla.models import ResponseClock
from tests.cast import Cast
from tests.incidents_helpers import key, opened

HOUR = timedelta(hours=1)
DAY = timedelta(hours=24)


def a_duplicate(cast: Cast, *, at: datetime) -> tuple[Incident, Incident]:
    """The duplicate, logged an hour before the one that stays."""
    source = opened(cast.owner, at=at, subject="It stops")
    return source, opened(cast.owner, at=at + HOUR, subject="It stops at night")


def merge(source: Incident, target: Incident, cast: Cast, *, at: datetime) -> Incident:
    return merging.merge(incident_id=source.pk, into_id=target.pk, user=cast.technician, at=at)


def unmerge(source: Incident, cast: Cast, *, at: datetime, key_: str = "") -> Proposal:
    return merging.unmerge(incident_id=source.pk, user=cast.technician, at=at, key=key_ or key())


def clock_of(incident: Incident) -> ResponseClock:
    return incident.clocks.select_related("clock").get(current=True).clock


def wrote(incident: Incident, cast: Cast, *, at: datetime) -> conversation.Added:
    """A word of the owner."""
    return conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Again.", via="portal", at=at, key=key()
    )

"""Very many incidents with their conversations, made by the database itself from one that is there."""

from __future__ import annotations

from typing import Any

from django.db import connection
from django.db.models import Model

from incidents.models import Incident, IncidentMail, Message
from incidents.numbers import number_of
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact

FIRST_SERIAL = 1_000_000


def copies(incident: Incident, count: int, *, contacts: list[Contact], round_: int) -> None:
    """So many more like ``incident``, of all the contacts in turn: each with a mail that came, its message, and one
    that went out. They have no clock and no charge of their own, which no mail asks for."""
    first = FIRST_SERIAL + round_ * 10_000_000
    raw = RawMail(received_at=incident.opened_at, next_try_at=incident.opened_at, via="smtp", outcome="added")
    out = OutgoingMail(
        kind="answered",
        to_address="c@bench.example",
        subject="It",
        text="Stop the service." * 20,
        queued_at=incident.opened_at,
        next_try_at=incident.opened_at,
        give_up_at=incident.opened_at,
        sent_at=incident.opened_at,
    )
    message = Message(kind="customer", via="mail", text="It stops. " * 20, at=incident.opened_at)
    with connection.cursor() as cursor:
        cursor.execute(
            "CREATE TEMPORARY TABLE number_of AS SELECT n - 1 AS n, number FROM unnest(%s::text[])"
            " WITH ORDINALITY AS it (number, n)",
            [[number_of(first + n) for n in range(count)]],
        )
        cursor.execute(
            "CREATE TEMPORARY TABLE writer AS SELECT n - 1 AS n, id, customer FROM unnest(%s::bigint[], %s::bigint[])"
            " WITH ORDINALITY AS it (id, customer, n)",
            [[contact.pk for contact in contacts], [contact.customer_id for contact in contacts]],
        )
    named = "'<' || (%(first)s + number_of.n) || '@bench.example>'"
    of = f"FROM number_of JOIN writer ON writer.n = number_of.n %% {len(contacts)}"
    _insert(
        incident,
        {"number": "number", "key": named, "customer": "customer", "contact": "writer.id"},
        of,
        first,
    )
    of += " JOIN incidents_incident i USING (number)"
    _insert(raw, {"source": "'x'::bytea", "digest": named, "content_digest": named, "message_id": named}, of, first)
    _insert(out, {"message_id": named, "key": named, "about": "'incident:' || i.id"}, of, first)
    _insert(
        message,
        {"incident": "i.id", "contact": "writer.id", "key": named, "raw_mail": "r.id"},
        of + f" JOIN mail_rawmail r ON r.digest = {named}",
        first,
    )
    _insert(
        IncidentMail(),
        {"incident": "i.id", "contact": "writer.id", "mail": "o.id"},
        of + f" JOIN mail_outgoingmail o ON o.key = {named}",
        first,
    )
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE number_of, writer")


def _insert(like: Model, differs: dict[str, str], source: str, first: int) -> None:
    """Rows as ``like``, but for the columns of which ``differs`` says what they are."""
    columns: list[str] = []
    values: list[str] = []
    params: dict[str, Any] = {"first": first}
    for field in like._meta.concrete_fields:
        if field.primary_key:
            continue
        columns.append(f'"{field.column}"')
        if field.name in differs:
            values.append(differs[field.name])
        else:
            params[field.attname] = field.get_db_prep_save(getattr(like, field.attname), connection)
            values.append(f"%({field.attname})s::{field.db_type(connection)}")
    with connection.cursor() as cursor:
        cursor.execute(
            f'INSERT INTO "{like._meta.db_table}" ({", ".join(columns)}) SELECT {", ".join(values)} {source}', params
        )

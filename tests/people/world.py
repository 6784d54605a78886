"""A small world of one customer's things, and every address of the project by its name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from incidents.cases import CreditCase
from incidents.models import Attachment, BlockedSender, Draft, HeldMail, Incident, Message, Notice
from incidents.numbers import number_of
from incidents.services import conversation, crediting, opening, ownership
from incidents.services.files import attach, keep_upload
from points.models import Payment, ProviderEvent, RefusedCall
from points.refund_services import refund_to_card
from sla.closing import add_closure
from sla.closures import Reach, Rule
from supportdesk.demo import mailbox
from supportdesk.people.models import ContactAddress
from supportdesk.tips.models import Issue
from supportdesk.tips.services import subscribe_own
from tests.cast import Cast
from tests.incidents_helpers import a_report, key, mailed, opened, signed_in
from tests.points.ledger import bought, charged, on_hold

PEOPLE = ("nobody", "other", "restricted", "owner", "technician", "admin")
# What stands in a note, in held mail and in an automatic mail: no customer reads any of them.
INSIDE = "CANARY-of-the-house"
# What stands in the owner's own subject and texts: only they and the desk read it.
THEIRS = "CANARY-of-acme"
MISSING = {"number": number_of(987654), "pk": 4_000_000, "object_id": 4_000_000, "name": "20200101-000000-none"}


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    cast: Cast
    incident: Incident
    draft: Draft
    held: HeldMail
    case: CreditCase
    payment: Payment
    file: Attachment
    mail: str
    notice: Notice
    message: Message

    def browser(self, person: str) -> Client:
        """A browser of one of PEOPLE."""
        cast = self.cast
        who = {
            "nobody": None,
            "other": cast.stranger,
            "restricted": cast.restricted,
            "owner": cast.owner,
            "technician": cast.technician,
            "admin": cast.admin,
        }
        return signed_in(who[person])


def make_world(cast: Cast, *, at: datetime, folder: Path) -> World:
    """Acme's incident with a note, a draft, a held mail; a mail in the demo's mailbox."""
    incident = opened(cast.owner, at=at, subject=f"Subject {THEIRS}", text=f"Text {THEIRS}")
    ownership.take(incident_id=incident.pk, user=cast.technician, at=at)
    conversation.note(incident_id=incident.pk, text=f"Note {INSIDE}", user=cast.technician, at=at, key=key())
    ours = incident.mails.get(mail__kind="incident_opened").mail.message_id
    mailed(sender="olive@acme.example", at=at, text=f"Away {INSIDE}", In_Reply_To=ours, Auto_Submitted="auto-replied")
    case = crediting.mark_bug(incident_id=incident.pk, reference=THEIRS, user=cast.technician, at=at, key=key())
    report = incident.messages.filter(kind="customer")
    report.update(html=f"<p>As written {THEIRS}</p>", rich=True)
    file = keep_upload(name=f"{THEIRS}.log", chunks=[THEIRS.encode()], at=at, contact=cast.owner)
    attach(tokens=[file.token], message=report.get(), contact=cast.owner)
    _sold(cast, at=at)
    draft = opening.report_problem(report=a_report(cast.owner, subject=f"Draft {THEIRS}"), at=at, key=key())
    assert isinstance(draft, Draft)
    raw = mailed(sender="nobody@strange.example", at=at, subject=f"{INSIDE} {incident.number}", text=INSIDE)
    source = b"From: support@desk.example\r\nSubject: Hello\r\n\r\nHello\r\n"
    name = mailbox.store(folder / "mailbox", source, ["olive@acme.example"], "support@desk.example")
    payment = Payment.objects.create(
        customer=cast.acme,
        user=cast.owner.user,  # type: ignore[misc]
        points=30,
        amount_minor=24000,
        currency="EUR",
        state=Payment.State.CANCELLED,
        started_at=at,
        looked_at=at,
        key=key(),
    )
    return World(
        cast=cast,
        incident=incident,
        draft=draft,
        held=HeldMail.objects.get(raw_mail=raw),
        case=case,
        payment=payment,
        file=file,
        mail=name,
        notice=Notice.objects.get(user=cast.technician, code="mail_held"),
        message=report.get(),
    )


def _sold(cast: Cast, *, at: datetime) -> None:
    """What admins alone see: a payment, its event, a refund, a hold; all of the other customer."""
    lot = bought(cast.other, at=at)
    refund_to_card(charge_id=charged(cast.other, at=at).pk, at=at, actor=None, key=key(), reason=INSIDE)
    on_hold(lot, at=at)
    ProviderEvent.objects.create(event_ref="evt_1", kind="refund.updated", received_at=at, next_try_at=at)
    rule = Rule(at.date(), at.date(), "Stock-taking", reach=Reach(customer_id=cast.other.pk))
    add_closure(rule=rule, by=cast.admin, at=at, key=key())
    BlockedSender.objects.create(address="spam@shop.example", blocked_at=at)
    ContactAddress.objects.create(contact=cast.stranger, address="otto@home.example", added_at=at)
    Issue.objects.create(title=f"Draft {INSIDE}", year=at.year, quarter=1, text=INSIDE)
    subscribe_own(email=f"{INSIDE}@other.example", at=at)
    RefusedCall.objects.create(day=at.date(), reason="bad signature", last_at=at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """One address of the project: its full name, the parameters that it takes, and its view."""

    name: str
    params: tuple[str, ...]
    view: Any

    def path(self, **given: Any) -> str:
        return reverse(self.name, kwargs={name: given[name] for name in self.params})


def routes() -> list[Route]:
    """Every address that the resolver knows, named or not."""
    return list(_walk(get_resolver(), "", ()))


def _walk(resolver: URLResolver, prefix: str, params: tuple[str, ...]) -> Iterator[Route]:
    for pattern in resolver.url_patterns:
        here = (*params, *pattern.pattern.regex.groupindex)
        if isinstance(pattern, URLResolver):
            inner = f"{prefix}{pattern.namespace}:" if pattern.namespace else prefix
            yield from _walk(pattern, inner, here)
        elif isinstance(pattern, URLPattern):
            name = f"{prefix}{pattern.name}" if pattern.name else f"{prefix}({pattern.pattern})"
            yield Route(name=name, params=here, view=pattern.callback)

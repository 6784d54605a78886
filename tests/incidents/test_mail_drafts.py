"""A mail that names no incident becomes a draft of who sent it, and the answer links to it (D27)."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from incidents import access, inbound
from incidents.inbound import carrying, draft_of_mail
from incidents.inbound.drafting import append_to_draft
from incidents.models import Draft, Incident, Message
from incidents.services import mail_drafts, opening
from incidents.services.common import TextTooLong
from incidents.services.drafting import DraftOpened, change_draft, state_of
from incidents.services.files import keep_upload
from incidents.services.lapsing import warn_and_lapse
from points.models import Charge
from points.services import NotEnoughPoints
from supportdesk.mail.incoming import read, store_raw
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.models import Contact
from supportdesk.people.scope import scope_of, scope_of_contact
from supportdesk.people.services import sign_in_for
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents_helpers import DESK, a_release, at_once, delivered, mailed, raw_mail, why_held, with_points

pytestmark = pytest.mark.rule("D27")

OLIVE, RUFUS, OTTO = "Olive <olive@acme.example>", "rufus@acme.example", "otto@other.example"
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def told() -> list[OutgoingMail]:
    return list(OutgoingMail.objects.filter(kind="draft_made").order_by("id"))


def finished(draft: Draft, at: datetime, contact: Contact | None = None) -> Draft:
    return mail_drafts.finish_draft(
        draft_id=draft.pk,
        contact_id=(contact or draft.contact).pk,
        kind="operation",
        release_id=a_release().pk,
        seen=state_of(draft),
        at=at,
    )


def reseller(cast: Cast) -> list[Contact]:
    """One person at both customers, by one sign-in."""
    both = [
        Contact.objects.create(customer=customer, name="Rea Seller", email="rea@reseller.example")
        for customer in (cast.other, cast.acme)
    ]
    for contact in both:
        sign_in_for(contact=contact)
    return both


def test_a_bare_mail_becomes_a_draft_and_charges_nothing(cast: Cast, at: datetime):
    with_points(cast.acme, 25, at=at)
    raw = mailed(sender=OLIVE, at=at, subject="  It stops\tat night ", text="Since Monday.\r\n-- \r\nOlive")
    draft = Draft.objects.get()
    assert (raw.outcome, raw.reason) == ("draft", f"draft:{draft.pk}")
    assert (draft.contact, draft.customer, draft.channel) == (cast.owner, cast.acme, "email")
    assert (draft.kind, draft.release, draft.raw_mail) == ("", None, raw)
    assert (draft.subject, draft.text) == ("It stops at night", "Since Monday.\n-- \nOlive")
    assert not Charge.objects.exists()
    assert not Incident.objects.exists()


def test_its_answer_links_to_it_in_the_thread_of_the_mail(cast: Cast, at: datetime):
    with_points(cast.acme, 25, at=at)
    raw = mailed(sender=OLIVE, at=at, subject="CANARY", text="CANARY")
    (mail,) = told()
    assert (mail.to_address, mail.in_reply_to, mail.references) == (
        "olive@acme.example",
        raw.message_id,
        raw.message_id,
    )
    words = " ".join(mail.text.split())
    for said in (
        f"/drafts/{Draft.objects.get().pk}/",
        "nothing was charged",
        "To open it takes: 10 points, 25 on hand",
        "Kept through: 31 Dec 2026",
    ):
        assert said in words
    assert mail.automatic


def test_not_a_word_of_the_mail_is_repeated(cast: Cast, at: datetime):
    """Whoever puts somebody else's address into From is not heard there, then or when the draft lapses."""
    mailed(sender="Canary <olive@acme.example>", at=at, subject="CANARY", text="CANARY", Reply_To="canary@x.example")
    warn_and_lapse(at=Draft.objects.get().kept_until - 3 * DAY + 10 * HOUR)
    assert sorted(OutgoingMail.objects.values_list("kind", flat=True)) == ["draft_lapsing", "draft_made"]
    for mail in OutgoingMail.objects.all():
        assert "canary" not in f"{mail.subject}{mail.text}{mail.html}{mail.to_name}{mail.reply_to}".lower()
        assert mail.to_address == "olive@acme.example"


@pytest.mark.rule("D21")
def test_a_restricted_contact_is_not_told_of_the_points(cast: Cast, at: datetime):
    with_points(cast.acme, 77, at=at)
    mailed(sender=RUFUS, at=at)
    (mail,) = told()
    assert "10 points" in mail.text
    assert "77" not in mail.text + mail.html


@pytest.mark.rule("D8", "R4")
def test_without_points_the_draft_is_kept_and_says_what_is_on_hand(cast: Cast, at: datetime):
    mailed(sender=OTTO, at=at)
    assert "To open it takes: 10 points, 0 on hand" in " ".join(told()[0].text.split())
    draft = finished(Draft.objects.get(), at)
    with pytest.raises(NotEnoughPoints):
        opening.open_draft(draft_id=draft.pk, at=at)
    with_points(cast.other, 10, at=at)
    assert opening.open_draft(draft_id=draft.pk, at=at).subject == "Hello"


@pytest.mark.parametrize(
    ("subject", "text", "kept"),
    [
        ("", "It stops at night.\r\nSince Monday.", "It stops at night."),
        ("", "word " * 40, ("word " * 40)[:79] + "…"),
        ("s" * 300, "x", "s" * 199 + "…"),
    ],
)
def test_its_subject_fits_in_one_line(cast: Cast, at: datetime, subject: str, text: str, kept: str):
    mailed(sender=OLIVE, at=at, subject=subject, text=text)
    assert Draft.objects.get().subject == kept


def test_what_is_too_long_or_says_nothing_is_held(cast: Cast, at: datetime):
    for text, reason in (("x" * (POLICY.text_max + 1), "too_long"), ("", "no_text")):
        assert why_held(mailed(sender=OLIVE, at=at, text=text)) == reason
    raw, _new = store_raw(
        source=raw_mail(sender=OLIVE, at=at, text="y" * 200_000), mail_from="", rcpt_to=[DESK], at=at, via="smtp"
    )
    with pytest.raises(TextTooLong):
        draft_of_mail(raw=raw, mail=read(raw), contact=cast.owner, at=at, by=cast.technician)
    assert not Draft.objects.exists()


@pytest.mark.rule("D26", "D28")
@pytest.mark.parametrize(
    ("sender", "headers"),
    [
        ("nobody@strange.example", {}),
        ("tess@desk.example", {}),
        ("olive@acme.example, rufus@acme.example", {}),
        (OLIVE, {"Authentication_Results": "support.quillmark.example; dmarc=fail"}),
        (OLIVE, {"Auto_Submitted": "auto-replied"}),
        (OLIVE, {"Precedence": "bulk"}),
    ],
)
def test_nobody_else_gets_a_draft(cast: Cast, at: datetime, sender: str, headers: dict[str, str]):
    assert mailed(sender=sender, at=at, **headers).outcome == "held"
    assert not Draft.objects.exists()
    assert not told()


def test_an_unfinished_draft_cannot_be_opened(cast: Cast, at: datetime):
    with_points(cast.acme, 10, at=at)
    mailed(sender=OLIVE, at=at)
    with pytest.raises(opening.DraftUnfinished):
        opening.open_draft(draft_id=Draft.objects.get().pk, at=at)
    assert not Incident.objects.exists()


@pytest.mark.rule("D26", "R7")
def test_opened_it_goes_on_in_the_thread_of_the_first_mail(cast: Cast, at: datetime):
    with_points(cast.acme, 10, at=at)
    raw = mailed(sender=OLIVE, at=at, subject="It stops", text="Since Monday.")
    asked = told()[0].message_id
    incident = opening.open_draft(draft_id=finished(Draft.objects.get(), at).pk, at=at + HOUR)
    message = incident.messages.get()
    assert (message.raw_mail, message.via, message.text, message.contact) == (raw, "mail", "Since Monday.", cast.owner)
    number = OutgoingMail.objects.get(kind="incident_opened")
    assert number.in_reply_to == raw.message_id
    assert raw.message_id in number.references.split()
    for header in ({"In_Reply_To": number.message_id}, {"References": raw.message_id}, {"In_Reply_To": asked}):
        answer = mailed(sender=OLIVE, at=at + 2 * HOUR, text=f"And {header}", **header)
        assert (answer.outcome, Message.objects.get(raw_mail=answer).incident) == ("added", incident)
    assert Draft.objects.count() == 1
    # Of a draft that was opened a stranger's answer gets nowhere.
    assert why_held(mailed(sender=OTTO, at=at + 2 * HOUR, In_Reply_To=asked)) == "not_theirs"


def test_its_files_and_html_go_along(cast: Cast, at: datetime):
    with_points(cast.acme, 10, at=at)
    raw, _new = store_raw(source=raw_mail(sender=OLIVE, at=at), mail_from="", rcpt_to=[DESK], at=at, via="smtp")
    file = keep_upload(name="a.log", chunks=[b"one"], at=at, contact=cast.owner)
    given: dict[str, Any] = {
        "raw": raw,
        "contact": cast.owner,
        "subject": "S",
        "text": "T",
        "html": "<p>T</p>",
        "at": at,
    }
    draft, _mail = mail_drafts.keep_mail_draft(files=[file.token], **given)
    assert mail_drafts.keep_mail_draft(files=[file.token], **given) == (draft, None)
    assert list(draft.files.all()) == [file]
    message = opening.open_draft(draft_id=finished(draft, at).pk, at=at).messages.get()
    assert (message.html, list(message.files.all())) == ("<p>T</p>", [file])


def test_changed_words_leave_the_html_behind(cast: Cast, at: datetime):
    raw, _new = store_raw(source=raw_mail(sender=OLIVE, at=at), mail_from="", rcpt_to=[DESK], at=at, via="smtp")
    draft, _mail = mail_drafts.keep_mail_draft(
        raw=raw, contact=cast.owner, subject="S", text="T", html="<p>T</p>", at=at
    )
    release_id = a_release().pk
    for text, html in (("T", "<p>T</p>"), ("Other", "")):
        draft = change_draft(
            draft_id=draft.pk,
            kind="feature",
            release_id=release_id,
            subject="S",
            text=text,
            seen=state_of(draft),
            at=at,
        )
        assert Draft.objects.get().html == html


def test_an_answer_to_its_mail_adds_to_it(cast: Cast, at: datetime):
    first = mailed(sender=OLIVE, at=at, text="Since Monday.")
    ours = told()[0].message_id
    for header, text in (({"In_Reply_To": ours}, "Also at noon."), ({"References": first.message_id}, "And today.")):
        raw = mailed(sender=OLIVE, at=at + HOUR, text=f"{text}\r\n\r\n> We have your mail", **header)
        assert raw.outcome == "draft"
    draft = Draft.objects.get()
    assert draft.text == "Since Monday.\n\nAlso at noon.\n\nAnd today."
    assert len(told()) == 1, "what adds is not answered: two machines end here"
    assert raw.reason == f"draft:{draft.pk}"
    # By the mail that added, too.
    assert mailed(sender=OLIVE, at=at + HOUR, text="Last.", References=raw.message_id).reason == raw.reason
    assert inbound.file_mail(raw_id=raw.pk, at=at + HOUR) == ""


def test_a_draft_takes_so_many_mails_and_so_much_text(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at, text="x")
    ours = told()[0].message_id
    for more in range(POLICY.draft_mails_max - 1):
        mailed(sender=OLIVE, at=at, text=f"more {more}", In_Reply_To=ours)
    assert Draft.objects.count() == 1
    mailed(sender=OLIVE, at=at, text="one too many", In_Reply_To=ours)
    assert Draft.objects.count() == 2
    other = told()[1].message_id
    mailed(sender=OLIVE, at=at, text="y" * (POLICY.text_max - 5), In_Reply_To=other)
    assert Draft.objects.count() == 3


@pytest.mark.rule("D22")
def test_a_colleague_who_answers_it_makes_their_own(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at)
    for sender in (RUFUS, OTTO):
        mailed(sender=sender, at=at, text="Me too.", In_Reply_To=told()[0].message_id)
    assert [draft.contact for draft in Draft.objects.order_by("id")] == [cast.owner, cast.restricted, cast.stranger]


def test_what_answers_a_draft_that_is_gone_is_one_of_its_own(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at)
    ours = told()[0].message_id
    opening.discard_draft(draft_id=Draft.objects.get().pk, at=at)
    mailed(sender=OLIVE, at=at, text="Again.", In_Reply_To=ours)
    assert list(Draft.objects.order_by("id").values_list("text", flat=True)) == ["It works now.", "Again."]


def test_what_came_before_a_draft_lapsed_and_is_filed_after_is_one_of_its_own(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at)
    draft = Draft.objects.get()
    source = raw_mail(sender=OLIVE, at=at, text="Still.", In_Reply_To=told()[0].message_id)
    before = draft.kept_until - HOUR
    raw, _new = store_raw(source=source, mail_from=RUFUS, rcpt_to=[DESK], at=before, via="smtp")
    assert inbound.file_mail(raw_id=raw.pk, at=draft.kept_until + HOUR) == "draft"
    assert access.drafts_for(scope_of_contact(cast.owner), at=draft.kept_until + HOUR).get().text == "Still."


def test_an_answer_to_a_mail_without_a_number_is_a_bare_mail(cast: Cast, at: datetime):
    """Points that expire, a code for signing in: they belong to no incident."""
    with_points(cast.acme, 10, at=at)
    ours = OutgoingMail.objects.create(
        message_id="<code@support.quillmark.example>",
        key="code",
        kind="code",
        to_address="olive@acme.example",
        subject="Code",
        text="1",
        queued_at=at,
        next_try_at=at,
        give_up_at=at,
    )
    assert mailed(sender=OLIVE, at=at, In_Reply_To=ours.message_id).outcome == "draft"


@pytest.mark.rule("D28")
def test_an_absence_note_to_its_mail_is_kept_and_does_nothing(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at)
    raw = mailed(sender=OLIVE, at=at, text="Away", In_Reply_To=told()[0].message_id, Auto_Submitted="auto-replied")
    assert (raw.outcome, raw.reason) == ("automatic", "auto-submitted")
    assert Draft.objects.get().text == "It works now."
    assert OutgoingMail.objects.count() == 1


def test_a_mail_that_answers_a_draft_while_it_opens_goes_to_the_incident(
    cast: Cast, at: datetime, monkeypatch: pytest.MonkeyPatch
):
    with_points(cast.acme, 10, at=at)
    mailed(sender=OLIVE, at=at)
    draft = finished(Draft.objects.get(), at)
    real = append_to_draft

    def opens_first(**given):
        opening.open_draft(draft_id=draft.pk, at=at)
        return real(**given)

    monkeypatch.setattr(carrying, "append_to_draft", opens_first)
    raw = mailed(sender=OLIVE, at=at, text="Also.", In_Reply_To=told()[0].message_id)
    assert raw.outcome == "added"
    with pytest.raises(DraftOpened):
        mail_drafts.add_to_draft(
            draft_id=draft.pk,
            raw=RawMail.objects.create(source=b"x", digest="d", received_at=at, next_try_at=at, via="pipe"),
            text="x",
            at=at,
        )


@pytest.mark.rule("D29")
def test_one_mail_in_parallel_workers_is_one_draft(committed_cast: Cast, at: datetime):
    source = raw_mail(sender=OLIVE, at=at)
    raw, _new = store_raw(source=source, mail_from=RUFUS, rcpt_to=[DESK], at=at, via="smtp")
    made = at_once(*[lambda: inbound.file_mail(raw_id=raw.pk, at=at)] * 6)
    assert sorted(made) == ["", "", "", "", "", "draft"]
    assert (Draft.objects.count(), len(told())) == (1, 1)


@pytest.mark.rule("D26")
def test_a_technician_makes_one_of_held_mail_once(cast: Cast, at: datetime):
    raw = mailed(sender="nobody@strange.example", at=at, subject="S", text="T")
    given: dict[str, Any] = {"raw": raw, "mail": read(raw), "contact": cast.owner, "at": at, "by": cast.technician}
    draft = draft_of_mail(**given)
    assert draft_of_mail(**given) == draft
    assert [mail.to_address for mail in told()] == ["olive@acme.example"]


@pytest.mark.rule("D21", "D22")
def test_until_it_is_finished_only_its_writer_sees_it(cast: Cast, at: datetime):
    mailed(sender=RUFUS, at=at)
    draft = Draft.objects.get()
    own, colleague = scope_of_contact(cast.restricted), scope_of_contact(cast.owner)
    assert access.drafts_for(own, at=at).get() == draft
    assert not access.drafts_for(colleague, at=at).exists()
    assert access.drafts_for(scope_of(cast.technician), at=at).get() == draft
    finished(draft, at)
    assert access.drafts_for(colleague, at=at).get() == draft


@pytest.mark.rule("D21", "D22")
def test_who_writes_for_several_customers_says_for_which(cast: Cast, at: datetime):
    at_other, at_acme = reseller(cast)
    with_points(cast.acme, 31, at=at)
    mailed(sender="rea@reseller.example", at=at)
    draft = Draft.objects.get()
    assert draft.contact == at_acme, "the first by name"
    (mail,) = told()
    assert "for which of your customers" in mail.text
    assert "on hand" not in mail.text
    for colleague in (cast.owner, cast.stranger):
        assert not access.drafts_for(scope_of_contact(colleague), at=at).exists()
        with pytest.raises(mail_drafts.NotTheSamePerson):
            finished(draft, at, contact=colleague)
    moved = finished(draft, at, contact=at_other)
    assert (moved.contact, moved.customer) == (at_other, cast.other)
    assert not access.drafts_for(scope_of_contact(cast.owner), at=at).exists()
    assert access.drafts_for(scope_of_contact(cast.stranger), at=at).get() == draft
    at_acme.removed_at = at
    at_acme.save()
    with pytest.raises(mail_drafts.NotTheSamePerson):
        finished(moved, at, contact=at_acme)


def test_a_reply_to_the_reminder_adds_to_the_draft(cast: Cast, at: datetime):
    mailed(sender=OLIVE, at=at)
    draft = Draft.objects.get()
    assert draft.raw_mail is not None
    soon = draft.kept_until - 3 * DAY + 10 * HOUR
    warn_and_lapse(at=soon)
    reminder = OutgoingMail.objects.get(kind="draft_lapsing")
    assert reminder.references.split() == [draft.raw_mail.message_id, told()[0].message_id]
    delivered(raw_mail(sender=OLIVE, at=soon, text="Still.", In_Reply_To=reminder.message_id), at=soon)
    assert Draft.objects.get().text.endswith("Still.")

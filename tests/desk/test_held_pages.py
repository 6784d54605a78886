"""The pages of held mail: the list at any size, and each act as it is pressed (D26, D27)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import pytest
from django.db import connection
from django.test import Client

from incidents import held as reading
from incidents.inbound import block_sender, discard_held
from incidents.models import BlockedSender, Draft, HeldMail, HeldReason, Incident
from supportdesk.mail.models import OutgoingMail, RawMail
from supportdesk.people.finding import Folded
from supportdesk.people.models import ContactAddress
from supportdesk.people.scope import scope_of
from tests.cast import Cast
from tests.desk.test_pages import there, told
from tests.incidents_helpers import mailed, opened, signed_in
from tests.portal.test_lists import queries

pytestmark = pytest.mark.rule("D26")
HOUR = timedelta(hours=1)


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def held(*, at: datetime, sender: str = "nobody@strange.example", **mail: str) -> HeldMail:
    return HeldMail.objects.get(raw_mail=mailed(sender=sender, at=at, **mail))


def many(count: int, *, at: datetime, **given: object) -> None:
    """Held mails written by the row."""
    raws = RawMail.objects.bulk_create(
        RawMail(source=b"", digest=f"{at.isoformat()}{n}", received_at=at, next_try_at=at, via="pipe", outcome="held")
        for n in range(count)
    )
    HeldMail.objects.bulk_create(
        HeldMail(
            **{
                "raw_mail": raw,
                "reason": HeldReason.UNKNOWN_SENDER,
                "sender": f"s{n}@strange.example",
                "subject": f"Subject {n}",
                "text": "Words",
                "held_at": at + timedelta(seconds=n // 3),
                **given,
            }
        )
        for n, raw in enumerate(raws)
    )


@pytest.mark.parametrize("view", ["", "?view=settled"])
def test_fifty_rows_need_as_many_queries_as_one(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client, view: str
):
    settled = {"settled_at": clock_at, "settled_by": cast.technician, "settled_as": "attached", "attached_to": incident}
    given = {"incident": incident} | (settled if view else {})
    many(1, at=clock_at, **given)
    desk.get("/desk/held/")
    one = queries(desk, f"/desk/held/{view}")
    many(60, at=clock_at + HOUR, **given)
    assert queries(desk, f"/desk/held/{view}") == one


@pytest.mark.parametrize("settled", [False, True])
def test_page_after_page_shows_each_mail_once(cast: Cast, clock_at: datetime, settled: bool):
    ended = {"settled_at": clock_at, "settled_as": "discarded"} if settled else {}
    many(120, at=clock_at, **ended)
    seen: list[int] = []
    after = ""
    while True:
        asked = reading.Wanted(settled=settled, after=after)
        page = reading.listed(scope_of(cast.technician), asked)
        seen += [row.held.pk for row in page.rows]
        after = page.next
        if not after:
            break
    assert len(seen) == len(set(seen)) == 120
    assert seen == sorted(seen, reverse=settled)


@pytest.mark.parametrize("after", ["x", "-", "1-", "٣-1", "9" * 40 + "-1", "1-" + "9" * 40, "99999999999999999-1"])
def test_a_place_that_is_none_is_the_beginning_or_nothing(clock_at: datetime, desk: Client, after: str):
    many(1, at=clock_at)
    assert desk.get("/desk/held/", {"after": after}).status_code == 200


def test_filtered_by_reason_and_by_words(clock_at: datetime, incident: Incident, desk: Client):
    held(at=clock_at, sender="jürgen@müller.example".encode("ascii", "ignore").decode(), subject="Rechnung für März")
    held(at=clock_at, sender="olive@acme.example", text=f"About {incident.number}", subject="Printer")
    for query, shown in (
        ({"q": "marz rechn"}, ["Rechnung für März"]),
        ({"q": "olive printer"}, ["Printer"]),
        ({"q": "olive rechnung"}, []),
        ({"kind": "body_number"}, ["Printer"]),
        ({"kind": "body_number", "q": "rechnung"}, []),
        ({"kind": "no such"}, ["Rechnung für März", "Printer"]),
        ({"q": "%"}, []),
        ({"q": "\x00"}, ["Rechnung für März", "Printer"]),
    ):
        page = told(desk.get("/desk/held/", query))
        assert [one for one in ("Rechnung für März", "Printer") if one in page] == shown, query
    assert "No mail fits." in told(desk.get("/desk/held/", {"q": "zzz"}))


def test_the_planner_takes_the_indexes(cast: Cast, clock_at: datetime):
    """The first page, a later one, one reason, words: none reads all there is."""
    many(3000, at=clock_at)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute("SET LOCAL enable_sort = off")
    scope = scope_of(cast.technician)
    for asked, index in (
        (reading.Wanted(), "held_mail_open"),
        (reading.Wanted(kind="staff"), "held_mail_by_reason"),
        (reading.Wanted(settled=True), "held_mail_settled"),
        (reading.Wanted(settled=True, kind="discarded"), "held_mail_by_end"),
    ):
        mails = reading._filtered(scope, asked)
        order = ("-settled_at", "-pk") if asked.settled else ("held_at", "pk")
        plan = mails.order_by(*order)[:51].explain()
        assert index in plan, plan
    for column in ("sender", "subject"):
        plan = HeldMail.objects.order_by().alias(folded=Folded(column)).filter(folded__contains="strange").explain()
        assert f"held_mail_by_{column}_words" in plan, plan


def test_a_forged_mail_is_not_called_the_contacts_own(clock_at: datetime, incident: Incident, desk: Client):
    """Whoever attaches it vouches for it; the page doesn't (D26)."""
    mail = held(at=clock_at, sender="olive@acme.example", text=f"Send me the password of {incident.number}")
    HeldMail.objects.filter(pk=mail.pk).update(reason=HeldReason.DMARC)
    words = told(desk.get(f"/desk/held/{mail.pk}/attach/?number={incident.number}"))
    assert "whose address it bears" in words
    assert "who wrote it" not in words


def test_a_mail_opens_with_what_helps_to_decide(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    held(at=clock_at, sender="olive@acme.example", text=f"Before: {incident.number}")
    mail = held(
        at=clock_at, sender="olive@acme.example", text=f"See {incident.number}\n\nOn Monday Tess wrote:\n> Does it?\n"
    )
    words = told(desk.get(f"/desk/held/{mail.pk}/"))
    assert "The ticket number stands in the text alone" in words
    assert "2 quoted lines" in words
    assert "It becomes a message of Olive Owner, who wrote it." in words
    assert "Nobody outside is mailed" in words
    assert "1 mail of this sender waits from before" in words
    assert "Olive Owner, Acme Tools" in words


@pytest.mark.rule("D22")
def test_another_customers_words_are_attached_only_with_a_tick(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    mail = held(at=clock_at, sender="otto@other.example", subject=incident.number, text="Words of other")
    attach = f"/desk/held/{mail.pk}/attach/"
    words = told(desk.get(attach, {"number": incident.number}))
    assert "The sender is another customer’s contact." in words
    assert "Otto Other (Other Works)" in words
    answer = desk.post(attach, {"number": incident.number})
    assert answer.status_code == 422
    assert "Tick that it is meant" in told(answer)
    assert not incident.messages.filter(via="mail").exists()
    desk.post(attach, {"number": incident.number, "confirmed": "1"})
    for reader in (desk, signed_in(cast.owner)):
        path = there(incident) if reader is desk else f"/incidents/{incident.number}/"
        assert "attached by Tess Technician, from otto@other.example" in told(reader.get(path))


@pytest.mark.rule("D22")
def test_another_number_than_the_mail_names_is_warned_of_and_asks_for_the_tick(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    other = opened(cast.stranger, at=clock_at)
    mail = held(at=clock_at, sender="olive@acme.example", text=f"About {other.number}")
    attach = f"/desk/held/{mail.pk}/attach/"
    page = desk.get(attach, {"number": incident.number})
    words = told(page)
    shown, to = (" ".join(one.shown_number.split()) for one in (other, incident))
    assert f"The mail names {shown} ." in words
    assert f"You attach it to {to}, whose customer’s people will read it." in words
    assert 'name="confirmed"' in page.content.decode()
    answer = desk.post(attach, {"number": incident.number})
    assert answer.status_code == 422
    assert f"The mail names {shown}, not this incident." in told(answer)
    assert not incident.messages.filter(via="mail").exists()
    desk.post(attach, {"number": incident.number, "confirmed": "1"})
    assert incident.messages.filter(via="mail").count() == 1


@pytest.mark.rule("D22")
def test_a_sender_who_is_nobodys_contact_is_warned_of(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    mail = held(at=clock_at, subject=incident.number)
    page = desk.get(f"/desk/held/{mail.pk}/attach/", {"number": incident.number})
    assert "No contact writes from the sender’s address. The people of Acme Tools will read the mail." in told(page)
    assert 'name="confirmed"' in page.content.decode()
    own = held(at=clock_at, sender="olive@acme.example", text=f"About {incident.number}")
    page = desk.get(f"/desk/held/{own.pk}/attach/", {"number": incident.number})
    assert 'name="confirmed"' not in page.content.decode()


def test_before_it_is_attached_to_what_is_closed_the_effect_is_said(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    Incident.objects.filter(pk=incident.pk).update(status="closed", closed_at=clock_at, first_closed_at=clock_at)
    mail = held(at=clock_at)
    attach = f"/desk/held/{mail.pk}/attach/?number={incident.number}"
    assert "the mail asks to re-open it" in told(desk.get(attach))
    long_ago = clock_at - timedelta(days=200)
    Incident.objects.filter(pk=incident.pk).update(closed_at=long_ago, first_closed_at=long_ago)
    assert "The days in which it can be re-opened are over" in told(desk.get(attach))


def test_marked_ones_are_discarded_and_brought_back(clock_at: datetime, desk: Client):
    mails = [held(at=clock_at, text=str(n)) for n in range(3)]
    path = "/desk/held/discard/"
    assert "No mail is marked." in told(desk.post(path, follow=True))
    words = told(desk.post(path, {"mail": [mails[0].pk, mails[1].pk], "back-q": "strange"}, follow=True))
    assert "2 mails are put away" in words
    ids = f"{mails[0].pk},{mails[1].pk}"
    assert "2 mails wait here again." in told(desk.post("/desk/held/bring-back/", {"mails": ids}, follow=True))
    shown = re.search(r'name="shown" value="([\d,]+)"', desk.get("/desk/held/").content.decode())
    assert shown
    again = told(desk.post(path, {"mail": [mails[0].pk]}, follow=True))
    assert "1 mail is put away" in again
    stale = told(desk.post(path, {"mail": [mails[0].pk]}, follow=True))
    assert "1 of them was settled already, and stays as it is." in stale, "it was oneself, in another tab"
    desk.post("/desk/held/bring-back/", {"mails": mails[0].pk})
    assert "3 mails are put away" in told(desk.post(path, {"all": "1", "shown": shown[1]}, follow=True))
    assert "No mail is held." in told(desk.get("/desk/held/"))
    too_many = ",".join(str(n) for n in range(1, 400))
    assert "At most 200" in told(desk.post(path, {"all": "1", "shown": too_many}, follow=True))


def test_what_a_colleague_settled_meanwhile_is_said(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    mail = held(at=clock_at)
    discard_held(held_ids=[mail.pk], user=cast.colleague, at=clock_at)
    page = f"/desk/held/{mail.pk}/"
    words = told(desk.get(page))
    assert "Discarded by Carl Colleague" in words
    assert "Bring it back" in words
    acts = {
        "attach": {"number": incident.number},
        "draft": {"contact": cast.owner.pk},
        "belongs": {"contact": cast.owner.pk},
        "anew": {},
    }
    for act, form in acts.items():
        assert "Carl Colleague has put this mail away meanwhile" in told(desk.post(f"{page}{act}/", form, follow=True))
    assert "It was settled already" in told(desk.post(f"{page}discard/", follow=True))
    back = told(desk.post("/desk/held/bring-back/", {"mails": mail.pk, "stay": "1"}, follow=True))
    assert "The mail waits here again." in back
    assert not ContactAddress.objects.exists()


def test_an_address_is_given_to_a_contact_who_was_searched(
    cast: Cast, clock_at: datetime, incident: Incident, desk: Client
):
    mail = held(at=clock_at, sender="olive@home.example", subject=incident.number)
    held(at=clock_at, sender="olive@home.example", text=f"About {incident.number}")
    page = f"/desk/held/{mail.pk}/"
    found = desk.get(f"{page}person/", {"q": "olive"}, headers={"HX-Request": "true"}).content.decode()
    assert "Olive Owner" in found
    assert "<html" not in found
    words = told(desk.post(f"{page}belongs/", {"contact": cast.owner.pk}, follow=True))
    assert "olive@home.example belongs to Olive Owner (Acme Tools). 2 mails: 1 added, 1 held still." in words
    assert incident.messages.filter(via="mail").count() == 1


def test_an_address_that_is_anothers_asks_for_a_tick(cast: Cast, clock_at: datetime, desk: Client):
    mail = held(at=clock_at, sender="otto@other.example", subject=opened(cast.owner, at=clock_at).number)
    page = f"/desk/held/{mail.pk}/belongs/"
    answer = desk.post(page, {"contact": cast.owner.pk})
    assert answer.status_code == 422
    assert "Otto Other (Other Works)" in told(answer)
    assert not ContactAddress.objects.exists()
    desk.post(page, {"contact": cast.owner.pk, "confirmed": "1"})
    assert ContactAddress.objects.get().contact == cast.owner


@pytest.mark.rule("D27")
def test_a_draft_is_made_from_the_page(cast: Cast, clock_at: datetime, desk: Client):
    mail = held(at=clock_at)
    words = told(desk.post(f"/desk/held/{mail.pk}/draft/", {"contact": cast.owner.pk}, follow=True))
    assert "The link to it is on its way to olive@acme.example." in words
    assert Draft.objects.get().contact == cast.owner
    assert OutgoingMail.objects.filter(kind="draft_made", to_address="olive@acme.example").count() == 1
    assert "Made a draft of Olive Owner (Acme Tools) by Tess" in told(desk.get(f"/desk/held/{mail.pk}/"))
    assert "made a draft of Olive Owner" in told(desk.get("/desk/held/?view=settled"))


def test_a_sender_is_blocked_from_a_mail_and_unblocked_in_the_list(cast: Cast, clock_at: datetime, desk: Client):
    mail = held(at=clock_at, sender="spam@shop.example")
    words = told(desk.post(f"/desk/held/{mail.pk}/block/", {"what": "domain"}, follow=True))
    assert "@shop.example is blocked, and 1 mail of it is put away." in words
    blocked = BlockedSender.objects.get()
    assert "@shop.example" in told(desk.get("/desk/held/blocked/"))
    words = told(desk.post(f"/desk/held/blocked/{blocked.pk}/remove/", follow=True))
    assert "@shop.example is not blocked any more." in words
    assert "Nobody is blocked." in words
    for wrong, said in (
        ("x", "Write an address"),
        ("@support.quillmark.example", "an address of ours"),
        ("@acme.example", "Olive Owner (Acme Tools)"),
    ):
        answer = desk.post("/desk/held/blocked/", {"address": wrong})
        assert answer.status_code == 422
        assert said in told(answer)
    assert not BlockedSender.objects.exists()
    desk.post("/desk/held/blocked/", {"address": "@acme.example", "confirmed": "1"})
    assert BlockedSender.objects.get().blocked_by == cast.technician


def test_a_contact_is_blocked_from_a_mail_only_with_a_tick(cast: Cast, clock_at: datetime, desk: Client):
    incident = opened(cast.owner, at=clock_at)
    mail = held(at=clock_at, sender="olive@acme.example", text=f"About {incident.number}")
    page = f"/desk/held/{mail.pk}/block/"
    answer = desk.post(page, {"what": "address"})
    assert answer.status_code == 422
    assert "Their mail would be put away unseen." in told(answer)
    desk.post(page, {"what": "address", "confirmed": "1"})
    mail.refresh_from_db()
    assert mail.settled_as == "blocked"


def test_decided_again_it_says_what_came_of_it(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    mail = held(at=clock_at, subject=incident.number)
    page = f"/desk/held/{mail.pk}/anew/"
    assert "Decided again, and held still: no contact has this address." in told(desk.post(page, follow=True))
    ContactAddress.objects.create(contact=cast.owner, address=mail.sender)
    assert f"The mail is a message of {' '.join(incident.shown_number.split())} now." in told(
        desk.post(page, follow=True)
    )
    block_sender(address="x@strange.example", user=cast.technician, at=clock_at)


def test_what_a_sender_wrote_before_is_found_in_the_list_where_it_stands(cast: Cast, desk: Client, clock_at: datetime):
    gone, waits, now = (held(at=clock_at + n * HOUR, subject=f"Offer {n}") for n in range(3))
    discard_held(held_ids=[gone.pk], user=cast.technician, at=clock_at + 3 * HOUR)
    page = desk.get(f"/desk/held/{now.pk}/").content.decode()
    for words, subject in (("1 mail of this sender waits", waits.subject), ("1 mail of this sender was", gone.subject)):
        (link,) = re.findall(rf'<a href="([^"]+)">{words}', page)
        assert subject in desk.get(link.replace("&amp;", "&")).content.decode()


def test_what_was_attached_is_one_press_away(cast: Cast, clock_at: datetime, incident: Incident, desk: Client):
    link = f'<a class="number" href="/desk/incidents/{incident.number}/">{incident.shown_number}</a>'
    mail = held(at=clock_at)
    done = {"number": incident.number, "confirmed": "1"}
    assert f"Attached to {link}." in desk.post(f"/desk/held/{mail.pk}/attach/", done, follow=True).content.decode()
    waits = held(at=clock_at, sender="o&i@home.example", subject=incident.number)
    given = {"contact": cast.owner.pk}
    page = desk.post(f"/desk/held/{waits.pk}/belongs/", given, follow=True).content.decode()
    assert f"1 mail: 1 added. {link}" in page
    assert "o&amp;i@home.example belongs to" in page

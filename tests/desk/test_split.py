"""The split page: one screen, priced, stopped where it is stale; and what waits on the incident's page (D8, D14)."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from lxml import html

from incidents.models import Incident, Proposal
from incidents.services import conversation, splitting
from tests.cast import Cast
from tests.incidents.splitting import a_file, divided, first_message, offspring, rows
from tests.incidents_helpers import again, answered, key, opened, signed_in, with_points

pytestmark = pytest.mark.rule("D14")


@pytest.fixture
def incident(cast: Cast, clock_at: datetime) -> Incident:
    return opened(cast.owner, at=clock_at, points=44)


@pytest.fixture
def desk(cast: Cast) -> Client:
    return signed_in(cast.technician)


def path(incident: Incident, end: str = "") -> str:
    return f"/desk/incidents/{incident.number}/split/{end}"


def sent(incident: Incident, *titles: str, **given: Any) -> dict[str, Any]:
    """What the page sends: a part a title, each with the first message."""
    latest = incident.timeline.order_by("pk").last()
    assert latest is not None
    first = first_message(incident).pk
    values: dict[str, Any] = {"key": key(), "seen": latest.pk, "count": len(titles), "part-0-subject": "Mail is late"}
    for position, title in enumerate(titles, start=1):
        values |= {f"part-{position}-subject": title, f"part-{position}-messages": [first]}
    return values | given


def shown(incident: Incident) -> str:
    return " ".join(incident.shown_number.split())


def said(page: Any) -> str:
    return " ".join(html.fromstring(page.content.decode()).find(".//main").text_content().split())


def test_the_page_shows_problems_messages_price_and_deadline(desk: Client, cast: Cast, incident: Incident):
    first = first_message(incident)
    file = a_file(first)
    note = conversation.note(
        incident_id=incident.pk, text="In the house", user=cast.colleague, at=incident.opened_at, key=key()
    )
    page = desk.get(path(incident))
    boxes = html.fromstring(page.content.decode()).xpath("//input[@type='checkbox' and @name]")
    assert [(box.get("name"), box.get("value")) for box in boxes] == [
        ("part-1-messages", str(first.pk)),
        ("part-1-attached", str(file.pk)),
        ("part-1-messages", str(note.pk)),
    ]
    text = said(page)
    for words in (
        f"stays in {shown(incident)}",
        "2. becomes a new number",
        "Each night at two it stops.",
        "File trace.log",
        "internal note",
        "34 → 24 after the split",
        "1 × 10 = 10, 34 on hand, then 24",
        "Part 2: lot until",
        "Tue 1 Dec, 14:00 in New York",
        "Wed 2 Dec, 0:30 for you",
        "Split and spend 10 points",
        "Leave it whole",
    ):
        assert words in text


def test_parts_come_and_go_and_the_preview_with_them(desk: Client, incident: Incident):
    """As plain buttons, without a script: what was typed and ticked is kept."""
    before = rows()
    typed = sent(incident, "Calendars", "Search")
    page = desk.post(path(incident), typed | {"do": "add"})
    assert page.status_code == 200
    assert "3 × 10 = 30, 34 on hand, then 4" in said(page)
    tree = html.fromstring(page.content.decode())
    titles = [field.get("value") for field in tree.xpath("//input[contains(@name, '-subject')]")]
    assert titles == ["Mail is late", "Calendars", "Search", ""]
    assert [box.get("name") for box in tree.xpath("//input[@type='checkbox' and @checked and @name]")] == [
        "part-1-messages",
        "part-2-messages",
    ]
    assert tree.xpath("//input[@autofocus]/@name") == ["part-3-subject"]
    assert tree.xpath("//input[@name='key']/@value") == [typed["key"]]
    tree = html.fromstring(desk.post(path(incident), typed | {"do": "remove:1"}).content.decode())
    titles = [field.get("value") for field in tree.xpath("//input[contains(@name, '-subject')]")]
    assert titles == ["Mail is late", "Search"]
    assert tree.xpath("//input[@name='count']/@value") == ["1"]
    for odd in ("remove:9", "remove:0", "remove:x", "jump", ""):
        assert desk.post(path(incident), typed | {"do": odd}).status_code == 200
    assert rows() == before


def test_never_more_rows_than_can_be_split(desk: Client, incident: Incident):
    for count in ("999", "9" * 30, "-1", "x", ""):
        page = desk.post(path(incident), sent(incident, "Calendars") | {"count": count, "do": "add"})
        tree = html.fromstring(page.content.decode())
        assert 2 <= len(tree.xpath("//input[contains(@name, '-subject')]")) <= 11


def test_one_post_splits(desk: Client, cast: Cast, incident: Incident):
    values = sent(incident, "Calendars", "Search")
    done = desk.post(path(incident), values, follow=True)
    first, second = offspring(incident)
    assert again(incident).subject == "Mail is late"
    text = said(done)
    assert f"Split: {shown(first)} and {shown(second)} are incidents of their own." in text
    assert done.redirect_chain == [(f"/desk/incidents/{incident.number}/", 302)]
    before = rows()
    assert desk.post(path(incident), values).status_code == 302
    assert rows() == before


@pytest.mark.rule("D8")
def test_short_of_points_it_proposes(desk: Client, incident: Incident):
    page = desk.post(path(incident), sent(incident, *"ABC") | {"do": "add"})
    text = said(page)
    assert "40 needed, 34 on hand" in text
    assert "6 points missing: nothing changes now." in text
    assert "Propose the split" in text
    assert "Split and spend" not in text
    done = desk.post(path(incident), sent(incident, *"ABCD"), follow=True)
    text = said(done)
    assert "the split waits, and Olive Owner is told what is missing." in text
    assert "A split waits for points" in text
    assert "Needs 40 points, 34 on hand: 6 points missing." in text
    assert "Carry it out now" not in text
    assert 'data-key="s"' not in done.content.decode()
    assert offspring(incident) == []
    # The page itself leads back there.
    refused = desk.get(path(incident), follow=True)
    assert "A proposal waits for points already." in said(refused)


@pytest.mark.rule("D8")
def test_a_waiting_split_is_carried_out_or_withdrawn(desk: Client, cast: Cast, incident: Incident, clock_at: datetime):
    proposal = divided(incident, cast.colleague, *"ABCD", at=clock_at)
    short = desk.post(path(incident, "carry-out/"), {"proposal": proposal.pk}, follow=True)
    assert "Needs 40 points, 34 on hand. Nothing was changed." in said(short)
    with_points(cast.acme, 6, at=clock_at)
    assert "Carry it out now, spend 40 points" in said(desk.get(f"/desk/incidents/{incident.number}/"))
    done = desk.post(path(incident, "carry-out/"), {"proposal": proposal.pk}, follow=True)
    assert "are incidents of their own." in said(done)
    assert len(offspring(incident)) == 4
    refused = desk.post(path(incident, "withdraw/"), {"proposal": proposal.pk}, follow=True)
    assert "It was carried out already" in said(refused)

    other = divided(incident, cast.technician, "More", at=clock_at)
    withdrawn = desk.post(path(incident, "withdraw/"), {"proposal": other.pk}, follow=True)
    assert "The proposal is withdrawn: the incident stays whole." in said(withdrawn)
    refused = desk.post(path(incident, "carry-out/"), {"proposal": other.pk}, follow=True)
    assert "The proposal was withdrawn meanwhile." in said(refused)
    for odd in ("", "x", "0", "9" * 30):
        assert desk.post(path(incident, "withdraw/"), {"proposal": odd}).status_code == 404


@pytest.mark.rule("D10")
def test_a_message_that_came_meanwhile_stops_it_and_is_shown(
    desk: Client, cast: Cast, incident: Incident, clock_at: datetime
):
    typed = sent(incident, "Calendars")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="One more thing", via="portal", at=clock_at, key=key()
    )
    page = desk.post(path(incident), typed)
    assert page.status_code == 422
    assert "Olive Owner wrote while you were at it" in said(page)
    tree = html.fromstring(page.content.decode())
    (row,) = tree.xpath("//tr[@class='fresh']")
    assert "One more thing" in row.text_content()
    assert tree.xpath("//input[@name='part-1-subject']/@value") == ["Calendars"]
    assert len(tree.xpath("//input[@name='part-1-messages' and @checked]")) == 1
    assert offspring(incident) == []
    seen, renewed = (tree.xpath(f"//input[@name='{name}']/@value")[0] for name in ("seen", "key"))
    assert renewed != typed["key"]
    assert desk.post(path(incident), typed | {"seen": seen, "key": renewed}).status_code == 302
    assert len(offspring(incident)) == 1


def test_another_split_stops_it(desk: Client, cast: Cast, incident: Incident, clock_at: datetime):
    typed = sent(incident, "Calendars")
    divided(incident, cast.colleague, "Search", at=clock_at)
    page = desk.post(path(incident), typed)
    assert "Carl Colleague split this incident while you were at it." in said(page)
    assert len(offspring(incident)) == 1


def test_what_is_wrong_is_said_at_its_field(desk: Client, cast: Cast, incident: Incident, clock_at: datetime):
    file = a_file(first_message(incident))
    note = conversation.note(incident_id=incident.pk, text="Inside", user=cast.colleague, at=clock_at, key=key())
    theirs = first_message(opened(cast.stranger, at=clock_at))
    before = rows()
    wrong = sent(incident, "", "mail is LATE", "x" * 201, "A file", "Another’s")
    wrong |= {"part-4-messages": [note.pk], "part-4-attached": [file.pk], "part-5-messages": [theirs.pk]}
    del wrong["part-3-messages"]
    page = desk.post(path(incident), wrong)
    assert page.status_code == 422
    # What no page offers is said first; the rest once that is looked through.
    assert "One that was chosen is not of this incident any more." in said(page)
    wrong["part-5-messages"] = [first_message(incident).pk]
    tree = html.fromstring(desk.post(path(incident), wrong | {"key": key()}).content.decode())
    errors = {
        section.get("aria-labelledby"): [error.text for error in section.xpath(".//p[@class='error']")]
        for section in tree.xpath("//section[contains(@class, 'part')]")
    }
    assert errors == {
        "p0": [],
        "p1": ["Say in one line what this problem is."],
        "p2": ["Another part has this title. Say what differs."],
        "p3": ["A title has at most 200 characters.", "Choose a message for this part that its customer can read."],
        "p4": [
            "Choose a message for this part that its customer can read.",
            "A file goes with its message: choose the message of each file as well.",
        ],
        "p5": [],
    }
    assert tree.xpath("//input[@name='part-1-subject']/@aria-invalid") == ["true"]
    assert rows() == before


def test_a_key_that_was_used_for_another_split(desk: Client, incident: Incident):
    typed = sent(incident, "Calendars")
    desk.post(path(incident), typed)
    page = desk.post(path(incident), typed | {"part-1-subject": "Search"})
    assert page.status_code == 422
    assert "This form was sent before with other content." in said(page)


def test_what_has_ended_has_no_split(desk: Client, cast: Cast, incident: Incident, clock_at: datetime):
    answered(incident, cast.technician, at=clock_at, then="closed")
    assert 'data-key="s"' not in desk.get(f"/desk/incidents/{incident.number}/").content.decode()
    page = desk.get(path(incident), follow=True)
    assert "This incident is closed: there is nothing to split." in said(page)
    page = desk.post(path(incident), sent(incident, "Calendars"))
    assert page.status_code == 422
    assert "This incident is closed by now" in said(page)


def test_a_preview_of_what_has_ended_leads_the_whole_page_away(
    desk: Client, cast: Cast, incident: Incident, clock_at: datetime
):
    typed = sent(incident, "Calendars") | {"do": "look"}
    answered(incident, cast.technician, at=clock_at, then="closed")
    part = desk.post(path(incident), typed, headers={"HX-Request": "true"})
    assert (part.status_code, part.headers["HX-Redirect"]) == (204, f"/desk/incidents/{incident.number}/")


def test_texts_of_people_are_no_markup(desk: Client, cast: Cast, incident: Incident):
    page = desk.post(path(incident), sent(incident, '"><script>1</script>') | {"do": "look"})
    assert "<script>1" not in page.content.decode()


def test_the_page_takes_as_many_queries_for_ten_messages_as_for_one(
    desk: Client, cast: Cast, incident: Incident, clock_at: datetime
):
    def queries() -> int:
        with CaptureQueriesContext(connection) as seen:
            assert desk.get(path(incident)).status_code == 200
        return len(seen)

    queries()
    one = queries()
    for _time in range(10):
        message = conversation.customer_message(
            incident_id=incident.pk, contact=cast.owner, text="More", via="portal", at=clock_at, key=key()
        ).message
        a_file(message)
    assert queries() == one


def test_a_proposal_of_another_incident_is_not_there(desk: Client, cast: Cast, incident: Incident, clock_at: datetime):
    other = opened(cast.stranger, at=clock_at)
    proposal = divided(other, cast.technician, "Calendars", at=clock_at)
    assert desk.post(path(incident, "withdraw/"), {"proposal": proposal.pk}).status_code == 404
    assert Proposal.objects.get(pk=proposal.pk).state == "waiting"
    assert splitting.withdraw_proposal(proposal_id=proposal.pk, user=cast.technician, at=clock_at).state == "withdrawn"

"""What the form asks and explains before anything is charged: kind, product and release, one problem, the channel."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pytest
from django.test import Client

from incidents.models import DECLINED_KINDS, Draft, Incident, Product, Release
from supportdesk import clock
from tests.cast import Cast
from tests.incidents_helpers import a_release, signed_in, with_points
from tests.portal.test_report import filled, plain

TWO = "1. The search stops at 71 %.\n2. The calendar lost its colours."


@pytest.fixture
def owner(cast: Cast, clock_at: datetime) -> Client:
    with_points(cast.acme, 50, at=clock_at)
    return signed_in(cast.owner)


def errors(answer: Any) -> dict[str, str]:
    return {name: " ".join(said) for name, said in answer.context["form"].errors.items()}


@pytest.mark.rule("R11", "D15")
@pytest.mark.parametrize("kind", DECLINED_KINDS)
def test_a_declined_kind_is_explained_and_takes_one_tick_more(cast: Cast, owner: Client, kind: str, settings: Any):
    settings.TURN_TO_PARTNERS = "https://partners.example/"
    page = owner.get("/report/").content.decode()
    assert f'value="{kind}"' in page.split('aria-labelledby="declined"')[1], "apart from those that are accepted"
    words = plain(page)
    assert words.index("Incidents generally do not cover this") < words.index("Send and spend")
    assert '<a href="https://partners.example/">Our partners</a>' in page
    answer = owner.post("/report/", filled(cast, kind=kind))
    assert answer.status_code == 422
    assert list(errors(answer)) == ["anyway"]
    assert not Incident.objects.exists()
    assert owner.post("/report/", filled(cast, kind=kind, anyway="on")).status_code == 302
    assert Incident.objects.get().kind == kind


@pytest.mark.rule("R11")
def test_where_to_turn_is_named_without_a_link_where_there_is_none(owner: Client, settings: Any):
    settings.TURN_TO_ONSITE = settings.TURN_TO_PARTNERS = settings.TURN_TO_SERVICES = ""
    page = owner.get("/report/").content.decode()
    assert "Professional Services, Our partners, Our onsite teams." in plain(page)


@pytest.mark.rule("R10")
def test_an_accepted_kind_needs_no_tick_and_ignores_one(cast: Cast, owner: Client):
    assert owner.post("/report/", filled(cast, anyway="on")).status_code == 302


@pytest.mark.rule("R12")
def test_a_product_with_one_release_needs_no_second_choice(cast: Cast, owner: Client):
    only = a_release()
    answer = owner.post("/report/", filled(cast, release="", product=only.product_id))
    assert answer.status_code == 302
    assert Incident.objects.get().release == only
    part = plain(owner.get("/report/releases/", {"product": only.product_id}).content.decode())
    assert part == "Release 12.3 The only current release"


@pytest.mark.rule("R12")
def test_of_several_releases_one_is_chosen(cast: Cast, owner: Client):
    first, second = a_release(), a_release(name="12.4", since=date(2026, 6, 1))
    answer = owner.post("/report/", filled(cast, release="", product=first.product_id))
    assert errors(answer) == {"release": "Choose the release it happens with."}
    part = owner.get("/report/releases/", {"product": first.product_id, "release": second.pk}).content.decode()
    assert plain(part) == "Release Choose 12.4 12.3 Current releases only"
    assert f'<option value="{second.pk}" selected>' in part
    assert owner.post("/report/", filled(cast, release=second.pk, product=first.product_id)).status_code == 302


@pytest.mark.rule("R12")
def test_a_product_without_a_current_release_says_so(cast: Cast, owner: Client):
    old = Product.objects.create(name="Quillmark Fax")
    Release.objects.create(product=old, name="1", released_on=date(2020, 1, 1), supported_until=date(2021, 1, 1))
    assert "Quillmark Fax (no current release)" in owner.get("/report/").content.decode()
    said = errors(owner.post("/report/", filled(cast, release="", product=old.pk)))
    assert list(said) == ["product"]
    assert "has no current release" in said["product"]
    assert "no current release" in owner.get("/report/releases/", {"product": old.pk}).content.decode()


@pytest.mark.rule("R12")
def test_a_release_of_another_product_is_an_error_at_its_field(cast: Cast, owner: Client):
    other = Product.objects.create(name="Quillmark Sync")
    Release.objects.create(product=other, name="4.1", released_on=date(2026, 1, 1))
    said = errors(owner.post("/report/", filled(cast, product=other.pk)))
    assert said == {"release": "Quillmark Server 12.3 is no release of Quillmark Sync. Choose one that is."}


@pytest.mark.rule("D19")
def test_the_day_that_counts_is_the_customers(cast: Cast, owner: Client):
    """1 December ends in New York five hours after it has ended in UTC."""
    last = a_release(name="last", until=date(2026, 12, 1))
    with clock.set_to(datetime(2026, 12, 2, 4, 59, tzinfo=UTC)):
        assert owner.post("/report/", filled(cast, release=last.pk)).status_code == 302
    with clock.set_to(datetime(2026, 12, 2, 5, 0, tzinfo=UTC)):
        said = errors(owner.post("/report/", filled(cast, release=last.pk, key="another-key")))
    assert said["release"].startswith("Support of Quillmark Server last ended on 1 Dec 2026.")


@pytest.mark.rule("R9")
def test_several_problems_are_asked_about_once_and_never_block_twice(cast: Cast, owner: Client):
    answer = owner.post("/report/", filled(cast, text=TWO))
    assert answer.status_code == 422
    assert errors(answer) == {}
    page = answer.content.decode()
    assert "It reads like 2 problems; each is an incident of its own and costs 10 points." in plain(page)
    assert TWO in page
    assert '<input type="hidden" name="asked" value="1">' in page
    assert not Incident.objects.exists()
    other = TWO + "\n3. Mail is not delivered."
    assert owner.post("/report/", filled(cast, text=other, asked="1")).status_code == 302


@pytest.mark.rule("R9")
def test_errors_and_the_question_come_together(cast: Cast, owner: Client):
    answer = owner.post("/report/", filled(cast, text=TWO, subject=""))
    assert list(errors(answer)) == ["subject"]
    assert 'name="asked"' in answer.content.decode()


@pytest.mark.rule("R9")
@pytest.mark.parametrize(("text", "asks"), [(TWO, True), ("The search stops.", False), ("", False), (None, False)])
def test_what_is_typed_is_looked_at_while_typing(owner: Client, text: str | None, asks: bool):
    for client in (owner, Client()):
        part = client.post("/report/several/", {} if text is None else {"text": text}).content.decode()
        assert ("It reads like 2 problems" in part) is asks
        assert "<html" not in part


@pytest.mark.rule("R4", "R8", "R1")
def test_who_may_call_is_told_the_number_and_who_may_not_why(cast: Cast, owner: Client):
    community = signed_in(cast.stranger)
    for path in ("/", "/report/"):
        words = plain(owner.get(path).content.decode())
        assert "Call +1 866-722-5492" in words
        assert "30 points" in words
        assert "Community" not in words
        words = plain(community.get(path).content.decode())
        assert "With Community Edition incidents are reported" in words
        assert "not by telephone: those come with Enterprise Edition." in words
        assert "Call +1" not in words


@pytest.fixture
def draft(cast: Cast, clock_at: datetime) -> Draft:
    signed_in(cast.owner).post("/report/", filled(cast))
    return Draft.objects.get()


def changed(draft: Draft, client: Client, **given: Any) -> Any:
    page = client.get(f"/drafts/{draft.pk}/change/").context["form"]
    names = ("key", "seen", "kind", "product", "release", "subject", "text")
    data = {name: page[name].value() for name in names} | given
    return client.post(f"/drafts/{draft.pk}/change/", data)


@pytest.mark.rule("D8")
def test_a_draft_is_changed_until_it_is_opened(cast: Cast, draft: Draft, clock_at: datetime):
    client = signed_in(cast.owner)
    newer = a_release(name="12.4")
    kept = draft.kept_until
    answer = changed(draft, client, subject="Another", text="Other words", kind="feature", release=newer.pk)
    assert answer["Location"] == f"/drafts/{draft.pk}/"
    draft.refresh_from_db()
    assert (draft.subject, draft.text, draft.kind, draft.release) == ("Another", "Other words", "feature", newer)
    assert draft.kept_until == kept
    with_points(cast.acme, 20, at=clock_at)
    client.post(f"/drafts/{draft.pk}/open/")
    incident = Incident.objects.get()
    assert (incident.subject, incident.kind, incident.release) == ("Another", "feature", newer)
    assert incident.messages.get().text == "Other words"
    there = f"/incidents/{incident.number}/"
    assert client.get(f"/drafts/{draft.pk}/change/")["Location"] == there
    assert client.post(f"/drafts/{draft.pk}/change/")["Location"] == there


@pytest.mark.rule("D8", "R11")
@pytest.mark.parametrize(
    ("given", "field"), [({"subject": ""}, "subject"), ({"text": ""}, "text"), ({"kind": "tuning"}, "anyway")]
)
def test_a_draft_takes_no_less_than_the_form(cast: Cast, draft: Draft, given: dict[str, str], field: str):
    answer = changed(draft, signed_in(cast.owner), **given)
    assert list(errors(answer)) == [field]
    draft.refresh_from_db()
    assert draft.subject == "It stops"


@pytest.mark.rule("D8")
def test_a_stale_page_of_a_draft_says_so_and_keeps_what_was_typed(cast: Cast, draft: Draft):
    client = signed_in(cast.owner)
    seen = client.get(f"/drafts/{draft.pk}/change/").context["form"]["seen"].value()
    changed(draft, client, subject="By somebody else")
    answer = changed(draft, client, subject="Mine", seen=seen)
    assert answer.status_code == 422
    assert "Somebody changed this draft meanwhile." in plain(answer.content.decode())
    assert answer.context["form"]["subject"].value() == "Mine"
    again = {name: answer.context["form"][name].value() for name in ("key", "seen", "kind", "release", "text")}
    assert client.post(f"/drafts/{draft.pk}/change/", again | {"subject": "Mine"}).status_code == 302
    draft.refresh_from_db()
    assert draft.subject == "Mine"


@pytest.mark.rule("D8", "D19")
def test_a_draft_whose_release_is_out_of_support_leads_to_another(cast: Cast, clock_at: datetime):
    client = signed_in(cast.owner)
    client.post("/report/", filled(cast, release=a_release(name="last", until=date(2026, 12, 1)).pk))
    draft, current = Draft.objects.get(), a_release()
    with_points(cast.acme, 20, at=clock_at)
    with clock.set_to(datetime(2026, 12, 3, 12, 0, tzinfo=UTC)):
        answer = client.post(f"/drafts/{draft.pk}/open/")
        assert answer["Location"] == f"/drafts/{draft.pk}/change/"
        assert changed(draft, client, product=current.product_id, release=current.pk).status_code == 302
        assert "/incidents/" in client.post(f"/drafts/{draft.pk}/open/")["Location"]

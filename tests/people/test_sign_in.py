"""Signing in by a mailed code or a password, without telling whether an address is known (D33)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from supportdesk.mail.models import OutgoingMail
from supportdesk.people.models import User
from tests.cast import PASSWORD, Cast
from tests.incidents_helpers import signed_in

pytestmark = pytest.mark.rule("D33")
SIGN_IN, CODE, CONFIRM = "/accounts/sign-in/", "/accounts/sign-in/code/", "/accounts/sign-in/code/confirm/"
RESET = "/accounts/password/reset/"
CODE_LINE = re.compile(r"^[A-Z0-9-]{6,}$", re.MULTILINE)


@pytest.fixture(autouse=True)
def _own_mails_and_limits(clock_at: datetime, settings: Any) -> Iterator[None]:
    """The project's own way of mail, which Django's test runner replaces; and limits that count from nothing."""
    settings.EMAIL_BACKEND = "supportdesk.mail.backend.OutboxBackend"
    cache.clear()
    yield
    cache.clear()


def ask_for_code(client: Client, address: str) -> str:
    """Asks for a code; gives the code that is mailed there."""
    assert client.post(CODE, {"email": address}).status_code == 302
    mail = OutgoingMail.objects.filter(to_address=address.lower()).latest("id")
    found = CODE_LINE.search(mail.text)
    assert found, mail.text
    return found.group()


def page(client: Client, path: str, address: str) -> str:
    """The page that follows, without what differs by nature: the address that was typed, and tokens."""
    answer = client.post(path, {"email": address}, follow=True)
    text = answer.content.decode().replace(address, "ADDRESS")
    text = re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]*', r"\1", text)
    return f"{answer.redirect_chain} {answer.status_code} {text}"


@pytest.mark.parametrize(("who", "leads_to"), [("olive@acme.example", "/"), ("tess@desk.example", "/desk/")])
def test_by_a_mailed_code(cast: Cast, who: str, leads_to: str):
    client = Client()
    code = ask_for_code(client, who)
    answer = client.post(CONFIRM, {"code": code})
    assert (answer.status_code, answer["Location"]) == (302, leads_to)
    assert client.get(leads_to).wsgi_request.user == User.objects.get(email=who)


@pytest.mark.rule("D30")
def test_the_code_goes_out_by_the_outbox(cast: Cast, at: datetime):
    ask_for_code(Client(), "olive@acme.example")
    mail = OutgoingMail.objects.get()
    assert (mail.to_address, mail.kind, mail.queued_at, mail.sent_at) == ("olive@acme.example", "framework", at, None)


def test_a_code_is_good_once_and_in_its_own_browser(cast: Cast):
    client, other = Client(), Client()
    code = ask_for_code(client, "olive@acme.example")
    assert other.post(CONFIRM, {"code": code}).status_code == 302
    assert "_auth_user_id" not in other.session, "it is bound to the browser that asked"

    assert client.post(CONFIRM, {"code": code}).status_code == 302
    assert "_auth_user_id" in client.session
    client.post("/accounts/sign-out/")
    client.post(CONFIRM, {"code": code})
    assert "_auth_user_id" not in client.session


def test_a_wrong_code_signs_nobody_in_and_cannot_be_guessed(cast: Cast):
    client = Client()
    code = ask_for_code(client, "olive@acme.example")
    for _time in range(3):
        client.post(CONFIRM, {"code": "ZZZZZZ"})
    client.post(CONFIRM, {"code": code})
    assert "_auth_user_id" not in client.session


@pytest.mark.parametrize("typed", ["olive@acme.example", "OLIVE@Acme.Example", " olive@acme.example "])
def test_by_password_in_any_case(cast: Cast, typed: str):
    client = Client()
    answer = client.post(SIGN_IN, {"login": typed, "password": PASSWORD})
    assert (answer.status_code, answer["Location"]) == (302, "/")
    assert "_auth_user_id" in client.session


@pytest.mark.parametrize("path", [CODE, RESET])
def test_known_and_unknown_addresses_get_the_same_page_and_a_mail_each(cast: Cast, path: str):
    known, unknown = page(Client(), path, "olive@acme.example"), page(Client(), path, "nobody@strange.example")
    assert known == unknown
    mails = OutgoingMail.objects.order_by("id")
    assert [mail.to_address for mail in mails] == ["olive@acme.example", "nobody@strange.example"]


def test_a_wrong_password_and_an_unknown_address_get_the_same_page(cast: Cast):
    def refused(login: str) -> str:
        answer = Client().post(SIGN_IN, {"login": login, "password": "wrong wrong wrong"})
        text = re.sub(r'(name="csrfmiddlewaretoken" value=")[^"]*', r"\1", answer.content.decode())
        return f"{answer.status_code} {text.replace(login, 'ADDRESS')}"

    assert refused("olive@acme.example") == refused("nobody@strange.example")


def test_who_may_not_sign_in_does_not(cast: Cast):
    assert cast.owner.user
    User.objects.filter(pk=cast.owner.user.pk).update(is_active=False)
    client = Client()
    client.post(SIGN_IN, {"login": "olive@acme.example", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


def test_passwords_are_guessed_five_times_at_most(cast: Cast):
    client = Client()
    for _time in range(5):
        client.post(SIGN_IN, {"login": "olive@acme.example", "password": "wrong wrong wrong"})
    client.post(SIGN_IN, {"login": "Olive@ACME.example", "password": PASSWORD})
    assert "_auth_user_id" not in client.session


@pytest.mark.rule("D28")
def test_an_address_is_not_flooded_with_codes(cast: Cast):
    for _time in range(14):
        Client().post(CODE, {"email": "olive@acme.example"})
        Client().post(CODE, {"email": "OLIVE@acme.example"})
    assert OutgoingMail.objects.count() <= 10


@pytest.mark.parametrize("path", [SIGN_IN, CODE])
@pytest.mark.parametrize("to", ["//evil.example/", "https://evil.example", "/\\evil.example", "javascript:alert(1)"])
def test_next_stays_here(cast: Cast, path: str, to: str):
    client = Client()
    if path == SIGN_IN:
        answer = client.post(f"{path}?next={to}", {"login": "olive@acme.example", "password": PASSWORD, "next": to})
    else:
        client.post(f"{path}?next={to}", {"email": "olive@acme.example", "next": to})
        found = CODE_LINE.search(OutgoingMail.objects.latest("id").text)
        assert found
        answer = client.post(f"{CONFIRM}?next={to}", {"code": found.group(), "next": to})
    assert answer.status_code == 302
    assert answer["Location"] == "/"
    assert "_auth_user_id" in client.session


def test_next_leads_to_a_page_of_ours(cast: Cast):
    answer = Client().post(SIGN_IN, {"login": "olive@acme.example", "password": PASSWORD, "next": "/report/"})
    assert answer["Location"] == "/report/"


def test_a_session_of_before_is_rotated(cast: Cast):
    client = Client()
    session = client.session
    session["before"] = True
    session.save()
    before = client.cookies["session"].value
    client.post(SIGN_IN, {"login": "olive@acme.example", "password": PASSWORD})
    assert client.cookies["session"].value != before


def test_who_begins_again_can_use_the_password_after_all(cast: Cast):
    """A pending code would send a right password back to the page that asks for the code."""
    client = Client()
    ask_for_code(client, "olive@acme.example")
    shown = client.get(CONFIRM).content.decode()
    assert 'id="again" method="post" action="/accounts/sign-out/"' in shown
    answer = client.post("/accounts/sign-out/", {"next": SIGN_IN})
    assert answer["Location"] == SIGN_IN
    client.post(SIGN_IN, {"login": "olive@acme.example", "password": PASSWORD})
    assert "_auth_user_id" in client.session


def test_signing_out_is_an_act(cast: Cast):
    client = signed_in(cast.owner)
    assert client.get("/accounts/sign-out/").status_code == 200
    assert "_auth_user_id" in client.session
    client.post("/accounts/sign-out/")
    assert "_auth_user_id" not in client.session


def test_nobody_signs_up_by_themselves_yet(db: None):
    data = {"email": "new@strange.example", "password1": PASSWORD}
    answer = Client().post("/accounts/sign-up/", data)
    assert "Accounts are opened by the vendor" in answer.content.decode()
    assert not User.objects.exists()


def test_another_host_is_refused(cast: Cast):
    answer = Client().post(RESET, {"email": "olive@acme.example"}, headers={"host": "evil.example"})
    assert answer.status_code == 400
    assert not OutgoingMail.objects.exists()


def test_a_reset_link_is_good_once(cast: Cast):
    Client().post(RESET, {"email": "olive@acme.example"}, headers={"x-forwarded-host": "evil.example"})
    mail = OutgoingMail.objects.get()
    (link,) = re.findall(r"http\S+", mail.text)[:1]
    assert link.startswith("http://testserver/accounts/password/reset/key/")
    client = Client()
    there = client.get(link)["Location"]
    client.get(there)
    assert cast.owner.user
    cast.owner.user.refresh_from_db()
    assert cast.owner.user.check_password(PASSWORD), "opening a link changes nothing"
    client.post(there, {"password1": "another long password", "password2": "another long password"})
    cast.owner.user.refresh_from_db()
    assert cast.owner.user.check_password("another long password")
    assert "used before" in Client().get(link, follow=True).content.decode()

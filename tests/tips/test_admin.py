"""Issues in Django admin: written in a form, looked at and sent on a page (R15)."""

from __future__ import annotations

import re
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.test import Client

from supportdesk import clock
from supportdesk.mail.models import OutgoingMail
from supportdesk.tips import issues, sending
from supportdesk.tips.models import Issue, Subscriber
from supportdesk.tips.quarters import Act, Quarter, State, allows, quarter_of
from tests.cast import Cast
from tests.incidents_helpers import signed_in
from tests.tips.reading import TEXT, a_reader, an_issue, mails_of, readers, started

pytestmark = pytest.mark.rule("R15")
SAID = {"title": "Restore before you need it", "year": 2026, "quarter": 4, "text": TEXT, "_save": "Save"}


@pytest.fixture
def admin(cast: Cast, clock_at: datetime) -> Client:
    return signed_in(cast.admin)


def page_of(issue: Issue) -> str:
    return f"/admin/tips/issue/{issue.pk}/page/"


def plain(response: Any) -> str:
    return " ".join(re.sub(r"<[^>]+>", " ", response.content.decode()).split())


def test_an_issue_is_written_and_leads_to_its_page(admin: Client):
    form = admin.get("/admin/tips/issue/add/").content.decode()
    assert 'value="2026"' in form
    made = admin.post("/admin/tips/issue/add/", SAID)
    issue = Issue.objects.get()
    assert made["Location"] == page_of(issue)
    assert (issue.title, issue.of, issue.text, issue.state) == (SAID["title"], Quarter(2026, 4), TEXT, State.DRAFT)
    changed = admin.post(f"/admin/tips/issue/{issue.pk}/change/", SAID | {"title": "Other", "text": "One\r\nTwo"})
    assert changed["Location"] == page_of(issue)
    issue.refresh_from_db()
    assert (issue.title, issue.text) == ("Other", "One\nTwo")
    assert "Other" in plain(admin.get("/admin/tips/issue/"))


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"title": ""}, "title"),
        ({"text": ""}, "text"),
        ({"text": "x" * 50_001}, "text"),
        ({"quarter": 5}, "quarter"),
        ({"year": 12}, "year"),
    ],
)
def test_what_is_wrong_is_said_at_the_field(admin: Client, given: dict[str, Any], field: str):
    answer = admin.post("/admin/tips/issue/add/", SAID | given)
    assert answer.status_code == 200
    assert f'id="id_{field}_error"' in answer.content.decode()
    assert not Issue.objects.exists()


def test_the_preview_is_the_mail(admin: Client, cast: Cast, clock_at: datetime):
    issue = an_issue(
        text="# Heading\n\n<img src=x onerror=alert(1)> [bad](javascript:alert(1)) ![p](https://e.example/p)"
    )
    a_reader("rita@read.example", at=clock_at)
    shown = admin.get(f"/admin/tips/issue/{issue.pk}/mail/")
    assert "sandbox" in shown["Content-Security-Policy"]
    assert "default-src 'none'" in shown["Content-Security-Policy"]
    assert shown["X-Frame-Options"] == "SAMEORIGIN"
    html = shown.content.decode()
    for bad in ("<img", 'src="', 'href="javascript'):
        assert bad not in html
    started(issue, cast.admin, at=clock_at)
    sending.send_due(at=clock_at)
    (mail,) = mails_of(issue)
    assert html == mail.html.replace(mail.unsubscribe_url, "http://testserver/tips/")
    assert mail.text.replace(mail.unsubscribe_url, "http://testserver/tips/").splitlines()[0] in plain(
        admin.get(page_of(issue))
    )


def test_a_test_goes_to_the_admin_alone(admin: Client, clock_at: datetime):
    readers(3, at=clock_at)
    issue = an_issue()
    page = admin.get(page_of(issue))
    key = re.search(r'name="key" value="([0-9a-f]+)"', page.content.decode())
    assert key is not None
    for _twice in range(2):
        admin.post(page_of(issue), {"do": "test", "key": key[1]})
    mail = OutgoingMail.objects.get()
    assert (mail.to_address, mail.subject) == ("ada@desk.example", f"Test: {issue.title}")
    assert (mail.unsubscribe_url, mail.bulk) == ("", False)
    issue.refresh_from_db()
    assert issue.state is State.DRAFT


def test_sending_shows_how_many_first(admin: Client, cast: Cast, clock_at: datetime):
    readers(3, at=clock_at)
    issue = an_issue()
    assert "None was sent before." in plain(admin.get(page_of(issue)))
    asked = admin.post(page_of(issue), {"do": "ask"})
    assert "Send it to 3 readers?" in plain(asked)
    assert Issue.objects.get().started_at is None
    for shown in ("", "x", "2", "9" * 30):
        assert admin.post(page_of(issue), {"do": "start", "shown": shown}).status_code == 422
    answer = admin.post(page_of(issue), {"do": "start", "shown": "3"}, follow=True)
    assert "It goes to 3 readers." in plain(answer)
    assert Issue.objects.get().started_by == cast.admin
    again = admin.post(page_of(issue), {"do": "start", "shown": "3"}, follow=True)
    assert "It is being sent by now. Nothing was changed." in plain(again)


def test_a_second_one_in_the_quarter_wants_a_tick(admin: Client, cast: Cast, clock_at: datetime):
    readers(2, at=clock_at)
    started(an_issue("The first"), cast.admin, at=clock_at)
    second = an_issue("The second")
    asked = admin.post(page_of(second), {"do": "ask"})
    assert "The last one was “The first”" in plain(asked)
    assert 'name="second"' in asked.content.decode()
    refused = admin.post(page_of(second), {"do": "start", "shown": "2"})
    assert refused.status_code == 422
    assert "Tick that a second one is meant." in plain(refused)
    assert admin.post(page_of(second), {"do": "start", "shown": "2", "second": "1"}).status_code == 302


def test_pause_go_on_and_cancel_by_buttons(admin: Client, cast: Cast, clock_at: datetime):
    readers(2, at=clock_at)
    issue = started(an_issue(), cast.admin, at=clock_at)
    for do, state, offered in (
        ("pause", State.PAUSED, {"go_on", "cancel"}),
        ("go_on", State.SENDING, {"pause", "cancel"}),
        ("cancel", State.CANCELLED, set()),
    ):
        page = admin.post(page_of(issue), {"do": do}, follow=True).content.decode()
        issue.refresh_from_db()
        assert issue.state is state
        assert set(re.findall(r'name="do" value="(pause|go_on|cancel|start|ask|test)"', page)) == offered
    history = plain(admin.get(f"/admin/tips/issue/{issue.pk}/history/"))
    assert "It is cancelled for all who have not got it." in history


def test_what_is_being_sent_has_no_form_any_more(
    admin: Client, cast: Cast, clock_at: datetime, caplog: pytest.LogCaptureFixture
):
    readers(2, at=clock_at)
    issue = started(an_issue(), cast.admin, at=clock_at)
    assert "Change the text" not in plain(admin.get(page_of(issue)))
    change = f"/admin/tips/issue/{issue.pk}/change/"
    assert 'name="text"' not in admin.get(change).content.decode()
    caplog.clear()
    answer = admin.post(change, SAID | {"text": "Other <words>"})
    assert answer.status_code == 422
    assert "It is being sent, and can no longer be changed." in plain(answer)
    assert "Other &lt;words&gt;</textarea>" in answer.content.decode()
    assert not [record for record in caplog.records if record.exc_info]
    assert admin.post(f"/admin/tips/issue/{issue.pk}/delete/", {"post": "yes"}).status_code == 403
    issue.refresh_from_db()
    assert issue.text == TEXT


def test_a_form_that_was_open_while_it_was_started_changes_nothing(
    admin: Client, cast: Cast, clock_at: datetime, monkeypatch: pytest.MonkeyPatch
):
    """Begun after the form's own look, just before its words are kept."""
    readers(2, at=clock_at)
    issue = an_issue()
    real = issues.write_issue

    def late(**given: Any) -> Issue:
        started(issue, cast.admin, at=clock_at)
        return real(**given)

    monkeypatch.setattr(issues, "write_issue", late)
    answer = admin.post(f"/admin/tips/issue/{issue.pk}/change/", SAID | {"text": "Other"})
    assert answer.status_code == 422
    assert "can no longer be changed" in plain(answer)
    assert "Other</textarea>" in answer.content.decode()
    issue.refresh_from_db()
    assert issue.text == TEXT


def test_the_sample_is_chosen(admin: Client):
    issue = an_issue()
    assert "There is none" in plain(admin.get(page_of(issue)))
    admin.post(page_of(issue), {"do": "sample"})
    assert issue.title in plain(Client().get("/tips/"))
    assert "the sample" in plain(admin.get(page_of(issue)))


def test_an_unknown_button_changes_nothing(admin: Client):
    issue = an_issue()
    assert "Nothing was changed." in plain(admin.post(page_of(issue), {"do": "x"}, follow=True))


def test_readers_are_looked_at_and_ended(admin: Client, clock_at: datetime):
    one, two = a_reader("rita@read.example", at=clock_at), a_reader("rob@read.example", at=clock_at)
    end = {"action": "end", "_selected_action": [one.pk]}
    assert "1 reader is unsubscribed." in plain(admin.post("/admin/tips/subscriber/", end, follow=True))
    assert list(Subscriber.objects.filter(unsubscribed_at=None)) == [two]
    listed = plain(admin.get("/admin/tips/subscriber/?state=reading"))
    assert "rob@read.example" in listed
    assert "rita@read.example" not in listed


def test_a_long_rest_is_shown(admin: Client, cast: Cast, clock_at: datetime):
    readers(2, at=clock_at)
    issue = started(an_issue(), cast.admin, at=clock_at)
    later = clock_at + timedelta(days=1)
    with clock.set_to(later):
        sending.send_due(at=later)
        assert "Was a backup restored?" in plain(admin.get(page_of(issue)))
        admin.post(page_of(issue), {"do": "go_on"})
        assert "Was a backup restored?" not in plain(admin.get(page_of(issue)))


def test_nobody_but_admins(cast: Cast, clock_at: datetime):
    issue = an_issue()
    for who in (None, cast.owner, cast.technician):
        browser = signed_in(who)
        for path in ("page/", "mail/", "change/"):
            for method in ("get", "post"):
                answer = getattr(browser, method)(f"/admin/tips/issue/{issue.pk}/{path}", {"do": "sample"})
                assert answer.status_code == 302
                assert "/admin/login/" in answer["Location"]
    issue.refresh_from_db()
    assert not issue.is_sample


def test_quarters_and_states():
    days = [datetime(2026, month, 1).date() for month in range(1, 13)]
    assert [quarter_of(day).number for day in days] == [1, 1, 1, 2, 2, 2, 3, 3, 3, 4, 4, 4]
    assert [state.value for state in State if allows(state, Act.START)] == ["draft", "published"]
    assert not any(allows(State.CANCELLED, act) for act in Act if act is not Act.SAMPLE)

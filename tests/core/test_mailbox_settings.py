"""The settings of mailboxes: what is meant is understood, nonsense is refused with a word about it."""

from __future__ import annotations

import pytest
from django.core.exceptions import ImproperlyConfigured

from supportdesk.mailbox_settings import mailboxes_of

URL = "imaps://desk@mail.example/INBOX"


def test_without_an_address_there_are_none():
    assert mailboxes_of({}) == ()
    assert mailboxes_of({"IMAP_URL": " ", "IMAP_PASSWORD": "x"}) == ()


def test_an_address_says_it_all():
    environ = {
        "IMAP_URL": f"{URL} imap://support%40acme.example@mail.example:1143/Support%20desk/In imap://a@localhost?tls=none",
        "IMAP_PASSWORD": "one",
        "IMAP_PASSWORD_2": "two",
        "IMAP_AFTER": "move:Filed",
    }
    first, second, third = mailboxes_of(environ)
    assert (first.host, first.port, first.user, first.folder, first.tls) == (
        "mail.example",
        993,
        "desk",
        "INBOX",
        "always",
    )
    assert (second.port, second.user, second.folder, second.tls) == (
        1143,
        "support@acme.example",
        "Support desk/In",
        "starttls",
    )
    assert (third.port, third.folder, third.tls) == (143, "INBOX", "none")
    assert [mailbox.password for mailbox in (first, second, third)] == ["one", "two", "one"]
    assert {(mailbox.after, mailbox.move_to) for mailbox in (first, second, third)} == {("move", "Filed")}
    assert second.door == "imap:support@acme.example@mail.example:1143/Support desk/In"
    assert "two" not in repr(second)


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"IMAP_URL": "mail.example"}, "begins with imaps://"),
        ({"IMAP_URL": "pop3://desk@mail.example"}, "begins with imaps://"),
        ({"IMAP_URL": "imaps://mail.example"}, "needs a user and a host"),
        ({"IMAP_URL": "imaps://desk@"}, "needs a user and a host"),
        ({"IMAP_URL": "imaps://desk@mail.example:many/"}, "is no address"),
        ({"IMAP_URL": "imaps://desk:secret@mail.example"}, "belongs into IMAP_PASSWORD"),
        ({"IMAP_URL": f"{URL} {URL}"}, "names one folder twice"),
        ({"IMAP_URL": "imap://desk@mail.example?tls=none"}, "this machine alone"),
        ({"IMAP_URL": f"{URL}?tls=none"}, "tls=none behind imap://"),
        ({"IMAP_URL": "imap://desk@localhost?after=delete"}, "nothing else"),
        ({"IMAP_URL": URL, "IMAP_PASSWORD": ""}, "IMAP_PASSWORD is not set"),
        ({"IMAP_URL": URL, "IMAP_AFTER": "move"}, "seen, delete, or move:FOLDER"),
        ({"IMAP_URL": URL, "IMAP_AFTER": "burn"}, "seen, delete, or move:FOLDER"),
        ({"IMAP_URL": URL, "IMAP_AFTER": "move:INBOX"}, "where it is fetched from"),
    ],
)
def test_nonsense_is_refused_with_a_word_about_it(environ: dict[str, str], words: str):
    with pytest.raises(ImproperlyConfigured) as refused:
        mailboxes_of({"IMAP_PASSWORD": "secret word", **environ})
    assert words in str(refused.value)
    assert "secret" not in str(refused.value)

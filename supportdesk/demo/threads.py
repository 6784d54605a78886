"""Mails of a mailbox by conversation, as mail programs show them: by what they refer to. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from supportdesk.demo.mailbox import Mail


@dataclass(frozen=True, slots=True)
class Thread:
    """The mails of one conversation in one person's mailbox, the oldest first."""

    owner: str
    mails: tuple[Mail, ...]

    @property
    def subject(self) -> str:
        """What the first mail of it is called."""
        return self.mails[0].subject

    @property
    def newest(self) -> Mail:
        """The mail that came last."""
        return self.mails[-1]

    @property
    def opened(self) -> Mail:
        """The mail that one reads and answers: the last that came, else the last one's own."""
        return next((mail for mail in reversed(self.mails) if not mail.sent_by), self.newest)


def threads(mails: Iterable[Mail]) -> list[Thread]:
    """The conversations, that with the newest mail first. Each person's are their own, whoever else is in them."""
    leads: dict[tuple[str, str], tuple[str, str]] = {}

    def root(key: tuple[str, str]) -> tuple[str, str]:
        while (up := leads.setdefault(key, key)) != key:
            leads[key] = leads[up]
            key = up
        return key

    keyed = []
    for mail in sorted(mails, key=lambda mail: (mail.dated, mail.name)):
        owner = mail.owner.lower()
        keys = [(owner, mail_id) for mail_id in dict.fromkeys((*mail.references.split(), mail.message_id)) if mail_id]
        keys = keys or [(owner, mail.name)]
        for key in keys[1:]:
            leads[root(key)] = root(keys[0])
        keyed.append((keys[0], mail))
    found: dict[tuple[str, str], list[Mail]] = {}
    for key, mail in keyed:
        found.setdefault(root(key), []).append(mail)
    made = [Thread(group[0].owner, tuple(group)) for group in found.values()]
    return sorted(made, key=lambda thread: (thread.newest.dated, thread.newest.name), reverse=True)

"""An outbox row as the mail that goes over the wire. Pure: the same row gives the same bytes on every try (D30)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.header import Header
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import EmailPolicy
from email.utils import quote
from typing import Any, Final, Protocol

# Characters of a name and an address that fit on one line with a header's own name (RFC 5322: 78).
NAME_AND_ADDRESS: Final = 64


class Mail(Protocol):
    """What a mail is made of; ``OutgoingMail`` has it all."""

    message_id: str
    to_address: str
    to_name: str
    reply_to: str
    subject: str
    text: str
    html: str
    in_reply_to: str
    references: str
    automatic: bool
    unsubscribe_url: str
    list_id: str
    queued_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a mail with its bytes: with a ``content_id`` the HTML shows it in place (D31)."""

    name: str
    content_type: str
    content_id: str
    body: bytes


class _WirePolicy(EmailPolicy):
    """Folds message ids at the spaces between them: the library would encode a long one, and break the thread.

    And the address that unsubscribes (RFC 8058): encoded, no mail program would find it. A name before an address is
    written here, too: where the library folds a long one it drops the quotes, and a comma makes two recipients of it.
    """

    def fold(self, name: str, value: Any) -> str:
        if name in ("From", "To", "Reply-To"):
            return f"{name}: {_mailbox(value.addresses[0], linesep=self.linesep)}{self.linesep}"
        if name in ("Message-ID", "In-Reply-To", "References", "List-Unsubscribe"):
            return f"{name}: " + f"{self.linesep} ".join(value.split()) + self.linesep
        folded: str = super().fold(name, value)
        return folded

    def fold_binary(self, name: str, value: Any) -> bytes:
        return self.fold(name, value).encode("ascii")


def _mailbox(address: Address, *, linesep: str) -> str:
    """A name in quotes or as encoded words, whatever is in it, and a long address on a line of its own."""
    name = address.display_name
    if not name:
        return address.addr_spec
    said = f'"{quote(name)}"' if name.isascii() and "=?" not in name else Header(name, "utf-8").encode(linesep=linesep)
    fold = linesep if len(said) + len(address.addr_spec) > NAME_AND_ADDRESS else ""
    return f"{said}{fold} <{address.addr_spec}>"


# 7bit: everything else is encoded, whatever the next server can take.
_WIRE = _WirePolicy(linesep="\r\n", cte_type="7bit")


def build(mail: Mail, *, from_name: str, from_address: str, files: Sequence[File] = ()) -> EmailMessage:
    """The message itself: text, HTML beside it with its pictures, and the files that are attached.

    Mails that no person wrote say so (RFC 3834), so that no machine answers them (D28).
    """
    message = EmailMessage(policy=_WIRE)
    message["From"] = Address(from_name, addr_spec=from_address)
    message["To"] = Address(mail.to_name, addr_spec=mail.to_address)
    message["Subject"] = mail.subject
    message["Date"] = mail.queued_at
    message["Message-ID"] = mail.message_id
    if mail.reply_to:
        message["Reply-To"] = Address(from_name, addr_spec=mail.reply_to)
    if mail.in_reply_to:
        message["In-Reply-To"] = mail.in_reply_to
    if mail.references:
        message["References"] = mail.references
    if mail.automatic:
        message["Auto-Submitted"] = "auto-generated"
    if mail.list_id:
        message["List-Id"] = mail.list_id
    if mail.unsubscribe_url:
        message["List-Unsubscribe"] = f"<{mail.unsubscribe_url}>"
        message["List-Unsubscribe-Post"] = "List-Unsubscribe=One-Click"
    message.set_content(mail.text)
    if mail.html:
        message.add_alternative(mail.html, subtype="html")
        shown = message.get_payload(1)
        assert isinstance(shown, EmailMessage)
        for file in files:
            if file.content_id:
                shown.add_related(file.body, **_as_part(file), cid=f"<{file.content_id}>", disposition="inline")
    for file in files:
        if not (mail.html and file.content_id):
            message.add_attachment(file.body, **_as_part(file))
    # Made of the id, which is random and in no text: the library's own would differ from try to try.
    start = "=_" + mail.message_id.strip("<>").partition("@")[0]
    many = [part for part in message.walk() if part.is_multipart()]
    for number, part in enumerate(many):
        part.set_boundary(f"{start}.{number}" if number else start)
    return message


def _as_part(file: File) -> dict[str, Any]:
    main, _slash, sub = file.content_type.partition("/")
    return {"maintype": main, "subtype": sub, "filename": file.name}

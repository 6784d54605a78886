"""Mails as the programs of the demo's people write them: answers with their way of quoting, and what machines send."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from email.headerregistry import Address
from email.message import EmailMessage, Message
from email.mime.base import MIMEBase
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
from email.utils import format_datetime, make_msgid, parseaddr
from html import escape
from typing import Final, Literal

from supportdesk.demo.mailbox import SENT_BY, File, Mail

Program = Literal["plain", "gmail", "outlook"]
ENVELOPE: Final = re.compile(rf"(?:(?:Return-Path|Delivered-To|{SENT_BY}):[^\n]*\n)+")
BODY: Final = re.compile(r"<body\b[^>]{0,2000}>(.*?)(?:</body\s*>|\Z)", re.IGNORECASE | re.DOTALL)
STYLE: Final = re.compile(r"<(style|title|head)\b.*?</\1\s*>", re.IGNORECASE | re.DOTALL)
NO_HEADER: Final = re.compile(r"[^\x20-\x7e]")
GMAIL_QUOTE: Final = "margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex"
OUTLOOK_RULE: Final = "border:none;border-top:solid #E1E1E1 1.0pt;padding:3.0pt 0in 0in 0in"
AWAY: Final = (
    "Thank you for your mail. I am out of the office until Monday and read no mail until then.\n\n"
    "In urgent cases please write to the reception."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Attached:
    """A file that goes with a mail. With a ``content_id`` its HTML shows it in place."""

    name: str
    content_type: str
    body: bytes
    content_id: str = ""


def answer(
    mail: Mail,
    *,
    sender: str,
    text: str,
    at: datetime,
    program: Program = "plain",
    files: Sequence[Attached] = (),
    html: str = "",
) -> EmailMessage:
    """The answer that a mail program would write: to ``Reply-To``, in the thread, the original quoted its way.

    ``html`` is what Gmail says where that is more than the text.
    """
    subject = mail.subject if mail.subject[:3].lower() == "re:" else f"Re: {mail.subject}".strip()
    said = text.rstrip()
    if program == "plain":
        plain, shown = f"{said}\n\n{_wrote(mail)}\n{_marked(mail)}", ""
    elif program == "gmail":
        plain = f"{said}\n\n{_wrote(mail)}\n\n{_marked(mail)}"
        shown = f'{html or _gmail(said)}<br><div class="gmail_quote gmail_quote_container">{_gmail_quote(mail)}</div>'
    else:
        lines = "\n".join(f"{name}: {value}" for name, value in _about(mail))
        plain = f"{said}\n\n{lines}\n\n{mail.text.rstrip()}"
        shown = _outlook(said, quote=_outlook_quote(mail))
    reply = _mail(
        sender=sender,
        to=mail.reply_to,
        subject=subject,
        text=plain,
        html=shown,
        at=at,
        files=files,
        name=_own_name(mail, sender),
        pictures=mail.pictures if shown else (),
    )
    if mail.message_id:
        reply["In-Reply-To"] = mail.message_id
        reply["References"] = f"{mail.references} {mail.message_id}".strip()
    return reply


def write(
    *,
    sender: str,
    to: str,
    subject: str,
    text: str,
    at: datetime,
    program: Program = "plain",
    files: Sequence[Attached] = (),
    name: str = "",
) -> EmailMessage:
    """A new mail. ``sender`` and ``to`` are bare, valid addresses."""
    html = {"plain": "", "gmail": _gmail(text), "outlook": _outlook(text)}[program]
    return _mail(sender=sender, to=to, subject=subject, text=text, html=html, at=at, files=files, name=name)


def out_of_office(mail: Mail, *, sender: str, at: datetime) -> EmailMessage:
    """What a mailbox answers by itself while its owner is away (RFC 3834)."""
    reply = _mail(
        sender=sender,
        to=mail.return_path or mail.reply_to,
        subject=f"Automatic reply: {mail.subject}",
        text=AWAY,
        html="",
        at=at,
        name=_own_name(mail, sender),
    )
    reply["Auto-Submitted"] = "auto-replied"
    reply["X-Auto-Response-Suppress"] = "All"
    if mail.message_id:
        reply["In-Reply-To"] = reply["References"] = mail.message_id
    return reply


def bounce(mail: Mail, *, recipient: str, at: datetime) -> Message:
    """What the recipient's mail server says where it knows no such mailbox (RFC 3464). Its envelope has no sender."""
    domain = recipient.rsplit("@", 1)[1]
    said = f"550 5.1.1 <{recipient}>: Recipient address rejected: User unknown"
    report = MIMEMultipart("report", report_type="delivery-status")
    report["From"] = f"Mail Delivery System <MAILER-DAEMON@{domain}>"
    report["To"] = mail.return_path or mail.reply_to
    report["Subject"] = "Undelivered Mail Returned to Sender"
    report["Date"] = format_datetime(at)
    report["Message-ID"] = make_msgid(domain=domain)
    report["Auto-Submitted"] = "auto-replied"
    report.attach(
        MIMEText(
            f"This is the mail system at host mail.{domain}.\n\n"
            f"I'm sorry to have to inform you that your message could not\nbe delivered to one or more recipients.\n\n"
            f"<{recipient}>: {said}\n"
        )
    )
    status = MIMEBase("message", "delivery-status")
    server, person = Message(), Message()
    server["Reporting-MTA"] = f"dns; mail.{domain}"
    person["Final-Recipient"] = f"rfc822; {recipient}"
    person["Action"], person["Status"] = "failed", "5.1.1"
    person["Diagnostic-Code"] = f"smtp; {said}"
    status.attach(server)
    status.attach(person)
    report.attach(status)
    headers = ENVELOPE.sub("", mail.source.replace("\r\n", "\n"), count=1).partition("\n\n")[0]
    clean = "\n".join(NO_HEADER.sub("?", line) for line in headers.split("\n"))
    report.attach(MIMEText(f"{clean}\n", "rfc822-headers", "us-ascii"))
    return report


def _mail(
    *,
    sender: str,
    to: str,
    subject: str,
    text: str,
    html: str,
    at: datetime,
    files: Sequence[Attached] = (),
    name: str = "",
    pictures: Sequence[File | Attached] = (),
) -> EmailMessage:
    mail = EmailMessage()
    mail["From"] = Address(name, addr_spec=sender)
    mail["To"] = to
    mail["Subject"] = " ".join("".join(letter if letter.isprintable() else " " for letter in subject).split())
    mail["Date"] = format_datetime(at)
    mail["Message-ID"] = make_msgid(domain=sender.rsplit("@", 1)[1])
    mail.set_content("\n".join(text.splitlines()) + "\n")
    if html:
        mail.add_alternative(html, subtype="html")
        shown = mail.get_payload(1)
        assert isinstance(shown, EmailMessage)
        for picture in (*pictures, *(file for file in files if file.content_id)):
            shown.add_related(
                picture.body,
                *_type(picture.content_type),
                cid=f"<{picture.content_id}>",
                filename=_file_name(picture.name),
                disposition="inline",
            )
    for file in files:
        if html and file.content_id:
            continue
        mail.add_attachment(file.body, *_type(file.content_type), filename=_file_name(file.name))
    return mail


def _type(content_type: str) -> tuple[str, str]:
    """What the file's type is as far as it can stand in a header, and as bytes: the library encodes texts itself."""
    if not re.fullmatch(r"(?:image|audio|video|application)/[a-z0-9.+-]{1,80}", content_type):
        return "application", "octet-stream"
    main, _slash, sub = content_type.partition("/")
    return main, sub


def _file_name(name: str) -> str:
    return "".join(letter if letter.isprintable() else "_" for letter in name)[:200] or "file"


def _own_name(mail: Mail, sender: str) -> str:
    """How the mail called who answers it, as their program does."""
    name, address = parseaddr(mail.to)
    fits = address.lower() == sender.lower() and name.isprintable() and len(name) < 100
    return name if fits else ""


def _wrote(mail: Mail) -> str:
    return f"On {mail.date}, {mail.sender} wrote:"


def _marked(mail: Mail) -> str:
    return "\n".join(f"> {line}".rstrip() for line in mail.text.splitlines())


def _about(mail: Mail) -> list[tuple[str, str]]:
    return [("From", mail.sender), ("Sent", mail.date), ("To", mail.to), ("Subject", mail.subject)]


def _original(mail: Mail) -> str:
    """The HTML of the original as it stands in an answer: its body, without the styles of its head."""
    if not mail.html:
        return f'<div style="white-space:pre-wrap">{escape(mail.text)}</div>'
    body = BODY.search(mail.html)
    return STYLE.sub("", body[1] if body else mail.html)


def _gmail(text: str) -> str:
    lines = "".join(f"<div>{escape(line) or '<br>'}</div>" for line in text.rstrip().splitlines())
    return f'<div dir="ltr">{lines}</div>'


def _gmail_quote(mail: Mail) -> str:
    return (
        f'<div dir="ltr" class="gmail_attr">{escape(_wrote(mail))}<br></div>'
        f'<blockquote class="gmail_quote" style="{GMAIL_QUOTE}">{_original(mail)}</blockquote>'
    )


def _outlook(text: str, *, quote: str = "") -> str:
    lines = "".join(
        f'<p class="MsoNormal">{escape(line) or "<o:p>&nbsp;</o:p>"}</p>' for line in text.rstrip().splitlines()
    )
    return (
        '<html xmlns:o="urn:schemas-microsoft-com:office:office"><head><style>p.MsoNormal {margin:0in; '
        'font-size:11.0pt; font-family:"Calibri",sans-serif;}</style></head>'
        f'<body lang="EN-GB"><div class="WordSection1">{lines}{quote}</div></body></html>'
    )


def _outlook_quote(mail: Mail) -> str:
    about = "<br>".join(f"<b>{name}:</b> {escape(value)}" for name, value in _about(mail))
    return (
        f'<p class="MsoNormal"><o:p>&nbsp;</o:p></p><div><div style="{OUTLOOK_RULE}"><p class="MsoNormal">{about}</p>'
        f"</div></div>{_original(mail)}"
    )

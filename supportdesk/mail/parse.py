"""A mail read: who wrote it, what it answers, what it says. Pure; gives an answer for any bytes (D29).

Only the standard's plain meaning is taken; where a mail can be read in two ways, ``problems`` says so.
Nothing here decides anything: that is the work of whoever files the mail.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from supportdesk.mail.addresses import Mailbox, mailboxes
from supportdesk.mail.automatic import null_return_path, why_automatic
from supportdesk.mail.charsets import charset_of_html, decode_text
from supportdesk.mail.flowed import unflowed
from supportdesk.mail.html_text import text_of_html
from supportdesk.mail.mime import Headers, Mime, Part, decode_words, take_apart
from supportdesk.mail.reports import Bounce, report_in
from supportdesk.mail.sealed import SEALS, is_encrypted, opened, unarmored
from supportdesk.mail.texts import message_ids, one_line, storable
from supportdesk.mail.uuencoded import without_uuencoded

SUBJECT_MAX = 400
ADDRESSES_MAX = 200
IDS_MAX = 50

_PLAIN = ("text/plain", "text/markdown", "text/x-markdown")
_HTML = ("text/html", "application/xhtml+xml")
_SPARE = frozenset({"text/x-amp-html", "text/watch-html", "text/enriched", "text/richtext", "text/rtf"})
_NAMES = {
    "message/rfc822": "message.eml",
    "message/global": "message.eml",
    "text/rfc822-headers": "headers.txt",
    "message/delivery-status": "delivery-status.txt",
    "message/disposition-notification": "read-receipt.txt",
    "text/calendar": "invite.ics",
    "text/vcard": "contact.vcf",
    "text/x-vcard": "contact.vcf",
    "text/plain": "attachment.txt",
    "text/html": "attachment.html",
    "image/png": "image.png",
    "image/jpeg": "image.jpg",
    "image/gif": "image.gif",
    "image/webp": "image.webp",
    "application/pdf": "attachment.pdf",
    "application/zip": "attachment.zip",
    "application/ms-tnef": "winmail.dat",
    "application/vnd.ms-tnef": "winmail.dat",
    "application/pkcs7-mime": "smime.p7m",
    "application/x-pkcs7-mime": "smime.p7m",
}
# With one of these the mail may say more, or something else, than was read.
_UNSOUND = frozenset(
    {"control_in_header", "broken", "long_header", "too_deep", "too_many_parts", "lost_letters", "unreadable"}
)
_DMARC_FAIL = re.compile(r"\s*dmarc\s*(?:/\s*\d+\s*)?=\s*fail\b", re.IGNORECASE)
# No comment begins in a word, and none ends behind quotes for sure.
_ODD_BRACKET = re.compile(r"[^\s;(]\(|\"[^\"]*[()]")
_BRACKETS = re.compile(r"([()])")
_TAG = re.compile(r"<[^<>]*>?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Attachment:
    """A file in a mail. ``name`` is on one line and without a path; ``inline`` where the text refers to it."""

    name: str
    content_type: str
    payload: bytes
    content_id: str
    inline: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedMail:
    """What a mail says. All text is fit to be stored: no NUL, no half characters, headers on one line.

    ``from_address`` is empty unless there is exactly one sender, plainly written; ``from_count`` says how
    many there were. ``automatic`` is empty, or why no person is to be answered (D28). ``bounced`` are the
    recipients that a delivery report calls failed, ``bounces`` the same with the reason, ``delayed`` those
    that it is still trying, ``returned_id`` the Message-ID of the mail it is about; ``null_sender`` where an answer
    would go to nobody, as to each report of a server. ``encrypted``: what it says is in a part that nobody here can
    read.
    """

    message_id: str = ""
    from_address: str = ""
    from_name: str = ""
    from_count: int = 0
    to: tuple[str, ...] = ()
    cc: tuple[str, ...] = ()
    delivered_to: tuple[str, ...] = ()
    subject: str = ""
    date: datetime | None = None
    in_reply_to: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    text: str = ""
    html: str = ""
    attachments: tuple[Attachment, ...] = ()
    automatic: str = ""
    bounced: tuple[str, ...] = ()
    bounces: tuple[Bounce, ...] = ()
    delayed: tuple[str, ...] = ()
    null_sender: bool = False
    returned_id: str = ""
    encrypted: bool = False
    dmarc_failed: bool = False
    problems: tuple[str, ...] = ()

    @property
    def sound(self) -> bool:
        """True where nothing of the mail was left unread; one that is not sound is held (D29)."""
        return _UNSOUND.isdisjoint(self.problems)


def parse(source: bytes, *, authserv_id: str, own_domain: str, mail_from: str | None = None) -> ParsedMail:
    """Reads a mail; never raises, whatever the bytes are (D29).

    ``authserv_id``: the mail server of ours whose Authentication-Results count (D26). ``own_domain``: that
    of our Message-IDs, by which our own mail is known. ``mail_from``: the envelope's sender, where known.
    """
    try:
        return _parse(source, authserv_id=authserv_id, own_domain=own_domain, mail_from=mail_from)
    except Exception:  # the last resort: a hole in the reading costs the reading, never the mail
        return ParsedMail(text=storable(source.decode("latin-1")), problems=("unreadable",))


def content_digest(parsed: ParsedMail) -> str:
    """A digest of From, Date, Subject and decoded parts: the same for each delivery of one mail (D29).

    The Message-ID counts only where there is no Date: it may be copied, or added on the way.
    """
    digest = hashlib.sha256()

    def add(*values: str | bytes) -> None:
        for value in values:
            data = value if isinstance(value, bytes) else value.encode()
            digest.update(b"%d:" % len(data) + data)  # lengths, so that no two lists read alike

    add(parsed.from_address.lower(), parsed.from_name, str(parsed.from_count), parsed.subject)
    add(parsed.date.isoformat() if parsed.date else parsed.message_id)
    add(parsed.text.rstrip(), parsed.html.rstrip())
    for attachment in parsed.attachments:
        add(attachment.name, attachment.content_type, attachment.payload)
    return digest.hexdigest()


def counts_as(parsed: ParsedMail) -> tuple[str, ...]:
    """The digest by which a mail counts once, then others of which it is a delivery, too (D29).

    A copy that is only held or kept, since it fails DMARC or came by a machine, must not stand for the mail that its
    sender wrote: it counts apart. Where that mail is there, the copy adds nothing to it.
    """
    content = content_digest(parsed)
    if not (parsed.automatic or parsed.dmarc_failed):
        return (content,)
    return hashlib.sha256(b"lesser:" + content.encode()).hexdigest(), content


def _parse(source: bytes, *, authserv_id: str, own_domain: str, mail_from: str | None) -> ParsedMail:
    mime = opened(take_apart(source))
    headers, problems = mime.headers, mime.problems
    senders = _people(headers, "from")
    sender = senders[0] if len(senders) == 1 else Mailbox(name="", address="")
    # An address that a charset makes, or that hides a control character, is another one to the server that checked it.
    if [one.address for value in headers.plain_from for one in mailboxes(value)] != [one.address for one in senders]:
        sender = Mailbox(name=sender.name, address="")
    if not sender.address:
        problems.add("no_sender" if not senders else "several_senders" if len(senders) > 1 else "bad_sender")
    message_id = next(iter(message_ids(headers.first("message-id"))), "")
    text, html, attachments = _content(mime)
    daemon = not sender.address or sender.address.lower().startswith("mailer-daemon@")
    null_sender = null_return_path(mime, mail_from)
    report = report_in(mime, from_server=daemon or null_sender)
    subject = one_line(decode_words(headers.first("subject")), SUBJECT_MAX)
    return ParsedMail(
        message_id=message_id,
        from_address=sender.address,
        from_name=sender.name,
        from_count=len(senders),
        to=_addresses(headers, "to"),
        cc=_addresses(headers, "cc"),
        delivered_to=_addresses(headers, "delivered-to", "x-original-to", "envelope-to"),
        subject=subject,
        date=_date(headers.first("date")),
        in_reply_to=message_ids(headers.first("in-reply-to"))[:IDS_MAX],
        references=message_ids(headers.first("references"))[-IDS_MAX:],
        text=text,
        html=html,
        attachments=attachments,
        automatic=why_automatic(
            mime,
            report,
            message_id=message_id,
            own_domain=own_domain,
            mail_from=mail_from,
            sender=sender.address,
            subject=subject,
        ),
        bounced=tuple(bounce.address for bounce in report.failed),
        bounces=report.failed,
        delayed=report.delayed,
        null_sender=null_sender,
        returned_id=report.returned_id,
        encrypted=is_encrypted(mime, text),
        dmarc_failed=_dmarc_failed(headers, authserv_id),
        problems=tuple(sorted(problems)),
    )


def _people(headers: Headers, *names: str) -> list[Mailbox]:
    return [mailbox for name in names for value in headers.all(name) for mailbox in mailboxes(value)]


def _addresses(headers: Headers, *names: str) -> tuple[str, ...]:
    found = dict.fromkeys(person.address for person in _people(headers, *names) if person.address)
    return tuple(found)[:ADDRESSES_MAX]


def _date(value: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(value[:100])
        return (date if date.tzinfo else date.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None


def _dmarc_failed(headers: Headers, authserv_id: str) -> bool:
    """True where our mail server marked the mail as failing DMARC (D26).

    Every field with our server's id is asked, for one server may write several. A forged one can only say
    "fail", which harms its forger alone; a forged "pass" changes nothing. The envelope's sender stands in it, too:
    where a bracket may be theirs, what looks like a comment is read as well, or it would hide what follows.
    """
    for value in headers.all("authentication-results"):
        plain = _without_comments(value)
        words = plain.partition(";")[0].split()
        ours = bool(words) and words[0].strip('"').lower() == authserv_id.lower()
        clear = value.count("(") == value.count(")") and _ODD_BRACKET.search(value) is None
        texts = (plain,) if clear else (plain, value)
        if ours and any(_DMARC_FAIL.match(result) for text in texts for result in text.split(";")[1:]):
            return True
    return False


def _without_comments(value: str) -> str:
    """A field without its comments, however deep they stand in each other."""
    kept: list[str] = []
    depth = 0
    for piece in _BRACKETS.split(value):
        if piece == "(":
            depth += 1
            kept.append(" ")
        elif piece == ")":
            depth = max(0, depth - 1)
        elif not depth:
            kept.append(piece)
    return "".join(kept)


def _content(mime: Mime) -> tuple[str, str, tuple[Attachment, ...]]:
    """The text, the HTML as it came, and everything else as files. Of alternatives the plain text is taken."""
    texts: list[tuple[Part, str]] = []
    files: list[tuple[Part, Attachment]] = []
    for part in mime.parts:
        if _is_text(part, alone=len(mime.parts) == 1):
            text, inside = _text(part, mime.problems)
            texts.append((part, text))
            files.extend((part, file) for file in inside)
        elif part.content_type not in SEALS:
            files.append((part, _attachment(part)))
    plain = {part.alternative for part, text in texts if part.content_type in _PLAIN and text.strip()}
    said: list[str] = []
    for part, text in texts:
        if part.content_type in _PLAIN:
            said.append(text)
        elif not (part.alternative and part.alternative in plain):
            said.append(_text_of_html(text, mime.problems))
    html = "\n".join(text for part, text in texts if part.content_type in _HTML)
    # The same said once more in a form that few programs know is no file.
    told = {part.alternative for part, _text in texts} - {0}
    kept = tuple(file for part, file in files if not (part.content_type in _SPARE and part.alternative in told))
    return "\n".join(text for text in said if text.strip()), html, kept


def _is_text(part: Part, *, alone: bool) -> bool:
    """True for what is read in place. What has a name is a file, unless it is all that the mail is."""
    if part.content_type not in (*_PLAIN, *_HTML) or part.disposition == "attachment":
        return False
    return not part.name or alone


def _text(part: Part, problems: set[str]) -> tuple[str, list[Attachment]]:
    """The text of a part as it was written, and the files that stand in it."""
    payload = part.payload()
    charset = part.charset or (charset_of_html(payload) if part.content_type in _HTML else "")
    text, known = decode_text(payload, charset)
    if not known:
        # What the likeliest charset makes of it is taken where that leaves no letter out.
        problems.update({"unknown_charset", "lost_letters"} if "\ufffd" in text else {"unknown_charset"})
    if part.content_type in _HTML:
        return text, []
    if part.parameters.get("format", "").strip().lower() == "flowed":
        text = unflowed(text, delete_space=part.parameters.get("delsp", "").strip().lower() == "yes")
    text, files = without_uuencoded(unarmored(text))
    return text, [_file(file.name, file.payload) for file in files]


def _attachment(part: Part) -> Attachment:
    inline = part.disposition != "attachment" and bool(part.content_id)
    return Attachment(
        name=part.name or _NAMES.get(part.content_type, "attachment"),
        content_type=part.content_type,
        payload=part.payload(),
        content_id=part.content_id,
        inline=inline,
    )


def _file(name: str, payload: bytes) -> Attachment:
    return Attachment(name=name, content_type="application/octet-stream", payload=payload, content_id="", inline=False)


def _text_of_html(html: str, problems: set[str]) -> str:
    """HTML as text; where its tags cannot be read, without them."""
    try:
        return storable(text_of_html(html))
    except Exception:  # the standard's parser refuses some marked sections
        problems.add("odd_html")
        return _TAG.sub(" ", html)

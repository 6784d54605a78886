"""Whether a machine wrote a mail (D28). Pure; a person's mail must not pass for a machine's."""

from __future__ import annotations

import re

from supportdesk.mail.mime import Mime
from supportdesk.mail.reports import Report

_PRECEDENCE = frozenset({"bulk", "list", "junk", "auto_reply", "auto-reply", "autoreply"})
_LISTS = ("list-id", "list-post", "x-mailing-list", "x-beenthere", "mailing-list")
_REPLIERS = (
    *("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply", "x-autoreply-from", "x-autoreply-domain"),
    *("x-mail-autoreply", "x-vacation", "x-out-of-office", "x-fc-machinegenerated"),
)
# What servers put before, or write in place of, the subject of the mail that they answer.
_ABSENT = re.compile(
    r"(?:automatic reply|auto(?:matic)?[ -]?(?:reply|response)|out of (?:the )?office(?: auto-?reply)?|autoreply"
    r"|automatische antwort|abwesenheits(?:notiz|nachricht|assistent)|automatische abwesenheitsnotiz"
    r"|réponse automatique|absence du bureau|respuesta automática|fuera de la oficina|risposta automatica|fuori sede"
    r"|automatisch antwoord|afwezig|resposta automática|autosvar|automatiskt svar|automatisk svar|fraværsmelding"
    r"|automaattinen vastaus|odpowiedź automatyczna|automatická odpověď|otomatik yanıt|автоответ|автоматический ответ"
    r"|自動応答|自动答复|자동 회신) ?:"
    r"|[^:]{1,80} is out of the office\b|[^:]{1,80} ist außer haus\b",
    re.IGNORECASE,
)


def why_automatic(
    mime: Mime, report: Report, *, message_id: str, own_domain: str, mail_from: str | None, sender: str, subject: str
) -> str:
    """Why no machine may answer this mail, or an empty text (D28, RFC 3834)."""
    headers = mime.headers
    auto_submitted = headers.first("auto-submitted").partition(";")[0].partition("(")[0].strip().lower()
    reasons = {
        "own mail": message_id.lower().endswith(f"@{own_domain.lower()}>"),
        report.kind or "delivery report": bool(report.kind) or sender.lower().startswith("mailer-daemon@"),
        "auto-submitted": auto_submitted not in ("", "no"),
        "empty return path": null_return_path(mime, mail_from),
        "precedence": any(value.strip().lower() in _PRECEDENCE for value in headers.all("precedence")),
        "mailing list": any(headers.first(name) for name in _LISTS),
        "autoreply": any(headers.first(name).strip().lower() not in ("", "no", "false") for name in _REPLIERS),
        "absence": _absence(mime, subject),
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def null_return_path(mime: Mime, mail_from: str | None) -> bool:
    """True where an answer to the mail would go to nobody."""
    return_path = f"<{mail_from}>" if mail_from is not None else mime.headers.first("return-path")
    return return_path.strip() == "<>"


def _absence(mime: Mime, subject: str) -> bool:
    """A server's subject, and a second sign of one: a person may begin a subject with the same words.

    A program of people that answers puts its "Re:" before the subject, and X-Auto-Response-Suppress alone
    stands in what people write on some servers, too.
    """
    signs = ("x-auto-response-suppress", "in-reply-to", "references", "x-mimetrack", "x-notes-item")
    return _ABSENT.match(subject) is not None and any(mime.headers.first(name) for name in signs)

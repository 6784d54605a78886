"""A stored mail laid open for a technician: its headers, its parts, what was odd about it, its source (D29)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from supportdesk.mail.incoming import read
from supportdesk.mail.mime import Part, take_apart
from supportdesk.mail.models import RawMail

SOURCE_BYTES_SHOWN: Final = 200 * 1024
HEADER_CHARS_SHOWN: Final = 4_000
# In this order above the others: who says to have written to whom, and the way it came.
_FIRST: Final = (
    *("from", "to", "cc", "reply-to", "subject", "date", "message-id", "in-reply-to"),
    *("received", "authentication-results"),
)
PROBLEM_WORDS: Final[dict[str, str | Promise]] = {
    "bad_sender": _("its sender is no plain address"),
    "broken": _("a part of it has no end"),
    "control_in_header": _("a header of it holds control characters"),
    "long_header": _("its headers are longer than what is read"),
    "lost_letters": _("letters of a text in an unknown charset could not be read"),
    "no_sender": _("it names no sender"),
    "odd_html": _("its HTML could not be read as such"),
    "several_senders": _("it names several senders"),
    "too_deep": _("its parts are nested deeper than what is read"),
    "too_many_parts": _("it has more parts than are read"),
    "unknown_charset": _("a text of it is in a charset that nobody knows"),
    "unreadable": _("it could not be read at all"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class OriginalPart:
    """A part of the mail; ``size`` is in bytes, without the encoding for the way."""

    content_type: str
    charset: str
    name: str
    disposition: str
    content_id: str
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a mail's source holds; ``source`` is as much of it as is shown, ``is_cut`` where there is more."""

    first: tuple[tuple[str, str], ...]
    others: tuple[tuple[str, str], ...]
    parts: tuple[OriginalPart, ...]
    problems: tuple[str | Promise, ...]
    automatic: str
    source: str
    size: int
    is_cut: bool


def original_of(raw: RawMail) -> Original:
    """The mail laid open; for any bytes there is an answer (D29)."""
    source = bytes(raw.source)
    mime, mail = take_apart(source), read(raw)
    fields = [(name, value[:HEADER_CHARS_SHOWN]) for name, value in mime.headers.fields]
    first = sorted((pair for pair in fields if pair[0] in _FIRST), key=lambda pair: _FIRST.index(pair[0]))
    return Original(
        first=tuple((_shown(name), value) for name, value in first),
        others=tuple((_shown(name), value) for name, value in fields if name not in _FIRST),
        parts=tuple(_part(part) for part in mime.parts),
        problems=tuple(PROBLEM_WORDS.get(problem, problem) for problem in mail.problems),
        automatic=mail.automatic,
        source=source[:SOURCE_BYTES_SHOWN].decode("utf-8", "replace").replace("\0", "\ufffd"),
        size=len(source),
        is_cut=len(source) > SOURCE_BYTES_SHOWN,
    )


def _shown(name: str) -> str:
    """Names of header fields as people write them: ``Message-ID``, not ``message-id``."""
    return "-".join(
        word.upper() if word in ("id", "arc", "dkim", "spf") else word.capitalize() for word in name.split("-")
    )


def _part(part: Part) -> OriginalPart:
    return OriginalPart(
        content_type=part.content_type,
        charset=part.charset,
        name=part.name,
        disposition=part.disposition,
        content_id=part.content_id,
        size=len(part.payload()),
    )

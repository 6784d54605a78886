"""Who may have written a mail and what it may belong to, asked of Python's own mail library and of plain searches.

It knows nothing of the desk's reader, and is no stricter than the rules: what it denies must never be filed (D26).
"""

from __future__ import annotations

import re
from email import message_from_bytes
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.utils import getaddresses

_BLANK_LINE = re.compile(rb"\r?\n\r?\n")
_RETURNS = re.compile(rb"(?<!\r)\r{2,}\n")
_SPACED_NAME = re.compile(rb"^([!-9;-~]{1,100})[ \t]+:", re.MULTILINE)
_MARKED = re.compile(r"[()\"\\]")


class SecondOpinion:
    """What the library says of one mail."""

    def __init__(self, source: bytes) -> None:
        source = _RETURNS.sub(b"\r\n", source)
        if b"\n" not in source:
            source = source.replace(b"\r", b"\n")
        self.source = source
        head = _BLANK_LINE.split(source, maxsplit=1)[0]
        self.head: Message = message_from_bytes(_SPACED_NAME.sub(rb"\1:", head) + b"\n\n")

    def sender(self) -> str:
        """The one address of the one From field in small letters; empty where there is none or more than one."""
        fields = self.head.get_all("from") or []
        if len(fields) != 1:
            return ""
        try:
            found = [address for _name, address in getaddresses([str(fields[0])]) if address]
        except RecursionError:  # the library's own limit: what it cannot read is no sender
            return ""
        return found[0].lower() if len(found) == 1 else ""

    def names(self, *, number: str, ids: list[str], tokens: list[str]) -> bool:
        """True where a ticket number, a Message-ID of ours or a signed address stands anywhere in the header."""
        text = self.source.decode("latin-1")
        subject = "".join(_decoded(value) for value in self.head.get_all("subject") or [])
        digits = re.compile(r"\D{0,8}".join(number))
        return (
            any(word in text for word in ids)
            or any(token in text.lower() for token in tokens)
            or digits.search(text) is not None
            or digits.search(subject) is not None
        )

    def failed_dmarc(self, server: str) -> bool:
        """True where a plain field of our server says so; those with comments and quotes are left to the tests."""
        for value in self.head.get_all("authentication-results") or []:
            words = " ".join(str(value).split()).lower()
            if not _MARKED.search(words) and words.startswith(f"{server};"):
                return any(re.fullmatch(r" ?dmarc ?= ?fail( .*)?", part) for part in words.split(";")[1:])
        return False


def _decoded(value: object) -> str:
    try:
        parts = decode_header(str(value))
        return "".join(
            word if isinstance(word, str) else word.decode("latin-1" if charset is None else charset, "replace")
            for word, charset in parts
        )
    except (LookupError, ValueError, MessageError):
        return str(value)

"""The settings of mailboxes that are fetched by IMAP. What is missing or nonsense is refused with a word about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal
from urllib.parse import parse_qs, unquote, urlsplit

from django.core.exceptions import ImproperlyConfigured

After = Literal["seen", "move", "delete"]
_PORTS: Final = {"imaps": 993, "imap": 143}
_HERE: Final = ("localhost", "127.0.0.1", "::1")
_SHAPE: Final = "imaps://user@host/FOLDER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Mailbox:
    """One folder of one mailbox. ``tls``: from the first byte, by STARTTLS, or none, on this machine alone.

    ``after`` is what becomes of a mail there once it is stored; ``move_to`` the folder that it is moved to.
    """

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str
    tls: Literal["always", "starttls", "none"]
    after: After
    move_to: str = ""

    @property
    def door(self) -> str:
        """What the operator reads, and what Fetched goes by: no password."""
        port = "" if self.port in _PORTS.values() else f":{self.port}"
        return f"imap:{self.user}@{self.host}{port}/{self.folder}"


def mailboxes_of(environ: Mapping[str, str]) -> tuple[Mailbox, ...]:
    """The mailboxes of IMAP_URL, several with spaces between, and what stands beside it.

    ``IMAP_PASSWORD`` is the password of all of them, ``IMAP_PASSWORD_2`` that of the second alone.
    Raises ImproperlyConfigured.
    """
    after, move_to = _after(environ.get("IMAP_AFTER", "seen").strip())
    urls = environ.get("IMAP_URL", "").split()
    found = tuple(
        _mailbox(url, password=_password(environ, number), after=after, move_to=move_to)
        for number, url in enumerate(urls, start=1)
    )
    if len({mailbox.door for mailbox in found}) != len(found):
        raise ImproperlyConfigured("IMAP_URL names one folder twice.")
    return found


def _mailbox(url: str, *, password: str, after: After, move_to: str) -> Mailbox:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise ImproperlyConfigured(f"IMAP_URL is no address: {error}. It looks like {_SHAPE}.") from error
    if parts.scheme not in _PORTS:
        raise ImproperlyConfigured(f"IMAP_URL begins with imaps:// or imap://, not {parts.scheme!r}: {_SHAPE}.")
    if parts.password is not None:
        # Addresses get into logs and lists of processes.
        raise ImproperlyConfigured("IMAP_URL holds a password. It belongs into IMAP_PASSWORD, which is shown nowhere.")
    if not parts.hostname or not parts.username:
        raise ImproperlyConfigured(f"IMAP_URL needs a user and a host: {_SHAPE}.")
    if not password:
        raise ImproperlyConfigured(f"IMAP_PASSWORD is not set, and {parts.hostname} will ask for it.")
    query = parse_qs(parts.query, keep_blank_values=True)
    if set(query) - {"tls"} or query.get("tls", ["none"]) != ["none"] or (query and parts.scheme == "imaps"):
        raise ImproperlyConfigured(f"IMAP_URL may say ?tls=none behind imap://, nothing else: not ?{parts.query}.")
    if query and parts.hostname not in _HERE:
        raise ImproperlyConfigured("IMAP_URL without TLS is for this machine alone: the password would be read by all.")
    folder = unquote(parts.path.removeprefix("/")) or "INBOX"
    if after == "move" and move_to == folder:
        raise ImproperlyConfigured(f"IMAP_AFTER moves mail to {move_to}, where it is fetched from.")
    return Mailbox(
        host=parts.hostname,
        port=port or _PORTS[parts.scheme],
        user=unquote(parts.username),
        password=password,
        folder=folder,
        tls="always" if parts.scheme == "imaps" else "none" if query else "starttls",
        after=after,
        move_to=move_to,
    )


def _password(environ: Mapping[str, str], number: int) -> str:
    return environ.get(f"IMAP_PASSWORD_{number}", "") or environ.get("IMAP_PASSWORD", "")


def _after(word: str) -> tuple[After, str]:
    verb, _colon, folder = word.partition(":")
    match verb:
        case "seen" if not folder:
            return "seen", ""
        case "delete" if not folder:
            return "delete", ""
        case "move" if folder.strip():
            return "move", folder.strip()
    raise ImproperlyConfigured(f"IMAP_AFTER is seen, delete, or move:FOLDER, not {word!r}.")

"""A folder of a mailbox over IMAP: opened, read, and put away; every trouble in words for the operator (D29)."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from threading import Event
from typing import Any, Final

from django.conf import settings
from django.utils.translation import gettext as _
from imapclient import IMAPClient, SocketTimeout
from imapclient.exceptions import CapabilityError, IMAPClientAbortError, IMAPClientError, LoginError

from supportdesk.mail.received import HEADER_BYTES_MAX
from supportdesk.mailbox_settings import Mailbox

TIMEOUT: Final = SocketTimeout(connect=15, read=60)
# Servers end an IDLE after 29 minutes (RFC 2177), routers forget a quiet connection sooner; and what was announced
# in the moment before it began is found when it is renewed.
IDLE_SECONDS: Final = 120
LISTEN_SECONDS: Final = 1
SIZES_AT_ONCE: Final = 200


class DoorShut(Exception):
    """The mailbox cannot be read now; the words say why. ``patient``: only somebody who mends it helps."""

    def __init__(self, words: str, *, patient: bool = False) -> None:
        super().__init__(words)
        self.patient = patient


class Folder:
    """An open folder. Nothing that is read from it is changed by reading."""

    def __init__(self, client: Any, mailbox: Mailbox, uid_validity: int) -> None:
        self.mailbox = mailbox
        self.uid_validity = uid_validity
        self._client = client

    def uids(self, *, above: int) -> list[int]:
        """The UIDs of the messages above one of them that nobody has deleted, the oldest first."""
        self._client.noop()
        found = self._client.search(f"UID {above + 1}:* UNDELETED")
        return sorted(uid for uid in found if uid > above)  # "9:*" names the last message even where that is 7

    def not_put_away(self, uids: Collection[int]) -> list[int]:
        """Those of stored messages of which the folder does not show it yet."""
        if self.mailbox.after != "seen" or not uids:
            return sorted(uids)
        return sorted(set(self._client.search("UNSEEN UNDELETED")) & set(uids))

    def sizes(self, uids: list[int]) -> dict[int, int]:
        """How many bytes each message has; one that is gone has none."""
        found: dict[int, int] = {}
        for start in range(0, len(uids), SIZES_AT_ONCE):
            answer = self._client.fetch(uids[start : start + SIZES_AT_ONCE], ["RFC822.SIZE"])
            found |= {uid: int(data[b"RFC822.SIZE"]) for uid, data in answer.items() if b"RFC822.SIZE" in data}
        return found

    def source(self, uid: int) -> bytes | None:
        """The message as it came; None where it is gone."""
        return self._part(uid, "BODY.PEEK[]", b"BODY[]")

    def header(self, uid: int) -> bytes | None:
        """The header alone, as much of it as a mail may reasonably have."""
        return self._part(uid, f"BODY.PEEK[HEADER]<0.{HEADER_BYTES_MAX}>", b"BODY[HEADER]<0>")

    def put_away(self, uids: list[int]) -> None:
        """Does with messages that are stored what the settings say; twice does no harm."""
        if not uids:
            return
        client = self._client
        if self.mailbox.after == "seen":
            client.add_flags(uids, [b"\\Seen"], silent=True)
            return
        if self.mailbox.after == "move":
            if not client.folder_exists(self.mailbox.move_to):
                client.create_folder(self.mailbox.move_to)
            if client.has_capability("MOVE"):
                client.move(uids, self.mailbox.move_to)
                return
            client.copy(uids, self.mailbox.move_to)
        client.add_flags(uids, [b"\\Deleted"], silent=True)
        # Without UIDPLUS everything that anybody marked as deleted would go with it.
        if client.has_capability("UIDPLUS"):
            client.uid_expunge(uids)

    def wait(self, stop: Event) -> None:
        """Returns when the server says that something came, when it is time to look, or when ``stop`` is set."""
        client = self._client
        if not client.has_capability("IDLE"):
            stop.wait(settings.IMAP_POLL_SECONDS)
            return
        client.idle()
        until = time.monotonic() + IDLE_SECONDS
        while not stop.is_set() and time.monotonic() < until:
            said = client.idle_check(timeout=LISTEN_SECONDS)
            if any(len(answer) > 1 and answer[1] == b"EXISTS" for answer in said):
                break
            if any(answer[0] == b"BYE" for answer in said):
                raise IMAPClientAbortError("BYE")
        client.idle_done()

    def _part(self, uid: int, wanted: str, name: bytes) -> bytes | None:
        data = self._client.fetch([uid], [wanted]).get(uid, {})
        found = data.get(name)
        return None if found is None else bytes(found)


@contextmanager
def open_folder(mailbox: Mailbox) -> Iterator[Folder]:
    """The folder, open as long as the block; what goes wrong with the server there is raised as DoorShut."""
    client: Any = None
    try:
        client = _connect(mailbox)
        _sign_in(client, mailbox)
        yield Folder(client, mailbox, _select(client, mailbox))
    except (IMAPClientError, OSError) as error:
        raise _shut(error, mailbox) from error
    finally:
        if client is not None:
            with suppress(IMAPClientError, OSError):
                client.logout()
            with suppress(IMAPClientError, OSError):
                client.shutdown()


def _connect(mailbox: Mailbox) -> Any:
    tls = ssl.create_default_context()
    client = IMAPClient(
        mailbox.host,
        mailbox.port,
        ssl=mailbox.tls == "always",
        ssl_context=tls if mailbox.tls == "always" else None,
        timeout=TIMEOUT,
    )
    try:
        if mailbox.tls == "starttls":
            client.starttls(tls)
    except BaseException:
        client.shutdown()
        raise
    return client


def _sign_in(client: Any, mailbox: Mailbox) -> None:
    try:
        client.login(mailbox.user, mailbox.password)
    except LoginError as error:
        words = _("%(host)s refuses the user %(user)s or the password: %(said)s")
        raise DoorShut(
            words % {"host": mailbox.host, "user": mailbox.user, "said": _said(error)}, patient=True
        ) from error


def _select(client: Any, mailbox: Mailbox) -> int:
    try:
        return int(client.select_folder(mailbox.folder)[b"UIDVALIDITY"])
    except IMAPClientAbortError:
        raise
    except (IMAPClientError, KeyError) as error:
        words = _("The folder %(folder)s of %(user)s cannot be opened: %(said)s")
        values = {"folder": mailbox.folder, "user": mailbox.user, "said": _said(error)}
        raise DoorShut(words % values, patient=True) from error


def _shut(error: Exception, mailbox: Mailbox) -> DoorShut:
    """A trouble in words that say what to look at."""
    where = {"host": mailbox.host, "port": mailbox.port, "said": _said(error)}
    match error:
        case socket.gaierror():
            return DoorShut(_("The host name %(host)s is unknown here: %(said)s") % where)
        case ssl.SSLCertVerificationError():
            said = {**where, "said": error.verify_message}
            return DoorShut(_("The certificate of %(host)s is not valid here: %(said)s") % said, patient=True)
        case ssl.SSLError():
            return DoorShut(_("TLS with %(host)s, port %(port)d, does not come about: %(said)s") % where)
        case CapabilityError():
            words = _("%(host)s, port %(port)d, offers no STARTTLS; with TLS from the start it is imaps://: %(said)s")
            return DoorShut(words % where, patient=True)
        case ConnectionRefusedError():
            return DoorShut(_("Nobody answers at %(host)s, port %(port)d: %(said)s") % where)
        case TimeoutError():
            return DoorShut(_("%(host)s, port %(port)d, does not answer in time.") % where)
        case IMAPClientAbortError() | OSError():
            return DoorShut(_("The connection to %(host)s was lost: %(said)s") % where)
    return DoorShut(_("%(host)s refuses a command: %(said)s") % where)


def _said(error: Exception) -> str:
    """The server's own words, which the library gives as the text of bytes."""
    return str(error).removeprefix("b'").removeprefix('b"').rstrip("'\"") or type(error).__name__

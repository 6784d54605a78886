"""Mail in by IMAP: stored first, once for each UID, then put away there; it goes on after any trouble (D29)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from threading import Event
from typing import Final

from django.conf import settings
from django.db import Error, IntegrityError, connection
from django.utils.translation import gettext as _
from imapclient.exceptions import IMAPClientAbortError, IMAPClientError

from supportdesk.mail import doors
from supportdesk.mail.imap import DoorShut, Folder, open_folder
from supportdesk.mail.incoming import store_raw
from supportdesk.mail.models import Fetched, MailDoor, RawMail
from supportdesk.mail.received import came_from, envelope_of, headers_of
from supportdesk.mailbox_settings import Mailbox
from supportdesk.policy import POLICY

logger = logging.getLogger(__name__)

FIRST_WAIT: Final = 5
LONGEST_WAIT: Final = 300
# Mails are put away in lots: dying before costs another look at so many, and stores none of them twice.
AT_ONCE: Final = 20
_KNOWN_AT_ONCE: Final = 5_000


def keep_fetching(mailbox: Mailbox, *, now: Callable[[], datetime], stop: Event, once: bool = False) -> bool:
    """Fetches what comes until ``stop`` is set, over as many connections as it takes; gives whether the last one held.

    ``once``: what is there now, over one connection.
    """
    tries = 0
    while True:
        try:
            with open_folder(mailbox) as folder:
                seen = 0
                while True:
                    seen = fetch_new(folder, above=seen, now=now)
                    doors.works(mailbox.door, at=now())
                    tries = 0
                    if not once:
                        folder.wait(stop)
                    if once or stop.is_set():
                        return True
        except Exception as error:  # whatever it is: the mail stays where it is, and is looked for again
            _note(mailbox, error, now=now)
            if once or stop.wait(wait_after(tries, patient=isinstance(error, DoorShut) and error.patient)):
                return False
            tries += 1
        finally:
            connection.close()


def wait_after(tries: int, *, patient: bool) -> int:
    """How many seconds to wait after a failure: twice as long each time, and at once as long as it gets where
    asking again may lock the account.

    >>> [wait_after(tries, patient=False) for tries in (0, 1, 5, 9)], wait_after(0, patient=True)
    ([5, 10, 160, 300], 300)
    """
    return LONGEST_WAIT if patient else min(FIRST_WAIT * 2 ** min(tries, 10), LONGEST_WAIT)


def fetch_new(folder: Folder, *, above: int, now: Callable[[], datetime]) -> int:
    """Stores every message above a UID that is not stored yet; gives the UID up to which nothing is left (D29).

    1. store the mail and its UID in one transaction; 2. put it away in the folder. Dying after 1 costs another look:
    the UID is known. Where the server numbers its messages anew, the content tells that a mail was here before.
    A message that the server does not hand out does not stop the next one, and is tried again later.
    """
    door, _made = MailDoor.objects.get_or_create(name=folder.mailbox.door)
    uids = folder.uids(above=above)
    known = _known(door, folder.uid_validity, uids)
    folder.put_away(folder.not_put_away(known))
    sizes = folder.sizes([uid for uid in uids if uid not in known])
    stored: list[int] = []
    stuck: list[str] = []
    for uid, size in sorted(sizes.items()):
        try:
            if _store(folder, door, uid=uid, size=size, at=now()):
                stored.append(uid)
        except IMAPClientAbortError:
            raise
        except IMAPClientError as error:
            stuck.append(f"UID {uid}: {error}")
        if len(stored) >= AT_ONCE:
            folder.put_away(stored)
            stored = []
    folder.put_away(stored)
    if stuck:
        words = _("%(count)d messages are not handed out by %(host)s; the first is %(first)s")
        raise DoorShut(words % {"count": len(stuck), "host": folder.mailbox.host, "first": stuck[0]}, patient=True)
    return max(uids, default=above)


def _known(door: MailDoor, uid_validity: int, uids: list[int]) -> set[int]:
    """Those of the UIDs that are stored."""
    known: set[int] = set()
    for start in range(0, len(uids), _KNOWN_AT_ONCE):
        some = uids[start : start + _KNOWN_AT_ONCE]
        rows = Fetched.objects.filter(door=door, uid_validity=uid_validity, uid__in=some)
        known |= set(rows.values_list("uid", flat=True))
    return known


def _store(folder: Folder, door: MailDoor, *, uid: int, size: int, at: datetime) -> bool:
    """Stores one message, or its header where it is too large to be taken (D31); False where it is gone."""
    too_big = size > POLICY.mail_bytes_max
    source = folder.header(uid) if too_big else folder.source(uid)
    if source is None:
        return False
    if not too_big and len(source) > POLICY.mail_bytes_max:  # some servers only guess the size
        too_big, size, source = True, len(source), headers_of(source)
    mail_from, rcpt_to = envelope_of(source)

    def once(raw: RawMail) -> None:
        Fetched.objects.create(door=door, uid_validity=folder.uid_validity, uid=uid, raw_mail=raw)

    # Another fetcher at this mailbox was faster: the mail is stored, and counts once.
    with suppress(IntegrityError):
        store_raw(
            source=source,
            mail_from=mail_from,
            rcpt_to=rcpt_to,
            at=at,
            via="imap",
            peer=came_from(source, by=settings.MAIL_RECEIVED_BY),
            refused_bytes=size if too_big else None,
            also=once,
        )
    return True


def _note(mailbox: Mailbox, error: Exception, *, now: Callable[[], datetime]) -> None:
    """Says what is wrong where the operator looks; without a database in the log alone."""
    words = str(error) if isinstance(error, DoorShut) else f"{type(error).__name__}: {error}"
    if not isinstance(error, DoorShut):
        logger.exception("Fetching from %s failed", mailbox.door)
    with suppress(Error):
        connection.close()
        doors.fails(mailbox.door, words, at=now())

"""Signed addresses: what comes to one proves that its sender, or their server, has had a mail of ours (D26, D28).

A reply address binds an incident to the contact who got the mail. It is no key to anything: who may write
is decided by the sender as well. An envelope address is that of one mail: reports that it failed go there.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import salted_hmac

_SALT = "supportdesk.mail.reply"
_BOUNCES_SALT = "supportdesk.mail.bounces"
_MAC_BYTES = 15  # 120 bits: 24 letters without padding; the whole local part stays below 64
_LOCAL = re.compile(r"reply\+([1-9][0-9]{0,17})\.([1-9][0-9]{0,17})\.([a-z2-7]{24})")
_BOUNCES = re.compile(r"bounces\+([1-9][0-9]{0,17})\.([a-z2-7]{24})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyToken:
    """What a genuine reply address says."""

    incident_id: int
    contact_id: int


def _keys() -> list[str | bytes]:
    """The key that signs, then those that are still accepted."""
    return [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _mac(signed: str, key: str | bytes, *, salt: str = _SALT) -> str:
    digest = salted_hmac(salt, signed, secret=key, algorithm="sha256").digest()
    return base64.b32encode(digest[:_MAC_BYTES]).decode().lower()


def _fits(signed: str, mac: str, *, salt: str = _SALT) -> bool:
    # Every key is tried, so that the time taken tells nothing of which one fits.
    fits = [hmac.compare_digest(_mac(signed, key, salt=salt), mac) for key in _keys()]
    return any(fits)


def _found(pattern: re.Pattern[str], address: str) -> re.Match[str] | None:
    local, _at, domain = address.strip().lower().rpartition("@")
    return pattern.fullmatch(local) if domain == settings.MAIL_DOMAIN.lower() else None


def reply_address(*, incident_id: int, contact_id: int) -> str:
    """The address that the answers of this contact to this incident go to (D26)."""
    signed = f"{incident_id}.{contact_id}"
    return f"reply+{signed}.{_mac(signed, _keys()[0])}@{settings.MAIL_DOMAIN}"


def read_reply_address(address: str) -> ReplyToken | None:
    """What ``address`` was signed for, in whatever case it came back; None where we never made it (D26)."""
    found = _found(_LOCAL, address)
    if found is None or not _fits(f"{found[1]}.{found[2]}", found[3]):
        return None
    return ReplyToken(incident_id=int(found[1]), contact_id=int(found[2]))


def bounce_address(*, mail_id: int) -> str:
    """The envelope sender of one mail of ours: whatever reports about it come there, and nobody else's (D28)."""
    return f"bounces+{mail_id}.{_mac(str(mail_id), _keys()[0], salt=_BOUNCES_SALT)}@{settings.MAIL_DOMAIN}"


def read_bounce_address(address: str) -> int | None:
    """The id of the mail whose envelope sender that was; None where we never made it (D28)."""
    found = _found(_BOUNCES, address)
    return int(found[1]) if found is not None and _fits(found[1], found[2], salt=_BOUNCES_SALT) else None

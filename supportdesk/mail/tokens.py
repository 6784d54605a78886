"""Signed reply addresses: an answer to one proves that its sender has had a mail of ours (D26).

The signature binds an incident to the contact who got the mail. It is no key to anything: who may write
is decided by the sender as well.
"""

from __future__ import annotations

import base64
import hmac
import re
from dataclasses import dataclass

from django.conf import settings
from django.utils.crypto import salted_hmac

_SALT = "supportdesk.mail.reply"
_MAC_BYTES = 15  # 120 bits: 24 letters without padding; the whole local part stays below 64
_LOCAL = re.compile(r"reply\+([1-9][0-9]{0,17})\.([1-9][0-9]{0,17})\.([a-z2-7]{24})")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplyToken:
    """What a genuine reply address says."""

    incident_id: int
    contact_id: int


def _keys() -> list[str | bytes]:
    """The key that signs, then those that are still accepted: REPLY_KEYS, or else Django's secret keys."""
    own: list[str | bytes] = list(getattr(settings, "REPLY_KEYS", ()))
    return own or [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]


def _mac(incident_id: int, contact_id: int, key: str | bytes) -> str:
    digest = salted_hmac(_SALT, f"{incident_id}.{contact_id}", secret=key, algorithm="sha256").digest()
    return base64.b32encode(digest[:_MAC_BYTES]).decode().lower()


def reply_address(*, incident_id: int, contact_id: int) -> str:
    """The address that the answers of this contact to this incident go to (D26)."""
    return f"reply+{incident_id}.{contact_id}.{_mac(incident_id, contact_id, _keys()[0])}@{settings.MAIL_DOMAIN}"


def read_reply_address(address: str) -> ReplyToken | None:
    """What ``address`` was signed for, in whatever case it came back; None where we never made it (D26)."""
    local, _at, domain = address.strip().lower().rpartition("@")
    found = _LOCAL.fullmatch(local)
    if found is None or domain != settings.MAIL_DOMAIN.lower():
        return None
    incident_id, contact_id = int(found[1]), int(found[2])
    # Every key is tried, so that the time taken tells nothing of which one fits.
    fits = [hmac.compare_digest(_mac(incident_id, contact_id, key), found[3]) for key in _keys()]
    return ReplyToken(incident_id=incident_id, contact_id=contact_id) if any(fits) else None

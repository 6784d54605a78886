"""Signed links that end the tips for one reader, for ever: they stand in every mail (R15, RFC 8058)."""

from __future__ import annotations

import base64
import hmac
import re
from typing import Final

from django.conf import settings
from django.utils.crypto import salted_hmac

_SALT: Final = "supportdesk.tips.unsubscribe"
_MAC_BYTES: Final = 20
_TOKEN: Final = re.compile(r"([1-9][0-9]{0,17})\.([a-z2-7]{32})")


def _mac(subscriber_id: int, key: str | bytes) -> str:
    digest = salted_hmac(_SALT, str(subscriber_id), secret=key, algorithm="sha256").digest()
    return base64.b32encode(digest[:_MAC_BYTES]).decode().lower()


def unsubscribe_token(subscriber_id: int) -> str:
    """What ends the tips for that reader."""
    return f"{subscriber_id}.{_mac(subscriber_id, settings.SECRET_KEY)}"


def read_unsubscribe_token(token: str) -> int | None:
    """Whom ``token`` was signed for, by the present key or a former one; None where we never made it."""
    found = _TOKEN.fullmatch(token)
    if found is None:
        return None
    subscriber_id = int(found[1])
    # Every key is tried, so that the time taken tells nothing of which one fits.
    keys = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    fits = [hmac.compare_digest(_mac(subscriber_id, key), found[2]) for key in keys]
    return subscriber_id if any(fits) else None

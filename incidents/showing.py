"""What staff wrote, as HTML with the message's own pictures in it (D31)."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from django.utils.safestring import SafeString, mark_safe

from incidents.models import Attachment
from supportdesk.markup import reference, to_html


def shown(text: str, files: Iterable[Attachment], address: Callable[[Attachment], str]) -> SafeString:
    """``text`` rendered; a picture that it names is shown from its ``address``, if it is one of ``files``."""
    pictures = {reference(file.digest): file for file in files if file.picture}

    def where(named: str) -> str | None:
        file = pictures.get(reference(named))
        return None if file is None else address(file)

    # Cleaned by nh3, so nothing in it runs or loads.
    return mark_safe(to_html(text, where))  # noqa: S308

"""What every page's template knows."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from supportdesk.policy import POLICY


def desk(request: HttpRequest) -> dict[str, Any]:
    """The vendor's name, number and other pages, the policy, and whether this is a demo."""
    return {"desk_name": settings.DESK_NAME, "policy": POLICY, "is_demo": settings.DEMO}

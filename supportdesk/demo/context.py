"""What the demo's sign-in page shows: the three people one can be."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from supportdesk.demo.people import PASSWORD, SIGN_INS


def people(request: HttpRequest) -> dict[str, Any]:
    """Role and address of each, and the password that is everybody's."""
    return {"demo_people": [(role, email) for role, email, _password in SIGN_INS], "demo_password": PASSWORD}

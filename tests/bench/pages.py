"""A page of the server's own, timed without the test client, which keeps a copy of each template's context."""

from __future__ import annotations

import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import Client, RequestFactory

from supportdesk.people.models import User

Page = Callable[[], tuple[float, int]]


def page_of(user: User, path: str) -> Page:
    """Asks for the page as ``user``: milliseconds, and its size in bytes."""
    client = Client()
    client.force_login(user)
    server = WSGIHandler()
    environ = RequestFactory().get(path).environ
    environ["HTTP_COOKIE"] = "; ".join(f"{name}={morsel.value}" for name, morsel in client.cookies.items())
    statuses: list[str] = []

    def keep(status: str, _headers: Any, *_rest: Any) -> Any:
        statuses.append(status)

    def once() -> tuple[float, int]:
        began = time.perf_counter()
        response = server(environ | {"wsgi.input": BytesIO()}, keep)
        size = sum(len(piece) for piece in response)
        spent = time.perf_counter() - began
        response.close()
        assert statuses.pop() == "200 OK"
        return 1000 * spent, size

    return once

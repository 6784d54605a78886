"""Tokens of links stay out of the logs: who reads a log must not be able to follow them (D25, D33)."""

from __future__ import annotations

import logging
import re
from typing import Any

from gunicorn.glogging import Logger

_TOKENS = re.compile(r"(/report/link/|/password/reset/key/|/tips/confirm/|/tips/unsubscribe/)[^/\s?\"']+")


def without_tokens(text: str) -> str:
    """``text`` with the tokens in its addresses left out.

    >>> without_tokens("GET /report/link/2f9x_Zq-7/ HTTP/1.1")
    'GET /report/link/…/ HTTP/1.1'
    """
    return _TOKENS.sub(r"\1…", text)


class TokenFilter(logging.Filter):
    """For the handlers of the project's own log."""

    def filter(self, record: logging.LogRecord) -> bool:
        said = record.getMessage()
        if (kept := without_tokens(said)) != said:
            record.msg, record.args = kept, None
        return True


class TokenlessLogger(Logger):  # type: ignore[misc]
    """The access log of the web server: ``gunicorn --logger-class supportdesk.web_logs.TokenlessLogger``."""

    def atoms(self, *args: Any) -> dict[str, Any]:
        found: dict[str, Any] = super().atoms(*args)
        return {name: without_tokens(value) if isinstance(value, str) else value for name, value in found.items()}

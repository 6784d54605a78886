"""Processes that die, in a database that commits, beside a mail server that counts."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.faults.running import Processes
from tests.mail.smtp import MailServer, mail_server


@pytest.fixture
def server(settings: Any) -> Iterator[MailServer]:
    """Where mail goes out to, from this process and from those that are started."""
    with mail_server(settings) as running:
        yield running


@pytest.fixture
def processes(fresh_db: str, tmp_path: Path, server: MailServer) -> Iterator[Processes]:
    """Started in the test's own database, and ended with it."""
    started = Processes(fresh_db, tmp_path)
    yield started
    started.end()

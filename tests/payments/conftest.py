"""The provider's clock is the machine's: so is that of the tests that pay there."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest


@pytest.fixture
def at() -> datetime:
    return datetime.now(UTC).replace(microsecond=0)

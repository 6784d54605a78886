"""What the tests of the ledger share."""

from __future__ import annotations

from typing import Any

import pytest


@pytest.fixture
def provider(settings: Any) -> None:
    """A desk that has a payment provider; nothing in these tests calls it."""
    settings.STRIPE_SECRET_KEY = "sk_test_of_the_ledger"

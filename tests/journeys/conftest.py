"""The desk that runs for real, once a test process."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.journeys.running import RunningDesk, shared_desk


@pytest.fixture(scope="session")
def running_desk(request: pytest.FixtureRequest) -> Iterator[RunningDesk]:
    """All parts as processes of their own, with the sample loaded."""
    with shared_desk(request) as desk:
        yield desk

"""``./desk bench sla --oracle``: 200,000 deadlines over every zone, country and subdivision, minute by minute."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.bench.conftest import Table
from tests.oracle import places, zones

COUNT = 200_000
ROOT = Path(__file__).resolve().parent.parent.parent


def test_none_of_the_deadlines_is_wrong(table: Table, request: pytest.FixtureRequest) -> None:
    if not request.config.getoption("oracle"):
        pytest.skip("minutes long: ./desk bench sla --oracle")
    seed = request.config.getoption("seed")
    parts = os.cpu_count() or 1
    began = time.perf_counter()
    hands = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.oracle", str(seed), str(COUNT), str(part), str(parts)],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            text=True,
        )
        for part in range(parts)
    ]
    wrong = [case for hand in hands for case in json.loads(hand.communicate()[0])]
    table(
        "Deadlines against a walk by the minute",
        [
            ("cases", "zones", "places", "wrong", "seed", "s"),
            (
                f"{COUNT:,}",
                str(len(zones())),
                f"{len(places()):,}",
                str(len(wrong)),
                str(seed),
                f"{time.perf_counter() - began:.0f}",
            ),
        ],
    )
    assert wrong[:5] == []

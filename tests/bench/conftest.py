"""The measurements run only where they are asked for: ``./desk bench``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Table = Callable[[str, Sequence[Sequence[str]]], None]


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Out of the ordinary tests: nothing here fails for being slow."""
    return None if any("tests/bench" in str(argument) for argument in config.args) else True


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--oracle", action="store_true", help="sla: every deadline against a walk by the minute")
    parser.addoption("--seed", type=int, default=1, help="sla: of the oracle's cases")


@pytest.fixture
def table(capsys: pytest.CaptureFixture[str]) -> Table:
    """Prints rows under a title, the columns aligned; the first row is the head."""

    def show(title: str, rows: Sequence[Sequence[str]]) -> None:
        widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
        lines = [
            "  ".join(cell.ljust(width) if not at else cell.rjust(width) for at, (cell, width) in enumerate(cells))
            for cells in (list(zip(row, widths, strict=True)) for row in rows)
        ]
        with capsys.disabled():
            print(f"\n\n{title}", *(f"  {line}" for line in lines), sep="\n")

    return show

"""The rules as text, and where they are cited: what ``manage rule`` prints and the tests check."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parent.parent
ROOMS: Final = ("supportdesk", "points", "sla", "incidents")
_CITATION: Final = re.compile(r"\(((?:[RD]\d{1,2})(?:, [RD]\d{1,2})*)\)")
_ROW: Final = re.compile(r"^\| ([RD][1-9]\d?) \| (.*) \|$", re.MULTILINE)
_MARK: Final = re.compile(r"mark\.rule\(([^)]*)\)")


def texts() -> dict[str, str]:
    """Every rule's text by its name, in the order of docs/rules.md."""
    return {name: text.replace("**", "") for name, text in _ROW.findall((ROOT / "docs/rules.md").read_text("utf-8"))}


def citations(name: str) -> list[str]:
    """Where the code and the templates cite the rule: file, line and the line itself."""
    files = [path for room in ROOMS for path in sorted((ROOT / room).rglob("*.py")) if "migrations" not in path.parts]
    return _lines(name, [*files, *sorted((ROOT / "templates").rglob("*.html"))])


def proofs(name: str) -> list[str]:
    """The tests that carry the rule's mark."""
    return [
        f"{path.relative_to(ROOT)}:{number}"
        for path in sorted((ROOT / "tests").rglob("test_*.py"))
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        for mark in _MARK.findall(line)
        if f'"{name}"' in mark
    ]


def cited_anywhere() -> dict[str, str]:
    """Every name that looks like a rule's in code, templates or tests, with one place where it stands."""
    found: dict[str, str] = {}
    for folder in (*ROOMS, "tests", "templates"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix not in (".py", ".html") or "migrations" in path.parts:
                continue
            for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
                for names in _CITATION.findall(line):
                    for name in names.split(", "):
                        found.setdefault(name, f"{path.relative_to(ROOT)}:{number}")
    return found


def _lines(name: str, paths: list[Path]) -> list[str]:
    word = re.compile(rf"\b{name}\b")
    return [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(path.read_text("utf-8").splitlines(), 1)
        if word.search(line)
    ]

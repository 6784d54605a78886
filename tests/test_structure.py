"""What import contracts cannot see: querysets come from access modules, and no file grows into a second subject."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
EDGES = ("supportdesk/portal", "supportdesk/desk", "supportdesk/api")
LINES_MAX = 400


def _python(*folders: str) -> list[Path]:
    found = [path for folder in folders for path in (ROOT / folder).rglob("*.py")]
    return sorted(path for path in found if "migrations" not in path.parts)


@pytest.mark.rule("D22")
@pytest.mark.parametrize("path", _python(*EDGES), ids=lambda path: str(path.relative_to(ROOT)))
def test_pages_get_querysets_from_access_only(path):
    """A page that asks a model itself could forget to ask whose page it is."""
    assert not re.findall(r"\b[A-Z]\w+\.objects\b", path.read_text("utf-8"))


@pytest.mark.parametrize("folder", ["supportdesk", "points", "sla", "incidents"])
def test_no_file_is_over_long(folder):
    long = {path.name: n for path in _python(folder) if (n := len(path.read_text("utf-8").splitlines())) > LINES_MAX}
    assert long == {}


@pytest.mark.rule("D32")
def test_one_module_knows_the_payment_providers_library():
    """Beside the import contract: also inside a function, and by name."""
    folders = ("supportdesk", "points", "sla", "incidents")
    knows = re.compile(r"^\s*(?:import|from)\s+stripe\b|import_module\([\"']stripe|__import__", re.MULTILINE)
    found = [str(path.relative_to(ROOT)) for path in _python(*folders) if knows.search(path.read_text("utf-8"))]
    assert found == ["points/payments/provider.py"]

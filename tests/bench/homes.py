"""Where other packages live: an environment of their own, so that the desk needs none of them."""

from __future__ import annotations

import subprocess
import sys
from functools import cache
from pathlib import Path

from tests.settings import HOME

LOCK = Path(__file__).resolve().parent.parent.parent / "requirements-bench.txt"


@cache
def rival_python() -> Path | None:
    """The interpreter that has them, installed at the first call; None where that cannot be done."""
    home = HOME / "bench-venv"
    python, stamp = home / "bin" / "python", home / "installed"
    if not stamp.exists() or stamp.read_bytes() != LOCK.read_bytes():
        install = ["-m", "pip", "install", "--quiet", "--require-hashes", "--no-input", "-r", str(LOCK)]
        for command in ([sys.executable, "-m", "venv", "--clear", str(home)], [str(python), *install]):
            if subprocess.run(command, check=False).returncode:
                return None
        stamp.write_bytes(LOCK.read_bytes())
    return python

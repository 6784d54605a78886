"""Child processes in groups of their own: started, stopped whole, and found again after a supervisor died."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil  # type: ignore[import-untyped, unused-ignore]  # comes with the database server, without types

STOP_SECONDS: Final = 8


def start_child(command: Sequence[str], *, log: Path, env: Mapping[str, str], cwd: Path) -> subprocess.Popen[bytes]:
    """Starts ``command`` in a process group of its own, its output at the end of ``log``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as output:
        return subprocess.Popen(  # noqa: S603 our own commands
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(env),
            cwd=cwd,
            start_new_session=True,
        )


def stop_children(children: Sequence[subprocess.Popen[bytes]], *, seconds: float = STOP_SECONDS) -> None:
    """Ends the children's whole groups: TERM to all, and KILL to those that are left after ``seconds``."""
    for child in children:
        _signal_group(child.pid, signal.SIGTERM)
    until = time.monotonic() + seconds
    for child in children:
        try:
            child.wait(max(0.05, until - time.monotonic()))
        except subprocess.TimeoutExpired:
            continue
    for child in children:
        _signal_group(child.pid, signal.SIGKILL)  # grandchildren that outlived it, too
        child.wait()


def started_at(pid: int) -> float | None:
    """When the process began, in seconds since 1970, or None if it has ended. With the pid it names one process."""
    try:
        process = psutil.Process(pid)
        return None if process.status() == psutil.STATUS_ZOMBIE else float(process.create_time())
    except psutil.Error:
        return None


def end_leftover(pid: int, began: float) -> None:
    """Kills the group of a child whose supervisor died, if ``pid`` is still that very process."""

    def is_there() -> bool:
        now_began = started_at(pid)
        return now_began is not None and abs(now_began - began) < 0.01

    until = time.monotonic() + 2
    if is_there():
        _signal_group(pid, signal.SIGKILL)
        while is_there() and time.monotonic() < until:
            time.sleep(0.02)


def _signal_group(pid: int, number: int) -> None:
    try:
        os.killpg(pid, number)
    except (ProcessLookupError, PermissionError):  # macOS says the latter of a group of zombies
        return

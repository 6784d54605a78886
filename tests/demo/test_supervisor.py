"""The demo's supervisor: ports, its lock, its children."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from supportdesk import children
from supportdesk.demo import supervisor

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]
STUBBORN = [
    sys.executable,
    "-c",
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(60)",
]


def test_a_taken_port_is_said_and_the_next_free_one_used() -> None:
    said: list[str] = []
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]

        ports = supervisor.pick_ports(web=port, gateway=0, mailbox=0, provider=0, say=said.append)

    assert port < ports.web < port + 200
    assert said == [f"Port {port} is taken; the web listens on {ports.web}."]


def test_no_two_parts_get_one_port() -> None:
    wanted = supervisor.free_port(0)

    ports = supervisor.pick_ports(web=wanted, gateway=wanted, mailbox=wanted, provider=wanted, say=lambda _: None)

    assert len({ports.web, ports.gateway, ports.mailbox, ports.provider}) == 4


def test_a_second_demo_in_the_same_folder_is_refused(tmp_path: Path) -> None:
    with (
        supervisor.only_one(tmp_path),
        pytest.raises(supervisor.Refused, match=str(os.getpid())),
        supervisor.only_one(tmp_path),
    ):
        pass
    with supervisor.only_one(tmp_path):
        pass


def test_fresh_removes_the_demos_data_and_nothing_else(tmp_path: Path) -> None:
    for name in ("mailbox", "broker", "provider", "test", "letters"):
        (tmp_path / name).mkdir()
    (tmp_path / "beat-schedule.db").touch()
    (tmp_path / "mine.txt").touch()

    supervisor.wipe(tmp_path)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["letters", "mine.txt", "test"]


def test_children_end_even_if_they_do_not_listen(tmp_path: Path) -> None:
    log = tmp_path / "deaf.log"
    started = [children.start_child(command, log=log, env=os.environ, cwd=tmp_path) for command in (SLEEP, STUBBORN)]
    wait_for(log)
    began = time.monotonic()

    children.stop_children(started, seconds=0.5)

    assert time.monotonic() - began < 5
    assert [child.returncode for child in started] == [-signal.SIGTERM, -signal.SIGKILL]


def test_a_leftover_is_ended_and_a_stranger_with_its_pid_is_not(tmp_path: Path) -> None:
    child = children.start_child(SLEEP, log=tmp_path / "log", env=os.environ, cwd=tmp_path)
    began = children.started_at(child.pid)
    assert began is not None

    children.end_leftover(child.pid, began - 100)
    assert child.poll() is None
    children.end_leftover(child.pid, began)

    assert child.wait(5) == -signal.SIGKILL


def test_a_part_that_ends_by_itself_stops_the_rest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    demo = supervisor.Demo(tmp_path, supervisor.Ports(web=1, gateway=2, mailbox=3, provider=4))
    demo.env = dict(os.environ)

    def start() -> None:
        demo._start_child("worker", SLEEP)
        demo._start_child("web", [sys.executable, "-c", "print('no disk left'); raise SystemExit(3)"])

    monkeypatch.setattr(demo, "_start", start)
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        code = demo.run(check=False)
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)

    said = capsys.readouterr().out
    assert code == 1
    assert '"web" ended with code 3' in said
    assert "no disk left" in said
    assert demo.children["worker"].returncode == -signal.SIGTERM


def wait_for(log: Path) -> None:
    until = time.monotonic() + 10
    while "deaf" not in log.read_text():
        assert time.monotonic() < until
        time.sleep(0.02)


def test_the_script_is_posix_shell() -> None:
    root = supervisor.ROOT
    for script in ("desk", ".ci/run", "docker/initdb.sh"):
        subprocess.run(["sh", "-n", script], cwd=root, check=True)
        assert os.access(root / script, os.X_OK)


def test_help_needs_nothing_installed(tmp_path: Path) -> None:
    said = subprocess.run(
        [str(supervisor.ROOT / "desk"), "help"],
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
        check=True,
        capture_output=True,
        text=True,
    )

    assert "./desk demo" in said.stdout

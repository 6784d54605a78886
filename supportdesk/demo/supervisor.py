"""Starts everything that a desk needs on this machine, shows where it is, and stops all of it again.

Ctrl-C, TERM and a closed terminal stop it within ten seconds. A part that ends by itself stops the rest:
nothing is started a second time behind the visitor's back.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from supportdesk import children, embedded
from supportdesk.demo.people import SIGN_INS

ROOT: Final = Path(__file__).resolve().parent.parent.parent
LOCAL: Final = "127.0.0.1"  # the demo's passwords are known: it is for this machine alone
READY_SECONDS: Final = 60
STOP_SECONDS: Final = 6

# What --fresh removes, and nothing else: the folder may be one that holds more.
DATA: Final = (
    *("postgres", "mailbox", "broker", "broker-control", "cache", "files", "logs", "secret-key", "provider"),
    "beat-schedule*",
)
# Set for a desk in production, these would reach into it.
NOT_OURS: Final = frozenset(
    {"REDIS_URL", "BEHIND_PROXY", "DESK_NAME", "MAIL_DOMAIN", "MAIL_FROM", "MAIL_USER", "MAIL_PASSWORD"}
    | {"MAIL_STARTTLS", "MAIL_AUTHSERV_ID"}
    | {"STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRETS", "STRIPE_API_BASE"}
    | {"STRIPE_SCRIPT_URL", "STRIPE_FRAME_ORIGINS", "STRIPE_CONNECT_ORIGINS", "STRIPE_TIMEOUT_SECONDS"}
)
KEYS: Final = ("sk_test_demo", "pk_test_demo", "whsec_demo")  # secret, publishable, of the events
EVENTS_PATH: Final = "/api/payments/events/"  # where the desk takes the provider's events
SETTLE_SECONDS: Final = 10  # until a refund to one of the two cards for that meets its end


class Refused(Exception):
    """The demo does not start, or does not go on; the text says why."""


class Stopped(Exception):
    """Somebody asked for the end."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where the parts listen, all on this machine alone."""

    web: int
    gateway: int
    mailbox: int
    provider: int


def pick_ports(*, web: int, gateway: int, mailbox: int, provider: int, say: Callable[[str], None]) -> Ports:
    """The wanted ports, or for a taken one the next that is free, which ``say`` is told. 0 means any."""
    picked: dict[str, int] = {}
    for name, wanted in {"web": web, "gateway": gateway, "mailbox": mailbox, "provider": provider}.items():
        picked[name] = free_port(wanted, but_not=picked.values())
        if wanted and picked[name] != wanted:
            say(f"Port {wanted} is taken; the {name} listens on {picked[name]}.")
    return Ports(**picked)


def free_port(wanted: int, *, but_not: Collection[int] = ()) -> int:
    """``wanted`` if it is free, else the next free port above; any for 0. Raises ``Refused`` if there is none."""
    for port in range(wanted, min(wanted + 200, 65_536)) if wanted else [0] * 20:
        found = _bindable(port)
        if found is not None and found not in but_not:
            return found
    raise Refused(f"No port from {wanted} on is free.")


def _bindable(port: int) -> int | None:
    """The port if it can be listened on here, and nobody answers there by another address of this machine."""
    for family, address in ((socket.AF_INET, LOCAL), (socket.AF_INET6, "::1")):
        with contextlib.suppress(OSError), socket.socket(family) as probe:
            probe.settimeout(0.5)
            if port and probe.connect_ex((address, port)) == 0:
                return None
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((LOCAL, port))
        except OSError:
            return None
        return int(listener.getsockname()[1])


@contextmanager
def only_one(home: Path) -> Iterator[None]:
    """Holds the folder for this demo. Raises ``Refused`` if another demo runs there."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "demo.lock").open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Refused(f"A demo runs in {home} already (process {file.read().strip()}). Stop it first.") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


def end_leftovers(home: Path) -> None:
    """Ends what a demo left running that was killed before it could stop anything."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        for pid, began in json.loads((home / "demo-children.json").read_text()):
            children.end_leftover(pid, began)


def wipe(home: Path) -> None:
    """Removes what a demo keeps in ``home``. Raises ``Refused`` while another program uses its database."""
    if not embedded.stop(home):
        raise Refused(f"Another program uses the database in {home}. Stop it first.")
    for pattern in DATA:
        for path in home.glob(pattern):
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()


class Demo:
    """One run of the demo in ``home``."""

    def __init__(self, home: Path, ports: Ports) -> None:
        self.home = home
        self.ports = ports
        self.base_url = f"http://localhost:{ports.web}"
        self.provider_url = f"http://{LOCAL}:{ports.provider}"
        self.children: dict[str, subprocess.Popen[bytes]] = {}
        self.stopping = threading.Event()
        self.env: dict[str, str] = {}

    def run(self, *, check: bool) -> int:
        """Starts all, then waits for the end, or with ``check`` runs the check. Gives the exit code."""
        began = time.monotonic()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: self.stopping.set())
        ready = False
        try:
            self._start()
            ready = True
            say(f"Ready after {time.monotonic() - began:.1f} s.")
            return self._check() if check else self._wait()
        except (Refused, embedded.ServerRefused) as refusal:
            say(f"\n{refusal}")
            return 1
        except Stopped:
            return 0 if ready and not check else 130
        finally:
            self._stop()

    def _start(self) -> None:
        with stage("Database"):
            application, owner = embedded.database_urls(self.home)
        self.env = self._environment(application, owner)
        manage = [sys.executable, str(ROOT / "manage.py")]
        with stage("Tables"):
            self._finish("migrate", [*manage, "migrate", "--noinput"])
        with stage("Sample desk"):
            self._finish("load_demo", [*manage, "load_demo"])
        with stage("Web, worker, mail"):
            for name, command in self._commands(manage).items():
                self._start_child(name, command)
            self._until_ready()

    def _environment(self, application: str, owner: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name not in NOT_OURS}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "supportdesk.settings",
            "PYTHONUNBUFFERED": "1",
            "DEMO": "1",
            "DEBUG": "0",
            "DESK_HOME": str(self.home),
            "SECRET_KEY": embedded.kept_secret(self.home),
            "DATABASE_URL": application,
            "DATABASE_OWNER_URL": owner,
            "BASE_URL": self.base_url,
            "ALLOWED_HOSTS": f"localhost,{LOCAL}",
            "MAIL_HOST": LOCAL,
            "MAIL_PORT": str(self.ports.mailbox),
            "DEMO_MAILBOX_PORT": str(self.ports.mailbox),
            "GATEWAY_HOST": LOCAL,
            "GATEWAY_PORT": str(self.ports.gateway),
            "STRIPE_SECRET_KEY": KEYS[0],
            "STRIPE_PUBLISHABLE_KEY": KEYS[1],
            "STRIPE_WEBHOOK_SECRETS": KEYS[2],
            "STRIPE_API_BASE": self.provider_url,
            "STRIPE_SCRIPT_URL": f"{self.provider_url}/v3/",
            "STRIPE_FRAME_ORIGINS": self.provider_url,
            "STRIPE_CONNECT_ORIGINS": self.provider_url,
        }

    def _commands(self, manage: Sequence[str]) -> dict[str, list[str]]:
        module = [sys.executable, "-m"]
        mailbox = [LOCAL, str(self.ports.mailbox), str(self.home / "mailbox")]
        provider = ["--port", str(self.ports.provider), "--folder", str(self.home / "provider")]
        provider += ["--webhook-url", f"http://{LOCAL}:{self.ports.web}{EVENTS_PATH}"]
        provider += ["--settle-seconds", str(SETTLE_SECONDS)]
        worker = ["-B", "--pool", "threads", "--concurrency", "4", "--loglevel", "INFO"]
        web = ["--bind", f"{LOCAL}:{self.ports.web}", "--threads", "8", "--graceful-timeout", "3"]
        web += ["--no-control-socket", "--access-logfile", "-"]
        web += ["--logger-class", "supportdesk.web_logs.TokenlessLogger"]
        return {
            "mailbox": [*module, "supportdesk.demo.sink", *mailbox],
            "provider": [*module, "supportdesk.demo.provider", *provider],
            "gateway": [*manage, "mail_gateway"],
            "worker": [*module, "celery", "-A", "supportdesk", "worker", *worker],
            "web": [*module, "gunicorn", "supportdesk.wsgi:application", *web],
        }

    def _start_child(self, name: str, command: Sequence[str]) -> subprocess.Popen[bytes]:
        child = children.start_child(command, log=self._log(name), env=self.env, cwd=ROOT)
        self.children[name] = child
        self._note_children()
        return child

    def _finish(self, name: str, command: Sequence[str]) -> None:
        """Runs a command to its end. Raises ``Refused`` if it fails."""
        child = self._start_child(name, command)
        while child.poll() is None:
            self._breathe(0.05)
        del self.children[name]
        if child.returncode:
            raise Refused(self._failure(name, child.returncode))

    def _until_ready(self) -> None:
        until = time.monotonic() + READY_SECONDS
        waiting: dict[str, Callable[[], bool]] = {
            "mailbox": lambda: _listens(self.ports.mailbox),
            "provider": lambda: _listens(self.ports.provider),
            "gateway": lambda: _listens(self.ports.gateway),
            "web": lambda: _answers(f"http://{LOCAL}:{self.ports.web}/healthz"),
        }
        while waiting:
            waiting = {name: is_ready for name, is_ready in waiting.items() if not is_ready()}
            if waiting and time.monotonic() > until:
                name = next(iter(waiting))
                raise Refused(f"The {name} is not ready after {READY_SECONDS} s.{self._log_end(name)}")
            self._breathe(0.1)

    def _breathe(self, seconds: float) -> None:
        """Waits, and raises ``Stopped`` or ``Refused`` if there is no reason to wait any longer."""
        if self.stopping.wait(seconds):
            raise Stopped
        for name in ("mailbox", "provider", "gateway", "worker", "web"):
            child = self.children.get(name)
            if child is not None and child.poll() is not None:
                raise Refused(self._failure(name, child.returncode))

    def _wait(self) -> int:
        say(self._welcome())
        while True:
            self._breathe(0.5)

    def _check(self) -> int:
        arguments = [self.base_url, str(self.home / "mailbox"), LOCAL, str(self.ports.gateway)]
        command = [sys.executable, "-m", "supportdesk.demo.check", *arguments]
        child = subprocess.Popen(command, env=self.env, cwd=ROOT, start_new_session=True)  # noqa: S603 our own
        self.children["check"] = child
        while child.poll() is None:
            self._breathe(0.1)
        if child.returncode:
            for name in self._commands([]):
                say(f"\nThe end of {name}.log:{self._log_end(name)}")
        return child.returncode

    def _stop(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # the end is not to be cut short
        began = time.monotonic()
        children.stop_children(list(self.children.values()), seconds=STOP_SECONDS)
        (self.home / "demo-children.json").unlink(missing_ok=True)
        is_down = embedded.stop(self.home)
        kept = "" if is_down else " The database goes on: another program uses it."
        say(f"Stopped everything in {time.monotonic() - began:.1f} s.{kept}")

    def _note_children(self) -> None:
        """Writes down who runs, so that the next start can end them should this process be killed."""
        pids = [child.pid for child in self.children.values()]
        notes = [[pid, began] for pid in pids if (began := children.started_at(pid)) is not None]
        (self.home / "demo-children.json").write_text(json.dumps(notes))

    def _log(self, name: str) -> Path:
        return self.home / "logs" / f"{name}.log"

    def _log_end(self, name: str, lines: int = 20) -> str:
        try:
            end = self._log(name).read_text(errors="replace").splitlines()[-lines:]
        except FileNotFoundError:
            end = []
        return "".join(f"\n  {line}" for line in end)

    def _failure(self, name: str, code: int) -> str:
        return f'"{name}" ended with code {code}. The end of {self._log(name)}:{self._log_end(name)}'

    def _welcome(self) -> str:
        width = max(len(email) for _, email, _ in SIGN_INS)
        people = "\n".join(f"    {role:<12}{email:<{width}}  {password}" for role, email, password in SIGN_INS)
        return f"""
  The desk        {self.base_url}/
  Its mailbox     {self.base_url}/demo/mailbox/    every mail that it sends; answer them there
  Mail to it      smtp://{LOCAL}:{self.ports.gateway}
  Its payments    {self.base_url}/demo/provider/    no real money; at {self.provider_url}
  Logs            {self.home / "logs"}

  Sign in as
{people}

  Pay with        4242424242424242 (any date to come, any code); declined: 4000000000000002,
                  3-D Secure: 4000002500003155; more on the page of payments

Ctrl-C stops everything."""


@contextmanager
def stage(name: str) -> Iterator[None]:
    """Says what is being done, and how long it took."""
    began = time.monotonic()
    say(f"  {name:<20}", end="")
    try:
        yield
    except BaseException:
        say("")
        raise
    say(f"{time.monotonic() - began:>6.1f} s")


def say(text: str, *, end: str = "\n") -> None:
    """Prints at once. A terminal that is gone is no reason to leave anything running."""
    with contextlib.suppress(OSError):
        print(text, end=end, flush=True)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((LOCAL, port)) == 0


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:  # noqa: S310 our own address
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line of ``./desk demo``. Gives the exit code."""
    parser = argparse.ArgumentParser(prog="./desk demo", description="Starts the desk with a sample of everything.")
    parser.add_argument("--fresh", action="store_true", help="begin anew: remove the demo's data first")
    parser.add_argument("--check", action="store_true", help="start beside everything else, check, stop")
    parser.add_argument("--port", type=int, default=8000, help="of the pages (8000)")
    options = parser.parse_args(arguments)
    home = Path(os.environ.get("DESK_HOME") or ROOT / ".desk").resolve()
    try:
        if options.check:
            with tempfile.TemporaryDirectory(prefix="desk-check-", ignore_cleanup_errors=True) as folder:
                return Demo(Path(folder).resolve(), pick_ports(web=0, gateway=0, mailbox=0, provider=0, say=say)).run(
                    check=True
                )
        with only_one(home):
            end_leftovers(home)
            if options.fresh:
                wipe(home)
            ports = pick_ports(web=options.port, gateway=2525, mailbox=1025, provider=8420, say=say)
            return Demo(home, ports).run(check=False)
    except Refused as refusal:
        say(str(refusal))
        return 1

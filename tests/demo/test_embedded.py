"""The PostgreSQL server that comes with the requirements."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from urllib.parse import unquote

import psycopg2
import pytest

from supportdesk import embedded
from supportdesk.demo.supervisor import ROOT

ASK = (
    "import sys; from pathlib import Path; from supportdesk import embedded;"
    "print(embedded.database_urls(Path(sys.argv[1]))[0], flush=True); sys.stdin.read()"
)


def ask(home: Path) -> subprocess.Popen[str]:
    """A process that asks for the server, says its address and holds it until its input ends."""
    return subprocess.Popen(
        [sys.executable, "-c", ASK, str(home)],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def first_line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_the_address_of_a_deep_folder_fits_a_socket_and_the_last_one_out_stops_the_server(tmp_path: Path) -> None:
    home = tmp_path / 'it\'s a $(deep), "folder"' / ("x" * 90)
    processes = [ask(home) for _ in range(4)]
    try:
        (address,) = {first_line(process) for process in processes}
        assert not embedded.stop(home)
        assert embedded.is_running(home)
    finally:
        for process in processes:
            process.communicate()
    with psycopg2.connect(address) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT current_user, current_setting('TimeZone'), similarity('Müller', 'müller')")
        assert cursor.fetchone() == ("desk_app", "UTC", 1.0)
    connection.close()

    assert embedded.stop(home)

    assert not embedded.is_running(home)
    assert not Path(unquote(address.split("host=")[1].split("&")[0])).exists()


def test_after_a_crash_the_server_starts_again(tmp_path: Path) -> None:
    before = embedded.database_urls(tmp_path)
    pid = int((tmp_path / "postgres" / "postmaster.pid").read_text().splitlines()[0])
    os.kill(pid, signal.SIGKILL)
    while embedded.is_running(tmp_path):
        time.sleep(0.01)
    try:
        assert embedded.database_urls(tmp_path) == before
        psycopg2.connect(before[1]).close()
    finally:
        assert embedded.stop(tmp_path)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TABLE x ()",
        "CREATE TEMP TABLE x ()",
        "CREATE SCHEMA x",
        "CREATE DATABASE x",
        "CREATE ROLE x",
        "SET ROLE desk_owner",
        "SET session_replication_role = replica",
    ],
)
def test_the_applications_role_owns_nothing_and_makes_nothing(statement: str) -> None:
    address, _ = embedded.test_database_urls(Path(os.environ["DESK_HOME"]))
    connection = psycopg2.connect(address)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            cursor.execute(statement)
    finally:
        connection.close()


def test_the_secret_is_made_once_and_for_its_owner_alone(tmp_path: Path) -> None:
    secret = embedded.kept_secret(tmp_path)

    assert len(secret) >= 50
    assert embedded.kept_secret(tmp_path) == secret
    assert (tmp_path / "secret-key").stat().st_mode & 0o777 == 0o600


def test_the_containers_database_is_prepared_by_the_same_file_and_twice(tmp_path: Path) -> None:
    """``docker/initdb.sh`` on the embedded server: both roles get their passwords."""
    address, _ = embedded.database_urls(tmp_path)
    script = (ROOT / "docker" / "initdb.sh").read_text().replace("/desk/database.sql", str(embedded.PREPARE))
    env = {
        "PATH": f"{embedded._programs()}:{os.environ['PATH']}",
        "PGHOST": address.split("host=")[1].split("&")[0],
        "POSTGRES_USER": "postgres",
        "DESK_OWNER_PASSWORD": "it's owner",
        "DESK_APP_PASSWORD": "app",
    }
    try:
        subprocess.run(["sh", "-c", script], env=env, check=True, capture_output=True)
        connection = psycopg2.connect(dbname="supportdesk", user="postgres", host=env["PGHOST"], port=5432)
        with connection, connection.cursor() as cursor:
            cursor.execute("SELECT count(*) FROM pg_authid WHERE rolname LIKE 'desk_%' AND rolpassword IS NOT NULL")
            assert cursor.fetchone() == (2,)
        connection.close()
    finally:
        assert embedded.stop(tmp_path)

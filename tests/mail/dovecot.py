"""A mail server with mailboxes, of the tests' own: a real Dovecot with its own folder, ports and users."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from imapclient import IMAPClient

from supportdesk.mailbox_settings import Mailbox

PASSWORD = "correct horse"
_CONFIG = """
protocols = imap
base_dir = {home}/run
state_dir = {home}/state
instance_name = {home}
listen = 127.0.0.1
log_path = {home}/log
ssl = yes
ssl_cert = <{home}/cert.pem
ssl_key = <{home}/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
default_internal_user = {internal}
default_login_user = {login}
default_internal_group = {group}
first_valid_uid = 1
first_valid_gid = 1
mail_location = maildir:{home}/mail/%u
mailbox_list_index = no
service imap-login {{
  chroot =
  inet_listener imap {{
    port = {port}
  }}
  inet_listener imaps {{
    port = {tls_port}
    ssl = yes
  }}
}}
service anvil {{
  chroot =
}}
service stats {{
  chroot =
}}
passdb {{
  driver = passwd-file
  args = scheme=PLAIN {home}/users
}}
userdb {{
  driver = static
  args = uid={uid} gid={gid} home={home}/mail/%u
}}
{more}
"""


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


class Dovecot:
    """``start`` and ``stop`` as often as one likes: mailboxes and ports stay."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port, self.tls_port = _free_port(), _free_port()
        self.more = ""
        self._process: subprocess.Popen[bytes] | None = None
        home.mkdir(exist_ok=True)
        home.chmod(0o755)
        (home / "users").write_text(f"desk:{PASSWORD}\nother:{PASSWORD}\n")
        (home / "mail").mkdir()
        subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"]
        made = ["-keyout", str(home / "key.pem"), "-out", str(home / "cert.pem"), "-days", "2", "-nodes"]
        kind = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"]
        subprocess.run(["openssl", "req", "-x509", *kind, *made, *subject], check=True, capture_output=True)

    def start(self) -> None:
        """Returns once it answers."""
        me = pwd.getpwuid(os.getuid())
        root = me.pw_uid == 0
        # Mail is nobody's: as root a mail process is refused, as somebody else there is only oneself.
        owner = pwd.getpwnam("nobody") if root else me
        if root:
            os.chown(self.home / "mail", owner.pw_uid, owner.pw_gid)
        names = ("dovecot", "dovenull", "dovecot") if root else (me.pw_name, me.pw_name, me.pw_name)
        internal, login, group = names
        config = self.home / "dovecot.conf"
        config.write_text(
            _CONFIG.format(
                home=self.home,
                internal=internal,
                login=login,
                group=group,
                port=self.port,
                tls_port=self.tls_port,
                uid=owner.pw_uid,
                gid=owner.pw_gid,
                more=self.more,
            )
        )
        self._process = subprocess.Popen(
            ["/usr/sbin/dovecot", "-F", "-c", str(config)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT
        )
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as wire:
                    if wire.recv(100).startswith(b"* OK"):
                        return
            except ConnectionRefusedError:
                pass
            if self._process.poll() is not None:
                assert self._process.stdout is not None
                log = self.home / "log"
                raise RuntimeError(self._process.stdout.read().decode() + (log.read_text() if log.exists() else ""))
            time.sleep(0.02)

    def stop(self) -> None:
        """Returns once it is gone, with every connection."""
        if self._process is not None:
            self._process.terminate()
            self._process.communicate(timeout=20)
            self._process = None

    def mailbox(self, **fields: Any) -> Mailbox:
        """A mailbox of it as the settings name one."""
        given = {"host": "127.0.0.1", "port": self.port, "user": "desk", "password": PASSWORD, "folder": "INBOX"}
        return Mailbox(**{**given, "tls": "none", "after": "seen", **fields})

    @contextmanager
    def client(self) -> Iterator[Any]:
        """A mail program of somebody else at the same mailbox."""
        with IMAPClient("127.0.0.1", self.port, ssl=False) as client:
            client.login("desk", PASSWORD)
            yield client

    def put(self, *sources: bytes, folder: str = "INBOX") -> None:
        """Mails arrive."""
        with self.client() as client:
            if not client.folder_exists(folder):
                client.create_folder(folder)
            for source in sources:
                client.append(folder, source)

    def flags(self, folder: str = "INBOX") -> list[list[bytes]]:
        """What each message of a folder is marked with."""
        with self.client() as client:
            client.select_folder(folder, readonly=True)
            found = client.get_flags(client.search("ALL"))
            return [sorted(flag for flag in flags if flag != b"\\Recent") for _uid, flags in sorted(found.items())]


@contextmanager
def dovecot_at(home: Path) -> Iterator[Dovecot]:
    """A running one."""
    server = Dovecot(home)
    server.start()
    try:
        yield server
    finally:
        server.stop()


@pytest.fixture
def dovecot() -> Iterator[Dovecot]:
    """One for the test alone."""
    # Not below the tests' own folder, which nobody else may enter: mail is nobody's.
    home = Path(tempfile.mkdtemp(prefix="desk-imap-"))
    home.chmod(0o755)
    with dovecot_at(home / "dovecot") as running:
        yield running
    shutil.rmtree(home)

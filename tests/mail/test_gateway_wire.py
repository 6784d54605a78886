"""The gateway against clients that know the protocols, bend them, or hang: raw sockets (D29, D28, RFC 2033)."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from supportdesk.mail import wire
from supportdesk.mail.gateway import RECIPIENTS_MAX, Gateway, Via
from supportdesk.mail.models import RawMail
from supportdesk.policy import POLICY
from tests.mail.test_incoming import MAIL

pytestmark = pytest.mark.rule("D29")

TO = "support@support.quillmark.example"
HEAD = f"MAIL FROM:<o@acme.example>\r\nRCPT TO:<{TO}>\r\nDATA\r\n".encode()


class Wire:
    """A client that writes what it likes, and reads answers one by one."""

    def __init__(self, port: int, hello: str = "EHLO x") -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.lines = self.socket.makefile("rb")
        self.greeting = self.answer()
        if hello:
            self.hello = self.say(f"{hello}\r\n".encode())

    def answer(self) -> str:
        """One answer, with all its lines; empty once the server is gone."""
        said = ""
        while line := self.lines.readline().decode():
            said += line
            if line[3:4] != "-":
                break
        return said

    def say(self, data: bytes) -> str:
        self.socket.sendall(data)
        return self.answer()

    def close(self) -> None:
        self.lines.close()
        self.socket.close()


@contextmanager
def gateway(via: Via = "smtp") -> Iterator[Gateway]:
    running = Gateway(host="127.0.0.1", port=0, via=via)
    running.start()
    try:
        yield running
    finally:
        running.stop()


@contextmanager
def connected(running: Gateway, hello: str = "EHLO x") -> Iterator[Wire]:
    client = Wire(running.port, hello)
    try:
        yield client
    finally:
        client.close()


def test_by_lmtp_each_recipient_has_an_answer(fresh_db: str):
    with gateway("lmtp") as running, connected(running, "LHLO mx.acme.example") as client:
        assert "PIPELINING" in client.hello
        assert f"SIZE {POLICY.mail_bytes_max}" in client.hello
        assert client.say(b"EHLO x\r\n").startswith("500")
        assert client.say(b"MAIL FROM:<o@acme.example>\r\n").startswith("250")
        assert client.say(f"RCPT TO:<{TO}>\r\n".encode()).startswith("250")
        assert client.say(b"RCPT TO:<a@evil.example>\r\n").startswith("550")
        assert client.say(b"RCPT TO:<reply+1@support.quillmark.example>\r\n").startswith("250")
        assert client.say(b"DATA\r\n").startswith("354")
        client.socket.sendall(MAIL + b".\r\n")
        assert [client.answer()[:3] for _recipient in range(2)] == ["250", "250"]
        assert client.say(b"NOOP\r\n").startswith("250"), "and no third one"
        raw = RawMail.objects.get()
        assert (raw.via, len(raw.rcpt_to), bytes(raw.source)) == ("lmtp", 2, MAIL)


def test_by_lmtp_each_recipient_hears_that_it_is_too_large(fresh_db: str):
    with gateway("lmtp") as running, connected(running, "LHLO x") as client:
        client.say(b"MAIL FROM:<o@acme.example>\r\n")
        for name in ("a", "b", "c"):
            client.say(f"RCPT TO:<{name}@support.quillmark.example>\r\n".encode())
        client.say(b"DATA\r\n")
        client.socket.sendall((b"x" * 998 + b"\r\n") * (POLICY.mail_bytes_max // 1000 + 1) + b".\r\n")
        for answer in [client.answer() for _recipient in range(3)]:
            assert answer.startswith("552")
            assert "25 MB" in answer
        assert client.say(b"NOOP\r\n").startswith("250")
    assert not RawMail.objects.exists()


def test_smtp_does_not_speak_lmtp(fresh_db: str):
    with gateway() as running, connected(running, "") as client:
        assert client.say(b"LHLO x\r\n").startswith("500")
        assert client.say(HEAD.split(b"\r\n")[0] + b"\r\n").startswith("503")


def test_commands_and_mails_may_come_all_at_once(fresh_db: str):
    with gateway() as running, connected(running) as client:
        assert "PIPELINING" in client.hello
        client.socket.sendall(HEAD + MAIL + b".\r\n" + HEAD + MAIL.replace(b"night", b"day") + b".\r\nQUIT\r\n")
        assert [client.answer()[:3] for _answer in range(9)] == ["250", "250", "354", "250"] * 2 + ["221"]
    assert RawMail.objects.count() == 2


def test_dots_at_the_beginning_of_lines_come_through(fresh_db: str):
    text = b".\r\n..\r\n...x\r\n"
    with gateway() as running, smtplib.SMTP("127.0.0.1", running.port, timeout=20) as client:
        client.sendmail("o@acme.example", [TO], MAIL + text)
    assert bytes(RawMail.objects.get().source) == MAIL + text


@pytest.mark.parametrize("end", [b"\r.\r\n", b"\n.\r\n", b"\n.\n", b"\r\n.\n", b"\r\n.\r"])
def test_only_one_end_of_a_mail_is_known(fresh_db: str, end: bytes):
    with gateway() as running, connected(running) as client:
        for command in HEAD.splitlines(keepends=True):
            client.say(command)
        assert client.say(MAIL + b"x" + end + HEAD + b"second\r\n.\r\n").startswith("250")
        client.socket.sendall(b"QUIT\r\n")
        assert client.answer().startswith("221"), "no answer to what was inside"
    inside = end.replace(b"\r\n.", b"\r\n") if end.startswith(b"\r\n") else end  # a dot before a line is the wire's
    assert bytes(RawMail.objects.get().source) == MAIL + b"x" + inside + HEAD + b"second\r\n"


@pytest.mark.parametrize("address", ["olive@bücher.example".encode(), b"ol\xffive@acme.example", b"a@b"])
def test_a_sender_in_other_letters_is_taken(fresh_db: str, address: bytes):
    with gateway() as running, connected(running) as client:
        assert "SMTPUTF8" in client.hello
        assert "8BITMIME" in client.hello
        said = client.say(b"MAIL FROM:<" + address + b"> SMTPUTF8 BODY=8BITMIME\r\n")
        assert said.startswith("250")
        client.say(f"RCPT TO:<{TO}>\r\n".encode())
        client.say(b"DATA\r\n")
        assert client.say(MAIL + "Größe\r\n".encode() + b".\r\n").startswith("250")
    raw = RawMail.objects.get()
    assert raw.mail_from.rpartition("@")[2] in ("bücher.example", "acme.example", "b")
    assert bytes(raw.source).endswith("Größe\r\n".encode())


def test_thousands_of_recipients_are_told_to_come_in_parts(fresh_db: str):
    with gateway() as running, connected(running) as client:
        client.say(b"MAIL FROM:<o@acme.example>\r\n")
        said = [client.say(f"RCPT TO:<r{n}@support.quillmark.example>\r\n".encode())[:3] for n in range(2_000)]
        assert said == ["250"] * RECIPIENTS_MAX + ["452"] * (2_000 - RECIPIENTS_MAX)
        client.say(b"DATA\r\n")
        assert client.say(MAIL + b".\r\n").startswith("250")
    assert len(RawMail.objects.get().rcpt_to) == RECIPIENTS_MAX


def _send_for_ever(client: Wire, piece: bytes) -> None:
    while True:
        client.socket.sendall(piece)


def test_a_line_without_an_end_is_cut_off_and_not_kept(fresh_db: str, monkeypatch: pytest.MonkeyPatch):
    kept: list[int] = []
    real = wire.ServerProtocol._cut_off

    async def looking(self: Any) -> None:
        kept.append(len(self._reader._buffer))
        await real(self)

    monkeypatch.setattr(wire.ServerProtocol, "_cut_off", looking)
    with gateway() as running, connected(running) as client:
        for command in HEAD.splitlines(keepends=True):
            client.say(command)
        piece = b"x" * 1024 * 1024
        with pytest.raises(OSError, match=r"reset|Broken"):
            _send_for_ever(client, piece)
    assert max(kept) <= 4 * wire.PIECE_BYTES
    assert not RawMail.objects.exists()


def test_a_command_without_an_end_is_refused(fresh_db: str):
    with gateway() as running, connected(running) as client:
        assert client.say(b"NOOP " + b"x" * 1_000_000 + b"\r\n").startswith("500")
        assert client.say(b"NOOP\r\n").startswith("250")


def test_one_connection_too_many_is_told_to_come_again(fresh_db: str, settings: Any):
    settings.GATEWAY_CONNECTIONS = 3
    with gateway() as running:
        clients = [Wire(running.port) for _client in range(3)]
        turned_away = Wire(running.port, "")
        assert turned_away.greeting.startswith("421 4.3.2")
        assert turned_away.answer() == ""
        clients.pop().socket.shutdown(socket.SHUT_RDWR)
        assert clients[0].say(b"NOOP\r\n").startswith("250"), "those inside are served"
        while (client := Wire(running.port, "")).greeting.startswith("421"):
            client.close()  # until the server has seen that one is gone
        for open_one in (*clients, turned_away, client):
            open_one.close()


@pytest.mark.parametrize("hangs_after", [b"", b"MAIL FROM:<o@acme.example>\r\n", HEAD, HEAD + b"From: x"])
def test_a_client_that_hangs_is_let_go(
    fresh_db: str, settings: Any, monkeypatch: pytest.MonkeyPatch, hangs_after: bytes
):
    settings.GATEWAY_TIMEOUT_SECONDS = 1
    monkeypatch.setattr(wire, "MAIL_SECONDS", 1)
    with gateway() as running, connected(running) as client:
        client.socket.sendall(hangs_after)
        while client.answer():
            pass  # to the end of the connection, which comes from the server
    assert not RawMail.objects.exists()


@pytest.mark.rule("D28")
def test_where_it_came_from_is_who_connected_or_what_our_own_server_wrote(fresh_db: str, settings: Any):
    received = b"Received: from evil (h [198.51.100.7]) by mx.quillmark.example with ESMTP; now\r\n"
    with gateway() as running, smtplib.SMTP("127.0.0.1", running.port, timeout=20) as client:
        client.sendmail("o@acme.example", [TO], received + MAIL)
        settings.MAIL_RECEIVED_BY = ["mx.quillmark.example"]
        client.sendmail("o@acme.example", [TO], received + MAIL.replace(b"night", b"day"))
    assert list(RawMail.objects.order_by("pk").values_list("peer", flat=True)) == ["127.0.0.1", "198.51.100.7"]

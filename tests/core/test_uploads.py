"""What a file may be called, and what it is by its content (D31)."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from incidents.uploads import clean_name, picture_of, too_large, too_many
from supportdesk.policy import POLICY

pytestmark = pytest.mark.rule("D31")


@pytest.mark.parametrize(
    ("given_name", "kept"),
    [
        ("trace.log", "trace.log"),
        ("../../x", "x"),
        ("..\\..\\windows\\x.dll", "x.dll"),
        ("/etc/passwd", "passwd"),
        ("..", "file"),
        (".", "file"),
        ("", "file"),
        ("a/", "file"),
        (".bashrc", ".bashrc"),
        ("a\x00b.txt", "ab.txt"),
        ("a\r\nSet-Cookie: x.txt", "a Set-Cookie: x.txt"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("\u2066\u2069\ufeffa\u200eb.txt", "ab.txt"),
        ("x\ud800.txt", "x.txt"),
        ("Bericht  2026 .pdf", "Bericht 2026 .pdf"),
        ("run.exe. . ", "run.exe"),
        ("e\u0301.txt", "é.txt"),
        ("می\u200cخواهم.pdf", "می\u200cخواهم.pdf"),
        ('quote".txt', 'quote".txt'),
        ("日本語.png", "日本語.png"),
    ],
)
def test_names(given_name: str, kept: str):
    assert clean_name(given_name) == kept


def test_a_long_name_is_shortened_in_the_middle():
    name = clean_name("a" * 290 + "-page-2.tar.gz")
    assert len(name) == POLICY.file_name_max
    assert name.endswith("-page-2.tar.gz")
    assert name.startswith("aaa")
    assert "…" in name
    fits = "b" * (POLICY.file_name_max - 4) + ".txt"
    assert clean_name(fits) == fits


@given(st.text(alphabet=st.characters(), max_size=400))
def test_whatever_comes_is_a_name(text: str):
    name = clean_name(text)
    assert 0 < len(name) <= POLICY.file_name_max
    assert not set("/\\\x00\r\n") & set(name)
    assert name not in (".", "..")
    assert not any(unicodedata.bidirectional(char) in ("RLO", "LRO", "RLE", "LRE", "PDF", "RLI") for char in name)
    assert clean_name(name) == name
    name.encode()


@pytest.mark.parametrize(
    ("start", "kind"),
    [
        (b"\x89PNG\r\n\x1a\nrest", "png"),
        (b"\xff\xd8\xff\xe0", "jpeg"),
        (b"GIF87a", "gif"),
        (b"GIF89a", "gif"),
        (b"RIFF\x00\x00\x00\x00WEBPVP8 ", "webp"),
        (b"RIFF\x00\x00\x00\x00WAVE", ""),
        (b"<svg xmlns='http://www.w3.org/2000/svg'>", ""),
        (b"<html><script>alert(1)</script>", ""),
        (b" \x89PNG\r\n\x1a\n", ""),
        (b"BM", ""),
        (b"", ""),
    ],
)
def test_a_picture_is_one_by_its_content(start: bytes, kind: str):
    assert picture_of(start) == kind


def test_limits_of_a_message():
    assert not too_many([1] * POLICY.files_max)
    assert too_many([1] * (POLICY.files_max + 1))
    half = POLICY.message_files_bytes_max // 2
    assert not too_large([half, half])
    assert too_large([half, half, 1])

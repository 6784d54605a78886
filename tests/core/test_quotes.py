"""Quotes and signatures are folded, never cut (D31); a number in them names no incident (D26)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from supportdesk.mail.quotes import fold, unquoted
from tests.core.test_mail_parse import steps

pytestmark = pytest.mark.rule("D31")


def kinds(text: str) -> list[tuple[str, str]]:
    return [(piece.kind, piece.text.strip()) for piece in fold(text)]


@pytest.mark.parametrize(
    "attribution",
    [
        "On Tue, Dec 1, 2026 at 10:00 AM Tess <tess@desk.example> wrote:",
        "On Tue, Dec 1, 2026 at 10:00 AM\nTess Technician\n<tess@desk.example> wrote:",
        "Am 01.12.2026 um 10:00 schrieb Tess <tess@desk.example>:",
        "Le mar. 1 déc. 2026 à 10:00, Tess <tess@desk.example> a écrit :",
        "El mar, 1 dic 2026 a las 10:00, Tess (<tess@desk.example>) escribió:",
        "Op di 1 dec. 2026 om 10:00 schreef Tess <tess@desk.example>:",
        "Il giorno mar 1 dic 2026 Tess <tess@desk.example> ha scritto:",
        "Tess <tess@desk.example> wrote:",
    ],
)
@pytest.mark.parametrize("mark", ["> ", ">", ""])
def test_what_is_quoted_below_its_attribution_is_folded(attribution: str, mark: str):
    text = f"Yes, it does.\n\n{attribution}\n\n{mark}Does it stop?\n{mark}Tess\n"
    assert [kind for kind, _text in kinds(text)] == ["said", "quoted"]
    assert unquoted(text).strip() == "Yes, it does."


@pytest.mark.parametrize(
    "mark",
    [
        "-----Original Message-----\nFrom: Tess",
        "-----Ursprüngliche Nachricht-----\nVon: Tess",
        "---------- Forwarded message ---------\nFrom: Tess",
        "________________________________\nFrom: Tess <tess@desk.example>\nSent: Tuesday\nTo: Olive\nSubject: x",
        "Von: Tess\nGesendet: Dienstag\nAn: Olive\nBetreff: x",
        "*From:* Tess\n*Sent:* Tuesday\n*To:* Olive\n*Subject:* x",
        "De : Tess\nEnvoyé : mardi\nÀ : Olive\nObjet : x".replace("De :", "De:"),
    ],
)
def test_below_the_mark_of_an_unmarked_quote_all_is_folded(mark: str):
    text = f"Yes.\n\n{mark}\n\nTicket 104 930\nDoes it stop?\n"
    assert [kind for kind, _text in kinds(text)] == ["said", "quoted"]
    assert "104" not in unquoted(text)


def test_answers_between_quoted_lines_stay_in_sight():
    text = "On Monday Tess wrote:\n> One?\n\nYes.\n\n> Two?\n>\n\n> Three?\nNo.\n"
    assert kinds(text) == [
        ("quoted", "On Monday Tess wrote:\n> One?"),
        ("said", "Yes."),
        ("quoted", "> Two?\n>\n\n> Three?"),
        ("said", "No."),
    ]


def test_where_all_is_quoted_all_can_be_read_but_names_nothing():
    text = "> Does it stop? 104 930\n> Yes, it does.\n"
    assert kinds(text) == [("said", text.strip())]
    assert unquoted(text) == ""


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hi\n-- \nOlive\nAcme\n", ["said", "signature"]),
        ("Hi\n--\nOlive\n", ["said", "signature"]),
        ("Hi\n--\n" + "a long list\n" * 30, ["said"]),
        ("Hi\n-- \nOlive\n\nOn Monday Tess wrote:\n> Two?\n", ["said", "signature", "quoted"]),
        ("Hi\n\nSent from my phone\n", ["said", "signature"]),
        ("On Monday the installer wrote:\nerror 5\nAnd now?\n", ["said"]),
        ("From: here on it is slow.\nWhy?\n", ["said"]),
        ("-----\nA table\n-----\n", ["said"]),
        ("", []),
    ],
)
def test_only_what_surely_is_a_signature_or_quote_is_folded(text: str, expected: list[str]):
    assert [piece.kind for piece in fold(text)] == expected


LINES = st.sampled_from(
    [
        "On Monday Tess wrote:\n",
        "> a\n",
        "\n",
        "-- \n",
        "--\n",
        "From: x\n",
        "Sent: y\n",
        "To: z\n",
        "a\r\n",
        "\x0b",
        "a",
    ]
)


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(LINES, max_size=30).map("".join)))
def test_nothing_is_cut(text: str):
    assert "".join(piece.text for piece in fold(text)) == text


def test_what_nobody_reads_is_folded_and_kept():
    text = "Hi 104 930\n" * 200_000
    assert "".join(piece.text for piece in fold(text)) == text
    assert [(piece.kind, len(piece.text)) for piece in fold(text)] == [("said", 10**6), ("quoted", len(text) - 10**6)]


@pytest.mark.parametrize(
    "unit",
    ["On ", "On \n", "On a\n", "> ", ">\n", "--\n", "-- \n", "From: \n", "From: \nTo: \n", "\n", "_____\n", "a@b:\n"],
)
def test_work_grows_with_the_length_of_a_text_not_with_its_square(unit: str):
    small, large = unit * 500, unit * 1000
    assert steps(lambda: fold(large)) <= 2.2 * steps(lambda: fold(small)) + 100

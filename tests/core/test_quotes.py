"""Quotes and signatures are folded, never cut (D31); a number in them names no incident (D26)."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
from django.conf import settings
from django.utils import translation
from django.utils.translation import gettext
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from supportdesk.mail.quote_words import REPLY_LINES
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


@pytest.mark.parametrize(
    "attribution",
    [
        "On Fri, Nov 27, 2026 at 3:20\u202fPM Tess <\ntess@desk.example> wrote:",
        "Am Fr., 27. Nov. 2026 um 15:20 Uhr schrieb Tess <\ntess@desk.example>:",
        "Tess <tess@desk.example> schrieb am Fr., 27. Nov. 2026,\n15:20:",
        "Le ven. 27 nov. 2026 à 15:20, Tess <tess@desk.example> a\nécrit\xa0:",
        "Em sex., 27 de nov. de 2026 às 15:20, Tess <tess@desk.example> escreveu:",
        "Tess <tess@desk.example> escreveu (sexta, 27/11/2026\nà(s) 15:20):",
        "Op 27 nov 2026, om 15:20 heeft Tess <tess@desk.example> het volgende geschreven:",
        "pt., 27 lis 2026 o 15:20 Tess <tess@desk.example>\nnapisał(a):",
        "Wiadomość napisana przez Tess <tess@desk.example>\nw dniu 27 lis 2026, o godz. 15:20:",
        "Den fre. 27. nov. 2026 kl. 15.20 skrev Tess <tess@desk.example>:",
        "pe 27. marrask. 2026 klo 15.20 Tess (tess@desk.example)\nkirjoitti:",
        "pá 27. 11. 2026 v 15:20 odesílatel Tess <tess@desk.example> napsal:",
        "Tess <tess@desk.example> ezt írta (időpont: 2026.\nnov. 27., P, 15:20):",
        "Tess <tess@desk.example>, 27 Kas 2026 Cum, 15:20\ntarihinde şunu yazdı:",
        "пт, 27 нояб. 2026\u202fг. в 15:20, Tess <tess@desk.example>:",
        "Пятница, 27 ноября 2026, 15:20 +03:00 от Tess <tess@desk.example>:",
        "Στις Παρ 27 Νοε 2026 στις 3:20 μ.μ., ο χρήστης Tess <\ntess@desk.example> έγραψε:",
        "2026年11月27日(金) 15:20 Tess <tess@desk.example>:",
        "2026/11/27 15:20、Tess <tess@desk.example>のメール：",
        "Tess <tess@desk.example> 于2026年11月27日周五 15:20写道：",
        "2026년 11월 27일 (금) 오후 3:20, Tess <tess@desk.example>님이 작성:",
        "---- On Fri, 27 Nov 2026 15:20:11 +0100 Tess\n<tess@desk.example> wrote ----",
    ],
)
@pytest.mark.parametrize("mark", ["> ", "> > ", ">", ""])
@pytest.mark.parametrize("own", ["Yes, it does.\n\n", "Am I right that it does?\n"])
def test_attributions_of_many_languages_are_known(attribution: str, mark: str, own: str):
    text = f"{own}{attribution}\n\n{mark}Does it stop?\n{mark}Tess\n"
    assert kinds(text)[0] == ("said", own.strip())
    assert [kind for kind, _text in kinds(text)] == ["said", "quoted"]


@pytest.mark.parametrize("own", ["Yes.\n\n", "Yes.\n\n-- \nOlive\n\n", "Yes.\n\nSent from my iPhone\n\n"])
@pytest.mark.parametrize(
    "header",
    [
        "发件人: Tess <tess@desk.example>\n发送时间: 2026年11月27日 15:20\n收件人: Olive\n主题: x",
        "差出人: Tess <tess@desk.example>\n送信日時: 2026年11月27日 15:20\n宛先: Olive\n件名: x",
        "보낸 사람: Tess\n보낸 날짜: 2026년 11월 27일\n받는 사람: Olive\n제목: x",
        "De\xa0: Tess\nEnvoyé\xa0: mardi\nÀ\xa0: Olive\nObjet\xa0: x",
        "Gesendet: Dienstag, 1. Dezember 2026 um 10:00 Uhr\nVon: Tess <tess@desk.example>\nAn: Olive\nBetreff: x",
        ">>> Tess Tester <tess@desk.example> 27.11.2026 15:20 >>>",
        '------ Originalnachricht ------\nVon "Tess" <tess@desk.example>\nAn Olive\nDatum 27.11.2026',
        "  On Fri, Nov 27, 2026 at 3:20 PM, Tess<tess@desk.example> wrote:   Hello Olive,",
        "From: Tess\n\nDate: Friday\n\nTo: Olive\n\nSubject: x",
        "From: Tess\nSent: Friday\nTo: Olive <a@b.example>; Carl <c@d.example>;\nEve <e@f.example>\nSubject: x",
        "От: Tess\nОтправлено: 27 ноября 2026 г. 15:20\nКому: Olive\nТема: x",
    ],
)
def test_headers_of_many_languages_are_known(header: str, own: str):
    told = kinds(f"{own}{header}\n\nDoes it stop? 104 930\n")
    assert told[0] == ("said", "Yes.")
    assert told[-1][0] == "quoted"
    assert header.strip()[:5] in told[-1][1]


@pytest.mark.parametrize(
    "signature",
    [
        *("Sent from my iPhone", "Von meinem iPhone gesendet", "Get Outlook for iOS<https://aka.ms/o0ukef>"),
        *("Gesendet mit der GMX Mail App", "Sent with Proton Mail secure email.", "Envoyé de mon iPhone"),
        *("Enviado desde mi Samsung", "Inviato da iPhone", "iPhoneから送信", "发自我的iPhone", "나의 iPhone에서 보냄"),
        *("Wysłane z iPhone'a", "Отправлено с iPhone", "*Sent from my Pixel*", "[Sent from my phone]"),
        "This e-mail and any attachments are confidential and intended\nsolely for the addressee.",
        "_______\nDiese E-Mail kann vertrauliche Informationen enthalten.\n_______",
        "Ce message et ses pièces jointes sont confidentiels.",
        "Sent from my iPhone\n\nThis message is confidential.\n\nPlease consider the environment before printing this.",
        "-- \nOlive\n\nSent from my iPhone",
        "-- \nOlive\n+44-20-7946-0000",
        "--\nOlive Owner\nTel. +49 (30) 5550-100 | https://acme.example",
    ],
)
@pytest.mark.parametrize("below", ["", "\n", "\n\nOn Monday Tess wrote:\n> Does it?\n"])
def test_what_programs_and_firms_put_below_is_signature(signature: str, below: str):
    told = kinds(f"It stops.\n\n{signature}{below}")
    assert told[:2] == [("said", "It stops."), ("signature", signature)]


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-27 02:13:12 ERROR spool: <olive@acme.example>:\n  busy\nAnd now?\n",
        "On Fri Nov 27 02:13:12 2026 daemon wrote:\n  busy\nAnd now?\n",
        "On 27 Nov 2026 at 10:00 the server wrote:\nerror 5\nAnd now?\n",
        "From: printer@acme.example\nTo: olive@acme.example\nSubject: Toner low\n\nIs it right?\n",
        "from: a\ndate: b\nto: c\nsubject: d\n\nWhy?\n",
        "  From: a@b.example\n  Date: c\n  Subject: d\n\nWhy?\n",
        "From: Berlin\nTo: Munich\nDate: 1 December\n\nWho?\n",
        "Received: from a\nFrom: a@b.example\nDate: c\nTo: d\nSubject: e\n\nLate?\n",
        "From: a@b.example\nDate: c\nMessage-ID: <d>\nSubject: e\n\nLate?\n",
        "SELECT 1;\n-- \nSELECT 2;\n",
        "--\n-- Table jobs\n--\nCREATE TABLE jobs (id int);\n",
        "x\n--\na = 1\n",
        "12:busy\n--\n40:stopped\n",
        "one\n--\ntwo\n--\nthree\n",
        "--- a/file\n+++ b/file\n@@ -1 +1 @@\n-old\n+new\n",
        "---\nname: x\n---\n",
        "The manual says:\n> Press green.\nIs it right?\n",
        "The installer wrote:\n> error 5\nIs it right?\n",
        "> 1. Step one\n> 2. Step two\n\nWhich?\n",
        ">>> import printer\n>>> printer.go()\n\nWhy?\n",
        "On Monday we did:\n- a\n- b\nOn Tuesday, 1 December 2026 at 10:00 we did:\n- c\n",
        "Von meinem Konto wurde abgebucht.\n",
        "Sent from my office to the printer on the second floor, it got lost.\n",
        "Sent from my iPhone\n\nThat is what it prints. Why?\n",
        "This e-mail and any attachments are confidential.\n\nThat is what it prints. Why?\n",
        "This message comes up: paper jam.\n",
        "-----\nOriginal message: none\n-----\n",
        "__________\n\nName: Olive\nDate: Friday\n",
        "Your mail says: Please answer above this line. Where is that?\n",
        "On 1.12.2026 10:00 I asked Carl (carl@acme.example) and he wrote:\n\nit stops\n\nWhat now?\n",
        "-- \nOlive\n\nPS: It also smells.\n",
        ">>> 1 >>> 2\n\nIs it true?\n",
        "I tried this:\n\n* On 1.12.2026 10:00 a reset:\n> done\n",
    ],
)
def test_what_only_looks_like_a_quote_or_signature_stays_in_sight(text: str):
    assert kinds(f"Hello.\n\n{text}") == [("said", f"Hello.\n\n{text}".strip())]


def test_quotes_by_hand_above_the_old_mail_stay_in_sight():
    text = "The manual says:\n> Press green.\nIs it right?\n\nOn Monday Tess wrote:\n> Does it?\n"
    assert kinds(text)[0] == ("said", "The manual says:\n> Press green.\nIs it right?")


def test_in_an_answer_marked_lines_are_quoted_without_an_attribution_too():
    text = "> Does it stop?\nYes.\n"
    assert [kind for kind, _text in kinds(text)] == ["said"]
    assert [piece.kind for piece in fold(text, answers=True)] == ["quoted", "said"]
    assert unquoted(text) == "Yes.\n"


@pytest.mark.parametrize("line", sorted(REPLY_LINES))
@pytest.mark.parametrize("shape", ["{}", "{}.", "## {} ##", "*{}*", "----- {} -----"])
def test_all_at_and_below_our_line_is_quoted(line: str, shape: str):
    text = f"Yes.\n\n{shape.format(line.capitalize())}\n\nHello Olive,\n\ndoes it stop? 104 930\n\n-- \nDesk\n"
    assert [kind for kind, _text in kinds(text)] == ["said", "quoted"]
    assert unquoted(text).strip() == "Yes."


def test_our_line_proves_a_quote_and_answers_below_it_stay_in_sight():
    text = "> Please answer above this line.\n>\n> One?\nYes.\n> Two?\nNo.\n"
    assert [kind for kind, _text in kinds(text)] == ["quoted", "said", "quoted", "said"]


def test_what_stands_right_above_our_line_is_its_attribution_in_whatever_language():
    for above in (
        "пт, 27 лист. 2026 р. о 15:20 Tess <tess@desk.example> каже:",
        "Frà: Tess <tess@desk.example>\nDàta: 27.11.2026\nTà: Olive\nSubjèct: x",
    ):
        text = f"Yes.\n\n{above}\n\nPlease answer above this line.\n\nDoes it?\n"
        assert [kind for kind, _text in kinds(text)] == ["said", "quoted"]
        assert unquoted(text).strip() == "Yes."


def test_our_templates_say_the_line_that_is_known():
    for name in ("_base.txt", "_base.html"):
        words = (Path(settings.BASE_DIR) / "templates" / "mail" / name).read_text(encoding="utf-8").lower()
        assert any(f'translate "{line}."' in words for line in REPLY_LINES)
    for language, _name in settings.LANGUAGES:
        with translation.override(language):
            assert gettext("Please answer above this line.").lower().rstrip(".") in REPLY_LINES


LINES = st.sampled_from(
    [
        "On Monday Tess wrote:\n",
        "> a\n",
        "\n",
        "-- \n",
        "--\n",
        "From: x\n",
        "Please answer above this line.\n",
        "> Please answer above this line.\n",
        "-----Original Message-----\n",
        "Sent from my iPhone\n",
        "This e-mail is confidential.\n",
        "Tess <tess@desk.example> wrote:\n",
        "Sent: y\n",
        "To: z\n",
        "a\r\n",
        "\x0b",
        "a",
    ]
)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(LINES, max_size=30).map("".join)))
def test_nothing_is_cut(text: str):
    for answers in (False, True):
        pieces = fold(text, answers=answers)
        assert "".join(piece.text for piece in pieces) == text
        assert all(piece.text for piece in pieces)
        assert not text.strip() or any(piece.kind == "said" and piece.text.strip() for piece in pieces)
        # No two neighbours are of one kind, but for what lies beyond that anybody reads.
        assert all(one.kind != next_one.kind for one, next_one in itertools.pairwise(pieces))


PLAIN = st.lists(st.sampled_from(["It stops.\n", "\n", "- one\n", "Why?\n", "error 5\n"]), min_size=1).map("".join)


@hypothesis_settings(max_examples=200, deadline=None)
@given(PLAIN, st.sampled_from(["", "-- \nOlive\n", "Sent from my iPhone\n"]), st.booleans())
def test_folding_what_was_said_once_more_folds_nothing(own: str, signature: str, answers: bool):
    text = f"It stops.\n{own}\n{signature}\nOn Monday Tess wrote:\n> Does it?\n"
    said = fold(text, answers=answers)[0]
    assert said.kind == "said"
    assert said.text.strip() == f"It stops.\n{own}".strip()
    assert fold(said.text, answers=answers) == (said,)


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.one_of(st.text(), st.lists(LINES, max_size=30).map("".join)))
def test_no_marked_line_names_an_incident(text: str):
    assert not any(line.lstrip().startswith(">") for line in unquoted(text).splitlines())


def test_what_nobody_reads_is_folded_and_kept():
    text = "Hi 104 930\n" * 200_000
    assert "".join(piece.text for piece in fold(text)) == text
    assert [(piece.kind, len(piece.text)) for piece in fold(text)] == [("said", 10**6), ("quoted", len(text) - 10**6)]


@pytest.mark.parametrize(
    "unit",
    [
        *(
            "On ",
            "On \n",
            "On a\n",
            "On 1\n",
            "On Monday Tess\n",
            "> ",
            ">\n",
            "> On a\n",
            "--\n",
            "-- \n",
            "\n",
            " \n",
        ),
        *(
            "From: \n",
            "From: \nTo: \n",
            "From: a@b\nDate: c\n",
            "From: a\n\n",
            "_____\n",
            "_____\n\n",
            "a@b:\n",
            "1:\n",
        ),
        *("a@b <\n", "---a\n", "---- On 1\n", "Sent from my x\n", "Sent from my x\n\n", "This e-mail\n", "a\n\n"),
        *("This e-mail is confidential.\n\n", "Please answer above this line.\n", "> a\nb\n", "--\nOlive\n> a\n"),
        *(
            "On Monday Tess wrote:\n> a\nb\n",
            "On Monday Tess wrote:\n\n",
            "-----Original Message-----\n> a\n",
            "a: b\n",
        ),
    ],
)
def test_work_grows_with_the_length_of_a_text_not_with_its_square(unit: str):
    for work in (fold, unquoted):
        small, large = unit * 500, unit * 1000
        assert steps(lambda: work(large)) <= 2.2 * steps(lambda: work(small)) + 100  # noqa: B023

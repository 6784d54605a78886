"""The three people whom a visitor of the demo can be."""

from __future__ import annotations

from typing import Final

PASSWORD: Final = "demo-desk-2026"  # noqa: S105 invented, and shown to everybody who starts the demo

# Role, e-mail address, password
SIGN_INS: Final = (
    ("customer", "isla.renwick@harbour-heath.example", PASSWORD),
    ("technician", "maya.okafor@quillmark.example", PASSWORD),
    ("admin", "ada.lindqvist@quillmark.example", PASSWORD),
)

"""The cleaned HTML of a mail as a page of its own, for a frame that lets nothing run and nothing load (D31). Pure."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape, unescape

from supportdesk.mail.clean_html import ELSEWHERE, TAGS, nh3_clean, unquote_cid

# For the response that carries the page: it loads nothing, runs nothing, and its links open a window of their own.
FRAME_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; base-uri 'none'; "
    "frame-ancestors 'self'; sandbox allow-popups allow-popups-to-escape-sandbox"
)
# Of quotes that are folded.
_FOLDS = frozenset({"details", "summary"})
_EMPTY = f'<span class="{ELSEWHERE}">'
_PICTURE = re.compile(r'<img((?: [a-z-]+="[^"]*")*)>')
# Mails are written for white paper: in the dark, too. Outlook leaves its paragraphs' distance to its style sheet.
_STYLE = f"""
:root {{ color-scheme: light; }}
body {{ margin: 0; padding: 12px; background: #fff; color: #1b1b1b;
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word; }}
body > :first-child {{ margin-top: 0; }}
img {{ max-width: 100%; height: auto; }}
pre {{ white-space: pre-wrap; }}
blockquote {{ margin: 0 0 0 2px; padding: 0 0 0 10px; border-left: 2px solid #ccc; }}
.MsoNormal {{ margin: 0; }}
summary {{ color: #595959; cursor: pointer; }}
.{ELSEWHERE} {{ display: inline-block; padding: 0 6px; border: 1px dashed #999; color: #595959; font-size: 13px; }}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """What the page says itself, in the reader's language."""

    title: str
    elsewhere: str  # in place of a picture that would have to be loaded from elsewhere
    missing: str  # in place of one that is not among the mail's files, or too large to be shown so


def page_of(html: str, *, pictures: Mapping[str, str], words: Words, language: str) -> str:
    """The page. ``pictures`` are ``data:`` addresses by content id; cleaned once more, for it may have been folded."""

    def source(address: str) -> str | None:
        return pictures.get(unquote_cid(address.removeprefix("cid:")))

    def picture(match: re.Match[str]) -> str:
        if ' src="data:' in match[1]:
            return match[0]
        alt = re.search(r' alt="([^"]*)"', match[1])
        said = f"{words.missing} {unescape(alt[1]) if alt else ''}".strip()
        return f'<span class="{ELSEWHERE} desk-missing">{escape(said)}</span>'

    shown = _PICTURE.sub(picture, nh3_clean(html, tags=TAGS | _FOLDS, source=source))
    # Quotes and brackets in a text or an attribute are never written like that: this finds the element alone.
    shown = shown.replace(_EMPTY, f"{_EMPTY}{escape(words.elsewhere)} ")
    return (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="color-scheme" content="light">'
        f"<title>{escape(words.title)}</title><style>{_STYLE}</style></head><body>{shown}</body></html>"
    )


def data_address(kind: str, payload: bytes) -> str:
    """The picture as an address that loads from nowhere."""
    return f"data:image/{kind};base64,{base64.b64encode(payload).decode()}"

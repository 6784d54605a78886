"""The rules of ``mail.css`` written onto the elements of a mail, for programs that drop its style element. Pure.

Only what that file needs: elements, classes, and one ancestor with a class, which is a paragraph. The HTML is our own
templates' and nh3's, so every attribute stands in double quotes.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_RULE = re.compile(r"([^{}@]+)\{([^{}]*)\}")
_SELECTOR = re.compile(r"(?:\.(?P<within>[\w-]+) )?(?P<tag>\w+)?(?:\.(?P<class>[\w-]+))?")
_TAG = re.compile(r'<(/?)(\w+)((?:\s+[\w-]+(?:="[^"]*")?)*)\s*(/?)>')
_CLASS = re.compile(r'\sclass="([^"]*)"')


@dataclass(frozen=True, slots=True)
class _Rule:
    within: str
    tag: str
    name: str
    style: str

    def fits(self, tag: str, names: frozenset[str], around: frozenset[str]) -> bool:
        return (
            (not self.within or self.within in around)
            and (not self.tag or self.tag == tag)
            and (not self.name or self.name in names)
        )


@lru_cache(maxsize=4)
def _rules(css: str) -> tuple[_Rule, ...]:
    """The rules for every program, in the order of the file; those of its media queries stay in the style element."""
    plain = _COMMENT.sub("", css).partition("@media")[0]
    found = []
    for selectors, style in _RULE.findall(plain):
        for selector in selectors.split(","):
            match = _SELECTOR.fullmatch(" ".join(selector.split()))
            if match is None:
                raise ValueError(f"mail.css has a selector that no mail knows: {selector.strip()}")
            within, tag, name = (match[part] or "" for part in ("within", "tag", "class"))
            found.append(_Rule(within, tag, name, " ".join(style.split()).rstrip(";")))
    # As in CSS: what names a class beats what names an element alone.
    return tuple(sorted(found, key=lambda rule: (bool(rule.within) + bool(rule.name), bool(rule.tag))))


def inline(html: str, css: str) -> str:
    """The mail with each element's style on itself.

    >>> inline('<p class="lead"><b>1</b></p><p>2</p>', "p { margin: 0; } .lead b { color: red; }")
    '<p style="margin: 0" class="lead"><b style="color: red">1</b></p><p style="margin: 0">2</p>'
    """
    rules = _rules(css)
    around: frozenset[str] = frozenset()

    def styled(found: re.Match[str]) -> str:
        nonlocal around
        closing, tag, attributes, _void = found.groups()
        if closing:
            if tag == "p":
                around = frozenset()
            return found.group()
        names = frozenset(" ".join(_CLASS.findall(attributes)).split())
        style = "; ".join(rule.style for rule in rules if rule.fits(tag, names, around))
        if tag == "p":
            around = names
        return f'<{tag} style="{style}"{attributes}>' if style else found.group()

    head, body, rest = html.partition("<body")
    return head + _TAG.sub(styled, body + rest)

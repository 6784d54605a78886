"""Where an incoming mail belongs, and who may (D26, D28). Pure: one table of cases decides.

The edge collects the evidence from the parsed mail and the database; nothing here reads either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "automatic", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a mail shows. Incidents are ids; ``allowed`` are those that the sender may see.

    ``tokens``: by signed reply addresses.
    ``referenced``: by In-Reply-To and References. ``in_subject``, ``in_body``: by ticket numbers, the
    body without its quotes.
    """

    senders: int
    from_staff: bool = False
    contact_ids: frozenset[int] = frozenset()
    allowed: frozenset[int] = frozenset()
    tokens: frozenset[int] = frozenset()
    referenced: frozenset[int] = frozenset()
    in_subject: frozenset[int] = frozenset()
    in_body: frozenset[int] = frozenset()
    automatic: bool = False
    forged: bool = False
    readable: bool = True
    encrypted: bool = False
    has_content: bool = True
    too_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a mail. ``incident`` of a held one is only what it seems to mean."""

    action: Action
    incident: int | None = None
    reason: str = ""


def decide(evidence: Evidence) -> Decision:
    """Files a mail, or holds it with the first reason that speaks against it (D26).

    Precedence of what it names: signed reply address, references, subject, body. A number only in the
    body, or two different incidents at the deciding level, is never filed by itself.

    >>> decide(Evidence(senders=1, contact_ids=frozenset({7}), allowed=frozenset({1}), in_subject=frozenset({1})))
    Decision(action='add', incident=1, reason='')
    """
    named, ambiguous, only_body = _named(evidence)
    if not evidence.readable:
        return Decision(action="hold", reason="unreadable")
    if evidence.forged:
        return Decision(action="hold", incident=named, reason="dmarc")
    if evidence.automatic:
        return _automatic(evidence, named)
    if evidence.senders != 1:
        return Decision(action="hold", incident=named, reason="several_senders")
    if evidence.from_staff:
        return Decision(action="hold", incident=named, reason="staff")
    if not evidence.contact_ids:
        return Decision(action="hold", incident=named, reason="unknown_sender")
    if evidence.encrypted:
        return Decision(action="hold", incident=named, reason="encrypted")
    if ambiguous:
        return Decision(action="hold", reason="two_incidents")
    if named is None:
        return Decision(action="hold", reason="no_incident")
    if named not in evidence.allowed:
        return Decision(action="hold", incident=named, reason="not_theirs")
    if only_body:
        return Decision(action="hold", incident=named, reason="body_number")
    if not evidence.has_content:
        return Decision(action="hold", incident=named, reason="no_text")
    if evidence.too_long:
        return Decision(action="hold", incident=named, reason="too_long")
    return Decision(action="add", incident=named)


def _named(evidence: Evidence) -> tuple[int | None, bool, bool]:
    """The incident that the mail names, whether the deciding level names two, and whether only the body does."""
    for level in (evidence.tokens, evidence.referenced, evidence.in_subject, evidence.in_body):
        if len(level) > 1:
            return None, True, False
        if level:
            return next(iter(level)), False, level is evidence.in_body
    return None, False, False


def _automatic(evidence: Evidence, named: int | None) -> Decision:
    """Kept with the incident it belongs to where that is sure, otherwise held; never answered (D28)."""
    sure = bool(evidence.tokens or evidence.referenced)
    if named is not None and sure:
        return Decision(action="automatic", incident=named)
    return Decision(action="hold", incident=named, reason="automatic")

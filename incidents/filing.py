"""Where an incoming mail belongs, and who may (D26, D28). Pure: one table of cases decides.

The edge collects the evidence from the parsed mail and the database; nothing here reads either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Action = Literal["add", "append", "draft", "automatic", "hold"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What a mail shows. Incidents are ids; ``allowed`` are those that the sender may see.

    ``tokens``: by signed reply addresses, of whichever contact: one that was handed on is worth what its new sender
    may see. ``referenced``: by In-Reply-To and References. ``drafts`` are the sender's own, by the same headers, that
    can be added to. ``in_subject``, ``in_body``: by ticket numbers, the body without its quotes.
    ``has_content``: words of its own, or files; ``only_quoted``: words of somebody else's at least.
    """

    senders: int
    from_staff: bool = False
    blocked: bool = False
    contact_ids: frozenset[int] = frozenset()
    allowed: frozenset[int] = frozenset()
    tokens: frozenset[int] = frozenset()
    referenced: frozenset[int] = frozenset()
    drafts: frozenset[int] = frozenset()
    in_subject: frozenset[int] = frozenset()
    in_body: frozenset[int] = frozenset()
    automatic: bool = False
    forged: bool = False
    readable: bool = True
    too_big: bool = False
    encrypted: bool = False
    has_content: bool = True
    only_quoted: bool = False
    too_long: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What becomes of a mail. ``incident`` of a held one is only what it seems to mean.

    ``append`` adds to the draft ``draft``; ``draft`` makes a new one.
    """

    action: Action
    incident: int | None = None
    reason: str = ""
    draft: int | None = None


def decide(evidence: Evidence) -> Decision:
    """Files a mail, or holds it with the first reason that speaks against it (D26).

    Precedence of what it names: signed reply address, references, subject, body. A number only in the
    body, or two different incidents at the deciding level, is never filed by itself; of several by references those
    that the sender may see count. What names none becomes a draft
    of its sender, or adds to the draft that it answers (D27).

    >>> decide(Evidence(senders=1, contact_ids=frozenset({7}), allowed=frozenset({1}), in_subject=frozenset({1})))
    Decision(action='add', incident=1, reason='', draft=None)
    """
    named, ambiguous, only_body = _named(evidence)
    if evidence.blocked:
        return Decision(action="hold", incident=named, reason="blocked")
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
    if ambiguous:
        return Decision(action="hold", reason="two_incidents")
    if named is not None and named not in evidence.allowed:
        return Decision(action="hold", incident=named, reason="not_theirs")
    if only_body:
        return Decision(action="hold", incident=named, reason="body_number")
    bare = named is None and not evidence.drafts
    lacking = _lacking(evidence, bare=bare)
    if lacking:
        return Decision(action="hold", incident=named, reason=lacking)
    if named is not None:
        return Decision(action="add", incident=named)
    if evidence.drafts:
        return Decision(action="append", draft=max(evidence.drafts))
    return Decision(action="draft")


def _named(evidence: Evidence) -> tuple[int | None, bool, bool]:
    """The incident that the mail names, whether the deciding level names two, and whether only the body does."""
    if evidence.tokens:
        return _one(evidence.tokens)
    if evidence.referenced:
        # Anybody may copy another's Message-ID into a mail of theirs: what the sender may not see says nothing then.
        return _one(evidence.referenced if len(evidence.referenced) == 1 else evidence.referenced & evidence.allowed)
    if evidence.drafts:
        # It answers a draft: that is what it is about, as an answer to an incident's mail would be.
        return None, False, False
    for level in (evidence.in_subject, evidence.in_body):
        if level:
            named, ambiguous, _only = _one(level)
            return named, ambiguous, named is not None and level is evidence.in_body
    return None, False, False


def _one(level: frozenset[int]) -> tuple[int | None, bool, bool]:
    return (next(iter(level)), False, False) if len(level) == 1 else (None, True, False)


def _lacking(evidence: Evidence, *, bare: bool) -> str:
    """Why what a mail says cannot be taken as it is; empty where it can.

    An answer of a quote alone says nothing; a ``bare`` mail that only passes something on reports that.
    """
    reasons = {
        "too_big": evidence.too_big,
        "encrypted": evidence.encrypted,
        "no_text": not evidence.has_content and not (bare and evidence.only_quoted),
        "too_long": evidence.too_long,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _automatic(evidence: Evidence, named: int | None) -> Decision:
    """Kept with what it belongs to where that is sure, otherwise held; never answered (D28)."""
    if evidence.too_big:
        return Decision(action="hold", incident=named, reason="automatic")
    if named is not None and (evidence.tokens or evidence.referenced):
        return Decision(action="automatic", incident=named)
    if evidence.drafts and not (evidence.tokens or evidence.referenced):
        return Decision(action="automatic", draft=max(evidence.drafts))
    return Decision(action="hold", incident=named, reason="automatic")

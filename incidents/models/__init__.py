"""What the room keeps: incidents, what is said in them, drafts, proposals, credits, held mail and notices."""

from incidents.cases import CreditCase
from incidents.models.drafts import Draft, DraftMail, VisitorReport
from incidents.models.files import Attachment
from incidents.models.held import BlockedSender, HeldMail, HeldReason, Settled
from incidents.models.incident import (
    ACCEPTED_KINDS,
    DECLINED_KINDS,
    Channel,
    Disposition,
    Incident,
    IncidentCharge,
    IncidentClock,
    Kind,
    OriginKind,
    StatusChoice,
)
from incidents.models.messages import Direction, IncidentMail, Message, MessageKind, Via
from incidents.models.products import Product, Release
from incidents.models.proposals import Proposal, ProposalPart
from incidents.models.replies import Reply
from incidents.models.timeline import TimelineCode, TimelineEntry
from incidents.models.told import Follower, Notice, NoticeCode, NoticeSetting

__all__ = [
    "ACCEPTED_KINDS",
    "DECLINED_KINDS",
    "Attachment",
    "BlockedSender",
    "Channel",
    "CreditCase",
    "Direction",
    "Disposition",
    "Draft",
    "DraftMail",
    "Follower",
    "HeldMail",
    "HeldReason",
    "Incident",
    "IncidentCharge",
    "IncidentClock",
    "IncidentMail",
    "Kind",
    "Message",
    "MessageKind",
    "Notice",
    "NoticeCode",
    "NoticeSetting",
    "OriginKind",
    "Product",
    "Proposal",
    "ProposalPart",
    "Release",
    "Reply",
    "Settled",
    "StatusChoice",
    "TimelineCode",
    "TimelineEntry",
    "Via",
    "VisitorReport",
]

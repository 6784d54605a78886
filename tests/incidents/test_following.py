"""Followers: who becomes one, what they get, and what they may (D38)."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

import pytest

from incidents.access import (
    cases_for,
    drafts_for,
    followers_for,
    incidents_for,
    messages_for,
    pays_for,
    timeline_for,
)
from incidents.inbound import attach_held
from incidents.mails.sending import readers
from incidents.models import Follower, HeldMail, Incident, Message
from incidents.queries import closed_lately, standing, story, turns, unanswered
from incidents.services import conversation, crediting, following, merging, reopening
from incidents.services.common import KeyReused
from incidents.stories import say
from supportdesk.mail.models import OutgoingMail
from supportdesk.mail.tokens import read_reply_address, reply_address
from supportdesk.people.models import Contact
from supportdesk.people.scope import scope_of_contact
from supportdesk.policy import POLICY
from tests.cast import Cast
from tests.incidents.crediting import decide, marked
from tests.incidents.ending import declined, taken_back
from tests.incidents.splitting import divided, offspring
from tests.incidents.told import a_mate, follows, mailed_to
from tests.incidents_helpers import again, answered, at_once, key, mailed, opened, steps, why_held

pytestmark = pytest.mark.rule("D38")
HOUR = timedelta(hours=1)
OLIVE, MIA, RUFUS = "olive@acme.example", "mia@acme.example", "rufus@acme.example"


@pytest.fixture
def incident(cast: Cast, at: datetime) -> Incident:
    return opened(cast.owner, at=at)


@pytest.fixture
def mate(cast: Cast) -> Contact:
    return a_mate(cast.acme)


def _answer(incident: Incident, cast: Cast, *, at: datetime, **given: object) -> Message:
    values = {"text": "Try this.", "then": "waiting", "user": cast.technician, "key": key(), **given}
    return conversation.answer(incident_id=incident.pk, at=at, **values)  # type: ignore[arg-type]


def test_a_technician_or_a_colleague_adds_and_takes_off_and_the_timeline_says_so(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    before = follows(incident, mate, cast, at=at)
    assert follows(incident, mate, cast, at=at + HOUR) == before, "twice is once"
    assert (before.added_by, before.added_by_contact, before.added_at) == (cast.technician, None, at)
    end = partial(following.remove_follower, incident_id=incident.pk, contact_id=mate.pk, at=at + HOUR)
    assert end(by=cast.owner) is True
    assert end(by=cast.owner) is False
    following.add_follower(incident_id=incident.pk, contact_id=mate.pk, by=mate, at=at + HOUR)
    assert [code for code in steps(incident) if "follower" in code] == [
        "follower_added",
        "follower_removed",
        "follower_added",
    ]
    assert Follower.objects.count() == 2
    said = [step for step in timeline_for(scope_of_contact(cast.owner), incident) if step.code.startswith("follower")]
    assert all(set(step.data) == {"follower"} for step in said), "ids alone"
    told = story(scope_of_contact(cast.owner), incident, at=at)
    shown = [thing.step for thing in told.told if thing.step and thing.step.code.startswith("follower")]
    assert [say(step) for step in shown] == [
        "Tess Technician added Mia Mate: they follow it",
        "Olive Owner took Mia Mate off its followers",
        "Mia Mate follows it",
    ]


def test_who_is_added_is_told_once_a_day_and_not_of_their_own_act(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    for _time in range(3):
        follows(incident, mate, cast, at=at)
        following.remove_follower(incident_id=incident.pk, contact_id=mate.pk, user=cast.technician, at=at)
    assert mailed_to("follower_added") == [MIA]
    mail = OutgoingMail.objects.get(kind="incident_follower_added")
    assert "Tess Technician added you to this incident" in mail.text
    assert "You get it because you follow the incident." in mail.text
    assert f"/incidents/{incident.number}/" in mail.text
    following.add_follower(incident_id=incident.pk, contact_id=mate.pk, by=mate, at=at + timedelta(days=2))
    assert mailed_to("follower_added") == [MIA]


@pytest.mark.rule("D22")
def test_nobody_of_another_customer_and_nobody_who_left(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    add = partial(following.add_follower, incident_id=incident.pk, at=at)
    Contact.objects.filter(pk=mate.pk).update(removed_at=at)
    for contact_id in (cast.stranger.pk, mate.pk, 4_000_000, 0):
        with pytest.raises(following.NoColleague):
            add(contact_id=contact_id, user=cast.technician)
    for by in (cast.stranger, mate):
        with pytest.raises(following.NoColleague):
            add(contact_id=cast.owner.pk, by=by)
        with pytest.raises(following.NoColleague):
            following.remove_follower(incident_id=incident.pk, contact_id=cast.owner.pk, by=by, at=at)
    with pytest.raises(following.IsTheContact):
        add(contact_id=cast.owner.pk, user=cast.technician)
    assert (Follower.objects.count(), [code for code in steps(incident) if "follower" in code]) == (0, [])


@pytest.mark.rule("D21")
def test_a_restricted_contact_adds_nobody_and_takes_off_only_themselves(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    follows(incident, mate, cast, at=at)
    follows(incident, cast.restricted, cast, at=at)
    own = opened(cast.restricted, at=at)
    for found in (incident, own):
        with pytest.raises(following.MayNotAdd):
            following.add_follower(incident_id=found.pk, contact_id=mate.pk, by=cast.restricted, at=at)
    with pytest.raises(following.MayNotAdd):
        following.remove_follower(incident_id=incident.pk, contact_id=mate.pk, by=cast.restricted, at=at)
    assert following.remove_follower(incident_id=incident.pk, contact_id=cast.restricted.pk, by=cast.restricted, at=at)
    assert readers(again(incident)) == [cast.owner, mate]


def test_there_are_so_many_and_no_more(cast: Cast, incident: Incident, at: datetime):
    mates = [
        Contact.objects.create(customer=cast.acme, name=f"M{n}", email=f"m{n}@acme.example")
        for n in range(POLICY.followers_max + 1)
    ]
    for mate in mates[:-1]:
        follows(incident, mate, cast, at=at)
    with pytest.raises(following.TooManyFollowers):
        follows(incident, mates[-1], cast, at=at)
    following.remove_follower(incident_id=incident.pk, contact_id=mates[0].pk, user=cast.technician, at=at)
    follows(incident, mates[-1], cast, at=at)


def test_added_by_four_at_once_once(committed_cast: Cast, at: datetime):
    incident, mate = opened(committed_cast.owner, at=at), a_mate(committed_cast.acme)
    made = at_once(*[lambda: follows(incident, mate, committed_cast, at=at)] * 4)
    assert len({follower.pk for follower in made}) == 1
    assert [code for code in steps(incident) if "follower" in code] == ["follower_added"]
    ended = at_once(
        *[
            lambda: following.remove_follower(
                incident_id=incident.pk, contact_id=mate.pk, user=committed_cast.technician, at=at
            )
        ]
        * 4
    )
    assert sorted(ended) == [False, False, False, True]


def test_mails_go_to_the_contact_first_then_to_followers_each_with_their_own_reply_address(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    silent = a_mate(cast.acme, "Sal Silent", email="")
    for follower in (cast.restricted, silent, mate):
        follows(incident, follower, cast, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    conversation.customer_message(
        incident_id=incident.pk, contact=cast.owner, text="Back", via="portal", at=at + HOUR, key=key()
    )
    reopening.accept(incident_id=incident.pk, user=cast.technician, at=at + HOUR)
    answered(incident, cast.technician, at=at + HOUR, then="waiting")
    for kind in ("closed", "reopened", "answered"):
        assert mailed_to(kind) == [OLIVE, RUFUS, MIA], kind
    assert mailed_to("opened") == [OLIVE]
    mails = OutgoingMail.objects.filter(kind="incident_answered").order_by("id")
    tokens = [read_reply_address(mail.reply_to) for mail in mails]
    assert [token.contact_id for token in tokens if token] == [cast.owner.pk, cast.restricted.pk, mate.pk]
    assert ["because you follow" in mail.text for mail in mails] == [False, True, True]
    assert all("2 colleagues of yours got this mail, too." in part for mail in mails for part in (mail.text, mail.html))
    assert not any(name in mail.text for mail in mails for name in ("Rufus", "Mia", "Olive")), "no names of others"


def test_refused_re_openings_are_told_to_all_and_may_leave_one_out(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    follows(incident, mate, cast, at=at)
    answered(incident, cast.technician, at=at, then="closed")
    conversation.customer_message(
        incident_id=incident.pk, contact=mate, text="Back", via="portal", at=at + HOUR, key=key()
    )
    refuse = partial(
        reopening.refuse, incident_id=incident.pk, reason="Another", user=cast.technician, at=at + HOUR, key=key()
    )
    refuse(leave_out=[cast.owner.pk])
    assert mailed_to("reopening_refused") == [MIA]
    refuse(leave_out=[cast.owner.pk])
    with pytest.raises(KeyReused):
        refuse()
    assert mailed_to("reopening_refused") == [MIA]


def test_each_may_be_left_out_this_once(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    follows(incident, mate, cast, at=at)
    once = key()
    first = _answer(incident, cast, at=at, key=once, leave_out=[mate.pk])
    assert _answer(incident, cast, at=at, key=once, leave_out=(mate.pk,)) == first
    for other in ((), (cast.owner.pk,), (mate.pk, cast.owner.pk)):
        with pytest.raises(KeyReused):
            _answer(incident, cast, at=at, key=once, leave_out=other)
    assert mailed_to("answered") == [OLIVE]
    _answer(incident, cast, at=at, leave_out=[cast.owner.pk])
    assert mailed_to("answered") == [OLIVE, MIA]
    _answer(incident, cast, at=at, leave_out=[cast.owner.pk, mate.pk])
    assert mailed_to("answered") == [OLIVE, MIA], "nobody left: nothing is mailed, and it stands on the page"
    assert messages_for(scope_of_contact(mate), incident).filter(kind="answer").count() == 3
    _answer(incident, cast, at=at)
    assert mailed_to("answered")[2:] == [OLIVE, MIA], "this once only"
    conversation.close(incident_id=incident.pk, user=cast.technician, at=at, leave_out=[cast.owner.pk])
    assert mailed_to("closed") == [MIA]


def test_who_leaves_gets_no_further_mail(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    follows(incident, mate, cast, at=at)
    Contact.objects.filter(pk=mate.pk).update(removed_at=at)
    answered(incident, cast.technician, at=at)
    assert mailed_to("answered") == [OLIVE]
    assert list(followers_for(scope_of_contact(cast.owner), incident)) == []
    Contact.objects.filter(pk=cast.owner.pk).update(removed_at=at)
    answered(again(incident), cast.technician, at=at)
    assert mailed_to("answered") == [OLIVE]


@pytest.mark.rule("D26", "D21")
@pytest.mark.parametrize("way", ["reply address", "references", "subject"])
def test_a_restricted_follower_answers_by_mail_until_they_are_taken_off(
    cast: Cast, incident: Incident, at: datetime, way: str
):
    follows(incident, cast.restricted, cast, at=at)
    answered(incident, cast.technician, at=at)
    mail = {
        "reply address": {"to": reply_address(incident_id=incident.pk, contact_id=cast.restricted.pk)},
        "references": {"References": OutgoingMail.objects.filter(kind="incident_answered").last().message_id},  # type: ignore[union-attr]
        "subject": {"subject": f"Re: {incident.number}"},
    }[way]
    raw = mailed(sender=RUFUS, at=at + HOUR, **mail)
    assert (raw.outcome, why_held(raw)) == ("added", "")
    assert incident.messages.get(raw_mail=raw).contact == cast.restricted
    assert again(incident).status == "open"
    following.remove_follower(
        incident_id=incident.pk, contact_id=cast.restricted.pk, user=cast.technician, at=at + HOUR
    )
    count = incident.messages.count()
    late = mailed(sender=RUFUS, at=at + 2 * HOUR, text="Still here", **mail)
    assert (late.outcome, why_held(late)) == ("held", "not_theirs")
    assert incident.messages.count() == count
    # A technician may attach it all the same, as theirs.
    attach_held(
        held_id=HeldMail.objects.get(raw_mail=late).pk, incident_id=incident.pk, user=cast.technician, at=at + 2 * HOUR
    )
    assert incident.messages.get(raw_mail=late).contact == cast.restricted


@pytest.mark.rule("D26")
def test_an_unrestricted_colleague_answers_whether_they_follow_or_not(
    cast: Cast, incident: Incident, mate: Contact, at: datetime
):
    follows(incident, mate, cast, at=at)
    following.remove_follower(incident_id=incident.pk, contact_id=mate.pk, user=cast.technician, at=at)
    to = reply_address(incident_id=incident.pk, contact_id=mate.pk)
    assert mailed(sender=MIA, at=at + HOUR, to=to).outcome == "added"


@pytest.mark.rule("D26")
def test_addresses_in_a_cc_never_become_followers(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    for cc in (MIA, f"{MIA}, {RUFUS}, nobody@strange.example"):
        raw = mailed(sender=OLIVE, at=at + HOUR, subject=incident.number, Cc=cc, text=f"To {cc}")
        assert raw.outcome == "added"
    answered(incident, cast.technician, at=at + 2 * HOUR)
    assert Follower.objects.count() == 0
    assert mailed_to("answered") == [OLIVE]


@pytest.mark.rule("D21", "D22")
def test_a_restricted_follower_sees_that_incident_and_nothing_more(cast: Cast, incident: Incident, at: datetime):
    other = opened(cast.owner, at=at)
    case = marked(incident, cast, at=at)
    decide(case, cast, at=at)
    scope = scope_of_contact(cast.restricted)
    assert not incidents_for(scope).exists()
    follows(incident, cast.restricted, cast, at=at)
    assert list(incidents_for(scope)) == [incident]
    assert [line.incident for line in standing(scope, at=at)] == [incident]
    assert turns(scope) == (0, 1)
    assert not drafts_for(scope, at=at).exists()
    assert not cases_for(scope).exists()
    assert not unanswered(scope).exists()
    assert not pays_for(scope, incident)
    assert pays_for(scope_of_contact(cast.owner), incident)
    codes = set(timeline_for(scope, incident).values_list("code", flat=True))
    assert not any(code.startswith(("bug_cred", "bug_ask", "refund")) for code in codes)
    assert "follower_added" in codes
    assert "bug_credited" in set(timeline_for(scope_of_contact(cast.owner), incident).values_list("code", flat=True))
    following.remove_follower(incident_id=incident.pk, contact_id=cast.restricted.pk, by=cast.restricted, at=at)
    assert not incidents_for(scope).exists()
    assert turns(scope) == (0, 0)
    assert not closed_lately(scope).exists()
    assert other.customer == incident.customer


@pytest.mark.rule("D22")
def test_a_row_that_ties_a_stranger_to_an_incident_opens_nothing(cast: Cast, incident: Incident, at: datetime):
    """Should one ever be written past the service."""
    Contact.objects.filter(pk=cast.stranger.pk).update(restricted=True)
    stranger = Contact.objects.get(pk=cast.stranger.pk)
    Follower.objects.create(incident=incident, contact=stranger, added_at=at)
    assert not incidents_for(scope_of_contact(stranger)).exists()
    assert readers(incident) == [cast.owner]
    assert why_held(mailed(sender="otto@other.example", at=at, subject=incident.number)) == "not_theirs"
    answered(incident, cast.technician, at=at)
    assert mailed_to("answered") == [OLIVE]


@pytest.mark.rule("D17")
def test_what_comes_back_is_mailed_to_the_contact_alone(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    follows(incident, mate, cast, at=at)
    case = marked(incident, cast, at=at)
    crediting.determine(case_id=case.pk, outcome="refused", reason="No", user=cast.admin, at=at, key=key())
    assert (mailed_to("bug_marked"), mailed_to("bug_determined")) == ([OLIVE], [OLIVE])


@pytest.mark.rule("D15", "D21", "D35", "D36")
def test_a_restricted_follower_is_mailed_nothing_of_points(cast: Cast, incident: Incident, mate: Contact, at: datetime):
    other = opened(cast.owner, at=at)
    for contact in (cast.restricted, mate):
        follows(incident, contact, cast, at=at)
    declined(incident, cast.technician, at=at + HOUR)
    taken_back(incident, cast.technician, at=at + HOUR)
    merging.merge(incident_id=incident.pk, into_id=other.pk, user=cast.technician, at=at + 2 * HOUR)
    merging.unmerge(incident_id=incident.pk, user=cast.technician, at=at + 3 * HOUR, key=key())
    for kind in ("declined", "taken_back", "merged", "parted"):
        assert mailed_to(kind) == [OLIVE, RUFUS, MIA], kind
        mails = OutgoingMail.objects.filter(kind=f"incident_{kind}").order_by("id")
        for part in ("text", "html"):
            assert ["10 points" in getattr(mail, part) for mail in mails] == [True, False, True], (kind, part)


@pytest.mark.rule("D8", "D21", "D35")
def test_what_a_parting_would_cost_is_mailed_to_the_contact_alone(cast: Cast, incident: Incident, at: datetime):
    follows(incident, cast.restricted, cast, at=at)
    other = opened(cast.owner, at=at)
    merging.merge(incident_id=incident.pk, into_id=other.pk, user=cast.technician, at=at + HOUR)
    opened(cast.owner, at=at + HOUR, points=0)
    merging.unmerge(incident_id=incident.pk, user=cast.technician, at=at + 2 * HOUR, key=key())
    assert mailed_to("part_proposed") == [OLIVE]
    codes = {step.code for step in timeline_for(scope_of_contact(cast.restricted), again(incident))}
    assert "merged" in codes
    assert "split_proposed" not in codes


def test_followers_get_an_answer_where_the_contact_has_no_address(cast: Cast, mate: Contact, at: datetime):
    caller = a_mate(cast.acme, "Cal Caller", email="")
    incident = opened(caller, at=at)
    follows(incident, mate, cast, at=at)
    answered(incident, cast.technician, at=at)
    assert mailed_to("answered") == [MIA]
    assert "colleague" not in OutgoingMail.objects.get(kind="incident_answered").text


def test_who_reads_is_asked_in_one_query(cast: Cast, incident: Incident, at: datetime, django_assert_num_queries):
    for n in range(10):
        mate = Contact.objects.create(customer=cast.acme, name=f"M{n}", email=f"m{n}@acme.example")
        follows(incident, mate, cast, at=at)
    found = again(incident)
    with django_assert_num_queries(1):
        assert len(readers(found)) == 11


@pytest.mark.rule("D14", "D21", "D38")
def test_who_only_follows_it_and_is_restricted_hears_of_no_part_but_how_many(cast: Cast, at: datetime):
    incident = opened(cast.owner, at=at, points=30)
    follows(incident, cast.restricted, cast, at=at)
    divided(incident, cast.technician, at=at)
    mails = {mail.to_address: mail for mail in OutgoingMail.objects.filter(kind="incident_split")}
    theirs = mails[cast.restricted.email]
    page = story(scope_of_contact(cast.restricted), again(incident), at=at)
    (step,) = [say(told.step) for told in page.told if told.step and told.step.code == "split"]
    assert step == "Tess Technician split it: 2 problems are incidents of their own"
    for text in (theirs.text, theirs.html, step):
        assert "2 problems are incidents of their own" in text
        for part in offspring(incident):
            assert part.shown_number not in text
            assert part.number not in text
            assert part.subject not in text
    assert all(part.shown_number in mails[cast.owner.email].text for part in offspring(incident))

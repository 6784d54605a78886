"""The customer's verbs, and what is decided on them (D10, D12, D16, D38)."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import rule

from incidents.models import Follower, Incident, Message
from incidents.services import conversation, ending, following, reopening
from tests.incidents.machine.playing import Played, Why, agains, people, places, staff, words
from tests.incidents_helpers import key


class CustomerVerbs(Played):
    """Write, close, ask to re-open, follow."""

    @rule(place=places, who=people, text=words, again=agains)
    def writes(self, place: int, who: str, text: str, again: str) -> None:
        life = self.life(place, "customer_message")
        form_key, there = key(), self.model.lead(life)

        def send(text: str = text) -> conversation.Added:
            return conversation.customer_message(
                incident_id=life.pk, contact=self.contact(who), text=text, via="portal", at=self.at, key=form_key
            )

        made = self.plays(self.texts(text), send)
        if made is not None:
            assert made.message.incident_id == there.pk, "D35"
            self.model.hears(there, made.message.pk, self.contact(who).pk, self.at)
            self.sends_again(again, send, made)

    @rule(place=places, who=people, text=words, again=agains)
    def needs_no_more_help(self, place: int, who: str, text: str, again: str) -> None:
        life, form_key, contact = self.life(place, "customer_close"), key(), self.contact(who)

        def send(text: str = text) -> Incident:
            return ending.customer_close(incident_id=life.pk, contact=contact, text=text, at=self.at, key=form_key)

        if self.plays(self.may(life, "customer_close"), send) is not None:
            said = Message.objects.filter(key=form_key).values_list("pk", flat=True).first()
            assert (said is not None) == bool(text.strip())
            self.model.is_closed_by_its_customer(life, said, contact.pk, self.at)
            self.sends_again(again, send, Incident(pk=life.pk))

    # Re-opening

    @rule(place=places, by=staff, same=st.booleans(), text=words, again=agains)
    def decides_on_a_reopening(self, place: int, by: str, same: bool, text: str, again: str) -> None:
        asked = [life for life in self.model.lives.values() if life.asked]
        life = asked[place % len(asked)] if asked else self.life(place)
        form_key, user = key(), self.user(by)
        why: Why = set() if life.asked else {reopening.NothingToDecide}

        def accept() -> Incident:
            return reopening.accept(incident_id=life.pk, user=user, at=self.at)

        def refuse(text: str = text) -> Incident:
            return reopening.refuse(incident_id=life.pk, reason=text, user=user, at=self.at, key=form_key)

        if same:
            if self.plays(why, accept) is not None:
                self.model.reopens(life, self.at)
                self.plays({reopening.NothingToDecide}, accept)
        elif self.plays(why | self.texts(text), refuse) is not None:
            self.model.refuses(life, Message.objects.get(key=form_key).pk)
            self.sends_again(again, refuse, Incident(pk=life.pk))

    # Followers

    @rule(
        place=places,
        whom=st.sampled_from(["owner", "restricted", "stranger"]),
        by=st.sampled_from(["technician", "owner", "restricted", "stranger"]),
    )
    def adds_a_follower(self, place: int, whom: str, by: str) -> None:
        life, contact = self.life(place, "follow"), self.contact(whom)
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"by": self.contact(by)}
        why: Why = {following.MayNotAdd} if by == "restricted" else set()
        why |= {following.NoColleague} if "stranger" in (whom, by) else set()
        why |= {following.IsTheContact} if contact.pk == life.contact else set()
        why |= self.may(life, "follow")

        def send() -> Follower:
            return following.add_follower(incident_id=life.pk, contact_id=contact.pk, at=self.at, **who)

        if self.plays(why, send) is not None:
            if contact.pk not in life.followers:
                life.followers.add(contact.pk)
                life.steps.append("follower_added")
                if by != whom:
                    self.model.once_a_day(life, "follower_added", contact.pk, self.at)
            self.repeats(send)

    @rule(place=places, whom=people, by=st.sampled_from(["technician", "owner", "restricted"]))
    def takes_off_a_follower(self, place: int, whom: str, by: str) -> None:
        life, contact = self.life(place), self.contact(whom)
        who: dict[str, Any] = {"user": self.user(by)} if by == "technician" else {"by": self.contact(by)}

        def send() -> bool:
            return following.remove_follower(incident_id=life.pk, contact_id=contact.pk, at=self.at, **who)

        done = self.plays({following.MayNotAdd} if (by, whom) == ("restricted", "owner") else set(), send)
        if done is not None:
            assert done == (contact.pk in life.followers)
            life.followers.discard(contact.pk)
            life.brought.discard(contact.pk)
            life.steps += ["follower_removed"] if done else []
            self.repeats(send)

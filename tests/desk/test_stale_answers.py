"""An answer to what is not the latest word stops, with its text kept; closing by the composer (D10, D11)."""

from __future__ import annotations

from datetime import datetime

import pytest

from tests.cast import Cast
from tests.incidents_helpers import again, answered, key, opened, signed_in


def sent(seen: int, text: str, then: str = "waiting") -> dict[str, str]:
    return {"answer-key": key(), "answer-seen": str(seen), "answer-text": text, "answer-then": then}


@pytest.mark.rule("D11")
def test_an_answer_that_another_has_overtaken_stops_and_is_kept(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    seen = incident.messages.get().pk
    newer = answered(incident, cast.colleague, at=clock_at)
    page = signed_in(cast.technician).post(f"/desk/incidents/{incident.number}/answer/", sent(seen, "Mine"))
    said = page.content.decode()
    assert page.status_code == 422
    assert "Carl Colleague answered meanwhile" in said
    assert ">\nMine</textarea>" in said
    assert incident.messages.filter(kind="answer").count() == 1
    signed_in(cast.technician).post(f"/desk/incidents/{incident.number}/answer/", sent(newer.pk, "Mine"))
    assert incident.messages.filter(kind="answer").count() == 2


@pytest.mark.rule("D11")
def test_ones_own_answer_of_another_tab_stops_it_too_but_not_itself_sent_twice(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    seen = incident.messages.get().pk
    client, there = signed_in(cast.technician), f"/desk/incidents/{incident.number}/answer/"
    first = sent(seen, "First tab")
    for _twice in range(2):
        assert client.post(there, first).status_code == 302
    page = client.post(there, sent(seen, "Second tab"))
    said = page.content.decode()
    assert page.status_code == 422
    assert "You answered meanwhile, in another tab" in said
    assert ">\nSecond tab</textarea>" in said
    assert incident.messages.filter(kind="answer").count() == 1
    shown = int(said.split('name="answer-seen" value="')[1].split('"')[0])
    assert client.post(there, sent(shown, "Second tab")).status_code == 302
    assert incident.messages.filter(kind="answer").count() == 2


@pytest.mark.rule("D10")
def test_closing_without_a_word_only_where_nobody_waits_for_one(cast: Cast, clock_at: datetime):
    incident = opened(cast.owner, at=clock_at)
    client = signed_in(cast.technician)
    first = client.post(f"/desk/incidents/{incident.number}/answer/", sent(0, "", "closed"))
    assert (first.status_code, again(incident).status) == (422, "new")
    answer = answered(incident, cast.technician, at=clock_at)
    client.post(f"/desk/incidents/{incident.number}/answer/", sent(answer.pk, "", "closed"))
    assert again(incident).status == "closed"

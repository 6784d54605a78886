"""Walks the whole way of an e-mail incident through a running desk, over HTTP and SMTP, and says what it saw.

``python -m supportdesk.demo.check BASE_URL MAILBOX GATEWAY_HOST GATEWAY_PORT``, which is what
``./desk demo --check`` runs against a demo of its own. Exit status 0 only if all of it held.
"""

from __future__ import annotations

import re
import smtplib
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from email.utils import make_msgid
from pathlib import Path
from typing import Final
from uuid import uuid4

from incidents.numbers import typed
from sla.deadline import plan
from sla.holidays import public_calendar_for
from supportdesk.demo import mailbox, writing
from supportdesk.demo.client import File, Page, Unexpected, Visitor
from supportdesk.demo.people import PASSWORD, SIGN_INS
from supportdesk.places import Place
from supportdesk.policy import POLICY

PLACE: Final = Place(country="DE", subdivision="BE", zone="Europe/Berlin")
WAIT_SECONDS: Final = 60
DESK: Final = "support@support.quillmark.example"
HOW: Final = File("how-to.txt", b"quill log --since monday\n")
EMAIL: Final = {role: email for role, email, _password in SIGN_INS}


class Walk:
    """The three people, the mailbox and the gateway, and one step after the other."""

    def __init__(self, base_url: str, mailbox_dir: Path, gateway: tuple[str, int]) -> None:
        self.base_url = base_url
        self.mailbox_dir = mailbox_dir
        self.gateway = gateway
        self.mark = uuid4().hex[:8]
        self.address = f"ines.{self.mark}@check.example"
        self.subject = f"Backups stop at midnight {self.mark}"
        self.steps = 0

    def run(self) -> None:
        """All steps, in order. Raises Unexpected at the first that does not hold."""
        admin, customer, technician = (Visitor(self.base_url) for _ in range(3))
        self._points_are_granted(admin)
        self._sign_in_by_code(customer)
        number = self._report(customer)
        opened = self._mail(lambda mail: number in typed(mail.subject), "with the ticket number")
        self._say("Ticket number mailed", f"{opened.message_id} to {opened.recipients[0]}")
        self._work(technician, number)
        self._write_back(customer, technician, number)
        self._strangers(technician, number)
        self._close(customer, technician, number)
        self._bare_mail(customer)
        self._draft(customer)
        self._tips()

    # Steps

    def _points_are_granted(self, admin: Visitor) -> None:
        self._sign_in(admin, EMAIL["admin"])
        made = admin.send(
            admin.get("/admin/people/customer/add/"),
            "",
            name=f"Check {self.mark}",
            edition="community",
            country=PLACE.country,
            subdivision=PLACE.subdivision,
            zone=PLACE.zone,
            **{"contacts-0-name": "Ines Probst", "contacts-0-email": self.address},
        )
        self._must("was added" in made.text, made, "the customer was not made")
        page = admin.get("/admin/points/purchase/add/")
        customers = admin.get(f"/admin/people/customer/?q={self.mark}")
        pk = re.findall(r"/customer/(\d+)/change", str(customers.first("//tbody//th//a/@href")))[0]
        granted = admin.send(page, "", customer=pk, kind="grant", points=str(2 * POLICY.email_points), reason="Check")
        self._must("was added" in granted.text, granted, "the lot was not granted")
        self._say("Customer made, lot granted", f"{2 * POLICY.email_points} points, in Django admin")

    def _sign_in_by_code(self, customer: Visitor) -> None:
        sent = customer.send(customer.get("/accounts/sign-in/code/"), "/code/", email=self.address)
        mail = self._mail(lambda mail: bool(_code(mail.text)), "with the sign-in code")
        home = customer.send(sent, "/confirm/", code=_code(mail.text))
        self._must("Ines Probst" in home.text, home, "signing in by code did not work")
        self._say("Customer signed in by mailed code", mail.message_id)

    def _report(self, customer: Visitor) -> str:
        before = customer.get("/points/").first("//*[@class='figure']").text.strip()
        page = customer.get("/report/")
        promised = str(page.first("//*[@class='due']/time/@datetime"))
        cost = page.first("//aside//*[@class='figure']").text.strip()
        self._say("Quote before sending", f"{cost} of {before} points, an answer by {promised}")
        release = str(page.first("//select[@name='release']//option[normalize-space(@value)]/@value"))
        bad = customer.send(page, "/report/", release=release, kind="operation", subject="", text="")
        self._must(bad.status == 422 and len(bad.errors()) >= 2, bad, "an empty report was not refused at its fields")
        filled = {"release": release, "kind": "operation", "subject": self.subject, "text": "Since Monday."}
        sent = customer.send(page, "/report/", **filled)
        number = typed(str(sent.url).rsplit("/", 2)[1])
        again = customer.send(page, "/report/", **filled)
        self._must(again.url == sent.url, again, "the same form sent twice made two incidents")
        after = customer.get("/points/").first("//*[@class='figure']").text.strip()
        self._must(int(before) - int(after) == POLICY.email_points, sent, f"{before} points before, {after} after")
        opened = datetime.fromisoformat(str(sent.first("//article[1]//time/@datetime")))
        due = datetime.fromisoformat(str(sent.first("//*[@class='due']/time/@datetime")))
        right = plan(logged_at=opened, calendar=public_calendar_for(PLACE)).due_at
        self._must(abs(right - due) <= timedelta(minutes=1), sent, f"due {due}, should be {right}")
        self._say(
            "Incident opened", f"{number}, lots {before} → {after} points, due {due.isoformat()}; sent twice, one made"
        )
        return number

    def _work(self, technician: Visitor, number: str) -> None:
        self._sign_in(technician, EMAIL["technician"])
        queue = technician.get("/desk/")
        row = queue.first(f"//tr[@data-number='{number}']")
        left = str(row.xpath(".//*[@class='clock']//b")[0].text)
        self._say("In the queue", f"{left} business hours left")
        technician.send(technician.get(f"/desk/incidents/{number}/"), "/take/")
        noted = technician.send(
            technician.get(f"/desk/incidents/{number}/"), "/note/", **{"note-text": f"canary {self.mark}"}
        )
        said: dict[str, str | File] = {
            "answer-text": "Please **send the log**, as in the file.",
            "answer-then": "waiting",
            "answer-files": HOW,
        }
        answered = technician.send(noted, "/answer/", **said)
        responded = str(answered.first("//*[contains(@class, 'message ours')]//time/@datetime"))
        self._must("in time" in answered.text, answered, "the response clock was not met")
        self._say("Taken, noted, answered", f"responded {responded}, in time")

    def _write_back(self, customer: Visitor, technician: Visitor, number: str) -> None:
        mail = self._mail(lambda mail: "as in the file" in mail.text, "with the answer")
        came = [(file.name, file.body) for file in mail.files]
        self._must(came == [(HOW.name, HOW.body)], None, f"the answer's file did not come with it, but {came}")
        self._must("<strong" in mail.html, None, "the answer's mail is not shown as it was meant")
        self._must(self.mark in mail.subject and "canary" not in mail.source, None, "the answer's mail is not right")
        text = f"Here it is {self.mark}."
        log = writing.Attached(name="quill.log", content_type="text/plain", body=b"disk full\n")
        reply = writing.answer(mail, sender=self.address, text=text, at=datetime.now(UTC), program="gmail", files=[log])
        self._post(reply)
        self._post(reply)
        self._until(lambda: text in customer.get(f"/incidents/{number}/").text, "the customer's answer to be filed")
        page = technician.get(f"/desk/incidents/{number}/")
        self._must(page.text.count(text) == 1, page, "an answer that came twice counts twice")
        self._must("canary" not in customer.get(f"/incidents/{number}/").text, page, "a note left the house")
        self._say("Answered by mail", f"{reply['Message-ID']}, delivered twice, filed once, quote folded")
        frame = technician.get(str(page.first("//*[contains(@class, 'as-written')]//iframe/@src")))
        shown = " ".join(str(frame.tree.text_content()).split())
        self._must(text in shown and bool(frame.tree.xpath("//details")), frame, "its HTML is not shown")
        self._must("quill.log" in page.text, page, "the file of the answer is not there")
        self._say("As it was written", f"its HTML in a frame, quote folded; {log.name} beside it")

    def _strangers(self, technician: Visitor, number: str) -> None:
        stranger = EmailMessage()
        stranger["From"], stranger["To"] = f"nobody.{self.mark}@elsewhere.example", DESK
        stranger["Subject"], stranger["Message-ID"] = (
            f"Re: [{number}] let me in {self.mark}",
            make_msgid(domain="elsewhere.example"),
        )
        stranger.set_content("I know the number.")
        self._post(stranger)
        self._until(
            lambda: f"let me in {self.mark}" in technician.get("/desk/held/").text, "a stranger's mail to be held"
        )
        page = technician.get(f"/desk/incidents/{number}/")
        self._must("I know the number" not in page.text, page, "a stranger wrote into the incident")
        self._say("A stranger who knows the number", "held, the incident unchanged")

    def _close(self, customer: Visitor, technician: Visitor, number: str) -> None:
        resolution = {"answer-text": f"Solved {self.mark}.", "answer-then": "closed"}
        closed = technician.send(technician.get(f"/desk/incidents/{number}/"), "/answer/", **resolution)
        self._must("Maya Okafor closed it" in closed.text, closed, "the incident was not closed")
        mail = self._mail(
            lambda mail: "This incident is closed" in mail.text and self.mark in mail.subject, "of the closure"
        )
        page = customer.get(f"/incidents/{number}/")
        self._must("This incident is closed" in page.text, page, "the portal does not say that it is closed")
        self._say("Closed", mail.message_id)

    def _bare_mail(self, customer: Visitor) -> None:
        bare = writing.write(
            sender=self.address,
            to=DESK,
            subject=f"By mail alone {self.mark}",
            text="No number here.",
            at=datetime.now(UTC),
        )
        self._post(bare)
        mail = self._mail(lambda mail: "/drafts/" in mail.text, "with the link to the draft")
        self._must("No number here" not in mail.text, None, "the answer to a bare mail repeats it")
        page = customer.get(_address(mail.text, "drafts"))
        release = str(page.first("//select[@name='release']//option[normalize-space(@value)]/@value"))
        priced = customer.send(page, "/finish/", release=release, kind="operation")
        opened = customer.send(priced, "/open/")
        self._must("/incidents/" in opened.url, opened, "the draft of a mail was not opened")
        self._say("A mail without a number", f"a draft, its link mailed, opened as {opened.url.rsplit('/', 2)[1]}")

    def _tips(self) -> None:
        reader = Visitor(self.base_url)
        asked = reader.send(reader.get("/tips/"), "", email=self.address)
        mail = self._mail(lambda mail: "/tips/confirm/" in mail.text, "that confirms the tips")
        page = reader.get(_address(mail.text, "tips/confirm"))
        done = reader.send(page, "")
        self._must("subscribed" in done.text, done, "the link did not subscribe")
        self._say("Tips", f"asked ({asked.status}), link mailed, confirmed by one button")

    def _draft(self, customer: Visitor) -> None:
        page = customer.get("/report/")
        release = str(page.first("//select[@name='release']//option[normalize-space(@value)]/@value"))
        draft = customer.send(page, "/report/", release=release, kind="operation", subject="Another", text="Kept.")
        needs = f"Needs {POLICY.email_points} points, 0 on hand"
        self._must("/drafts/" in draft.url and needs in draft.text, draft, "a report without points was not kept")
        self._say("Without points", f"“{needs}”, kept as a draft")

    # Tools

    def _sign_in(self, visitor: Visitor, email: str) -> None:
        page = visitor.send(visitor.get("/accounts/sign-in/"), "/sign-in/", login=email, password=PASSWORD)
        self._must("/sign-in/" not in page.url, page, f"{email} could not sign in")

    def _post(self, mail: EmailMessage) -> None:
        with smtplib.SMTP(*self.gateway, timeout=WAIT_SECONDS) as server:
            server.send_message(mail)

    def _mail(self, wanted: Callable[[mailbox.Mail], bool], which: str) -> mailbox.Mail:
        found: list[mailbox.Mail] = []

        def arrived() -> bool:
            mails = mailbox.newest(self.mailbox_dir, at_most=200)
            found[:] = [mail for mail in mails if self.address in mail.recipients and wanted(mail)]
            return bool(found)

        self._until(arrived, f"the mail {which}")
        return found[0]

    def _until(self, true: Callable[[], bool], what: str) -> None:
        end = time.monotonic() + WAIT_SECONDS
        while not true():
            if time.monotonic() > end:
                raise Unexpected(f"waited {WAIT_SECONDS} s for {what}")
            time.sleep(0.2)

    def _must(self, held: bool, page: Page | None, otherwise: str) -> None:
        if not held:
            seen = "" if page is None else f"\n  {page.status} {page.url}\n  {page.errors()}\n  {page.text[:1200]}"
            raise Unexpected(otherwise + seen)

    def _say(self, step: str, figures: str) -> None:
        self.steps += 1
        print(f"  {self.steps:2d}  {step:34s} {figures}", flush=True)


def _address(text: str, where: str) -> str:
    """The address of a page of the desk in a mail."""
    found = re.search(rf"https?://\S+/{where}/\S*", text)
    if found is None:
        raise Unexpected(f"no address of {where} in: {text[:600]}")
    return found[0]


def _code(text: str) -> str:
    """The sign-in code of a mail: a line of its own."""
    lines = [line.strip() for line in text.splitlines()]
    return next((line for line in lines if re.fullmatch(r"[A-Z0-9]{3,4}-?[A-Z0-9]{3,4}", line)), "")


def run(base_url: str, mailbox_dir: Path, gateway: tuple[str, int]) -> int:
    """Gives 0 if the whole way held; prints what did not, and gives 1."""
    walk = Walk(base_url, mailbox_dir, gateway)
    try:
        walk.run()
    except Unexpected as seen:
        print(f"\nDid not hold: {seen}", flush=True)
        return 1
    print(f"All {walk.steps} steps held.", flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(run(sys.argv[1], Path(sys.argv[2]), (sys.argv[3], int(sys.argv[4]))))

"""The mails of the demo: what came, and what was answered. Data only.

In subjects and texts ``{colours}``, ``{migrate}`` and ``{late}`` are the ticket numbers of three incidents.
"""

from __future__ import annotations

from typing import Final

ISLA: Final = "isla.renwick@harbour-heath.example"
COLOURS, MIGRATE, LATE = (
    "Shared calendar lost its colours",
    "Two of 340 mailboxes refuse to migrate",
    "Invitations arrive one hour late after 12.3",
)

# The conversation of one incident: a mail with a table, a picture and a file, and the answer in Markdown
PICTURE_ID: Final = "grey-calendar@harbour-heath.example"
ISLA_TEXT: Final = """\
Hello Maya,

it is not the same on every device. This is what we see here:

Device | Release of Sync | Colours
iPhone 15 | 4.1 | all grey
Pixel 8 | 4.1 | all grey
iPad, not updated yet | 4.0 | as before

The week of the harbour team looks like this since Wednesday. The log of one phone is attached.

Isla
--
Isla Renwick
Harbour & Heath, Edinburgh
"""
ISLA_HTML: Final = """\
<div dir="ltr"><div>Hello Maya,</div><div><br></div><div>it is <b>not</b> the same on every device. This is what we \
see here:</div><div><br></div>
<table border="1" cellpadding="6" style="border-collapse:collapse"><tr style="background:#e8eef5"><th>Device</th>\
<th>Release of Sync</th><th>Colours</th></tr><tr><td>iPhone 15</td><td>4.1</td><td>all grey</td></tr>\
<tr><td>Pixel 8</td><td>4.1</td><td>all grey</td></tr>\
<tr><td>iPad, not updated yet</td><td>4.0</td><td>as before</td></tr></table>
<div><br></div><div>The week of the harbour team looks like this since Wednesday. The log of one phone is \
attached.</div><div><br></div><div><img src="cid:grey-calendar@harbour-heath.example" alt="The harbour team’s week, \
all grey" width="520"></div><div><br></div><div>Isla</div>
<div class="gmail_signature" data-smartmail="gmail_signature">-- <br>Isla Renwick<br>Harbour &amp; Heath, \
Edinburgh</div></div>"""
LOG: Final = """\
09:02:11 sync 4.1 start, calendar harbour-team, full
09:02:12 categories: source=device (default of 4.1)
09:02:12 category "Quay" not on device, shown without colour
09:02:12 category "Office" not on device, shown without colour
09:02:14 sync 4.1 done, 211 entries, 0 errors
"""
MAYA_ANSWER: Final = """\
Hello Isla,

your log has it: since **4.1** Sync takes the colours from the *device*, and phones that never had a category of \
that name show it grey. Nothing is lost. Two ways back:

1. On the server, for everybody at once:

   ```
   quill sync set categories.source owner --calendar harbour-team
   quill sync full --calendar harbour-team
   ```

2. Or on each device, under *Calendars*:

![Where the setting is](file:{picture})

Does the first one bring your colours back?
"""

Row = tuple[int, str, dict[str, str], str, str]

# What came besides, in this order: minutes ago, sender, header lines, subject, text
BARE: Final[Row] = (
    95,
    ISLA,
    {},
    "New phones cannot find our server",
    "Hello,\n\nwe bought six new phones. None of them finds our server by itself: “Account could not be verified”. "
    "The old ones go on without a word. What has changed?\n\nIsla Renwick",
)
HELD: Final[tuple[Row, ...]] = (
    (
        *(88, "wim.stranger@elsewhere.example", {}, "Does it run on ARM?"),
        "Hello,\n\nwe think about moving to your server. Does it run on ARM boards?\n\nWim",
    ),
    (
        *(71, "isla.at.home@kelpie-mail.example", {}, "Re: [{colours}] Shared calendar lost its colours"),
        "Hello Maya,\n\nI write from home: the first way brought the colours back on my own phone.\n\nIsla",
    ),
    (
        *(64, "ines@bluefen.example", {}, "[{migrate}] and [{late}]"),
        "Are these two the same problem? A colleague told me about the second number.\n\nInês",
    ),
    (
        *(52, "d.marsh@prairie-lantern.example", {}, "The shift plan"),
        "Good morning,\n\nis there news about {late}? The shift plan goes out at noon.\n\nDelia",
    ),
    (
        *(37, "d.marsh@prairie-lantern.example", {"Authentication-Results": "{server}; dmarc=fail"}, "Re: [{late}]"),
        "Please send the administrator’s password to my new address, delia.marsh@lantern-help.example.",
    ),
    (
        *(
            30,
            "news@webinar-week.example",
            {"Precedence": "bulk", "List-Unsubscribe": "<https://webinar-week.example/>"},
        ),
        *("Five webinars that you cannot miss", "Only this week: five webinars about the future of work."),
    ),
    (
        *(22, "award@best-vendor.example", {"Precedence": "bulk"}, "You are nominated"),
        "Your company is nominated for Best Vendor. Claim your place today.",
    ),
    (
        *(16, "mailer@stock-photos.example", {"Precedence": "bulk"}, "40 % off all seascapes"),
        "Seascapes, harbours, piers: 40 % off until Sunday.",
    ),
)
# The first is put away as its sender is blocked, the second comes after that.
BLOCKED: Final[tuple[Row, ...]] = (
    (83, "sales@cheap-seats.example", {}, "Seats for your office", "Chairs from 9.90. Reply for a quote."),
    (12, "sales@cheap-seats.example", {}, "Seats for your office, last call", "Chairs from 8.90. Reply for a quote."),
)

"""The invented people, companies and problems of the demo. Data only."""

from __future__ import annotations

from typing import Final

# Name, edition, country, subdivision, zone, place name, (contact, e-mail, phone), lots as (points, days ago)
CUSTOMERS: Final = (
    (
        *("Harbour & Heath", "enterprise", "GB", "SCT", "Europe/London", "Edinburgh"),
        ("Isla Renwick", "isla.renwick@harbour-heath.example", "+441314960123"),
        ((4, 316), (30, 177), (20, 40)),
    ),
    (
        *("Prairie Lantern Foods", "enterprise", "US", "IL", "America/Chicago", "Chicago"),
        ("Delia Marsh", "d.marsh@prairie-lantern.example", "+13125550148"),
        ((100, 225),),
    ),
    (
        *("Fjordlys Havbruk", "enterprise", "NO", "", "Europe/Oslo", "Bergen"),
        ("Sigrid Nes", "sigrid@fjordlys.example", "+4755201234"),
        ((60, 100),),
    ),
    (
        *("Casa Almendro", "community", "BR", "SP", "America/Sao_Paulo", "São Paulo"),
        ("Davi Prado", "davi@casa-almendro.example", ""),
        ((30, 200),),
    ),
    (
        *("Bluefen Analytics", "enterprise", "PT", "", "Europe/Lisbon", "Lisbon"),
        ("Inês Duarte", "ines@bluefen.example", ""),
        ((100, 60),),
    ),
    (
        *("Nordwind Logistik", "enterprise", "DE", "HH", "Europe/Berlin", "Hamburg"),
        ("Jule Harms", "jule.harms@nordwind.example", "+494055501234"),
        ((30, 330), (10, 20)),
    ),
    (
        *("Juniper Ridge Clinics", "enterprise", "US", "CA", "America/Los_Angeles", "Sacramento"),
        ("Tom Okabe", "okabe@juniper-ridge.example", "+19165550171"),
        ((100, 15),),
    ),
    (
        *("Kilima Solar", "community", "KE", "", "Africa/Nairobi", "Nairobi"),
        ("Wanjiru Maina", "wanjiru@kilima.example", ""),
        ((100, 90),),
    ),
    (
        *("Maple & Mortar", "community", "CA", "QC", "America/Toronto", "Québec"),
        ("Lou Tremblay", "lou@maple-mortar.example", ""),
        ((30, 300),),
    ),
    (
        *("Meridian Tea", "enterprise", "NZ", "AUK", "Pacific/Auckland", "Auckland"),
        ("Aroha Reid", "aroha@meridian-tea.example", ""),
        ((30, 10),),
    ),
)
# Customer, name, e-mail, restricted, what they follow
COLLEAGUES: Final = (
    ("Harbour & Heath", "Callum Reid", "callum.reid@harbour-heath.example", True, "Shared calendar lost its colours"),
    ("Harbour & Heath", "Morag Tait", "morag.tait@harbour-heath.example", False, ""),
)
# Name, e-mail, zone, place name, technician, admin
STAFF: Final = (
    ("Maya Okafor", "maya.okafor@quillmark.example", "America/Toronto", "Montréal", True, False),
    ("Jonas Feld", "jonas.feld@quillmark.example", "Europe/Berlin", "Berlin", True, False),
    ("Samira Aziz", "samira.aziz@quillmark.example", "Asia/Kolkata", "Kolkata", True, False),
    ("Ada Lindqvist", "ada.lindqvist@quillmark.example", "Europe/Stockholm", "Stockholm", True, True),
)
# Product, ((release, days since it came out, days until its support ends or None), …)
PRODUCTS: Final = (
    ("Quillmark Server", (("12.3", 30, None), ("12.2", 250, 200), ("11.9", 900, -40))),
    ("Quillmark Sync", (("4.1", 120, None),)),
    ("Quillmark Web", (("7.0", 400, 90), ("7.1", 60, None))),
)
# Customer, release, kind, subject, text, business minutes ago, what became of it, by whom
# What became of it: "" nobody has answered, "taken", "waiting", "wrote", "work", "closed", "asked", "bug"
INCIDENTS: Final = (
    (
        *("Fjordlys Havbruk", "12.3", "operation", "Message store will not start after disk was full"),
        *("The disk filled up last night. We freed 40 GB, but the store stops with “index page 0 torn”.", 263),
        *("taken", "Jonas Feld"),
    ),
    (
        *("Casa Almendro", "12.2", "configuration", "Outlook asks for the password every hour"),
        *("Since the certificate was renewed, all Outlook users are asked for their password every hour.", 244),
        *("", ""),
    ),
    (
        *("Bluefen Analytics", "12.3", "operation", "Restore of one mailbox stops at 3 %"),
        *("We try to restore one mailbox of 18 GB from Tuesday’s backup. It stops at 3 % without a word.", 228),
        *("", ""),
    ),
    (
        *("Harbour & Heath", "12.3", "operation", "Search index rebuild stops at 71 %"),
        *("The rebuild has stopped twice at 71 %, at the same folder. The log shows nothing after “batch 8812”.", 200),
        *("taken", "Samira Aziz"),
    ),
    (
        *("Prairie Lantern Foods", "12.3", "operation", "Invitations arrive one hour late after 12.3"),
        "Since we went from 12.2 to 12.3 on Monday night, every invitation that leaves our server shows up one "
        "hour later in the guests’ calendars. The organiser sees the right time.\n\nWe checked the clock and the "
        "zone of both servers. Around 200 people are affected, and the shift plan goes out tomorrow.",
        *(165, "taken", "Maya Okafor"),
    ),
    (
        *("Maple & Mortar", "12.2", "installation", "Upgrade 12.2 to 12.3: order of the two servers?"),
        *("We run two servers in a pair. Which of them goes first, and may mail flow meanwhile?", 50, "", ""),
    ),
    (
        *("Juniper Ridge Clinics", "7.1", "operation", "Web client logs out behind our proxy"),
        *("Behind the proxy of our clinics the web client logs everybody out after a minute.", 0, "", ""),
    ),
    (
        *("Nordwind Logistik", "12.3", "feature", "Want a read receipt for shared mailboxes"),
        *("Our dispatchers share one mailbox. We would like to see who has read an order.", 24, "", ""),
    ),
    (
        *("Bluefen Analytics", "12.3", "installation", "Two of 340 mailboxes refuse to migrate"),
        *("Two mailboxes refuse with “unknown folder class 7”. The other 338 went well.", 900, "wrote", "Jonas Feld"),
    ),
    (
        *("Harbour & Heath", "4.1", "operation", "Shared calendar lost its colours"),
        *("Since Wednesday all entries of the shared calendar are grey.", 700, "waiting", "Maya Okafor"),
    ),
    (
        *("Kilima Solar", "4.1", "operation", "Sync 4.1 drains batteries since Tuesday"),
        *("All phones with Sync 4.1 lose their battery by noon.", 1_400, "bug", "Maya Okafor"),
    ),
    (
        *("Harbour & Heath", "12.2", "configuration", "Certificate chain refused by old phones"),
        *("Phones from before 2019 refuse the new certificate.", 3_000, "closed", "Samira Aziz"),
    ),
    (
        *("Meridian Tea", "12.2", "operation", "Calendar colours are lost again"),
        *("After the restart all categories are gone from the calendar.", 2_400, "asked", "Maya Okafor"),
    ),
)
FIRST_ANSWER: Final = (
    "Hello,\n\nthank you, that narrows it down. Please send us the log of the last hour, and do not restart the "
    "service until we have seen it."
)
CUSTOMER_AGAIN: Final = "Here it is. The same line shows up each time before it stops."
RESOLUTION: Final = (
    "Hello,\n\nthe setting is now right on both servers, and we have seen it work. I close this for now."
)
BUG: Final = "QS-1187"
BACK_AGAIN: Final = "I am afraid it is back: exactly the same as before, since this morning."

# Packs and what they cost, in the smallest unit of each currency (D32).
PRICES = (
    (10, {"EUR": 9000, "GBP": 7800, "JPY": 15000, "USD": 9800}),
    (30, {"EUR": 24900, "GBP": 21600, "JPY": 40500, "USD": 27000}),
    (100, {"EUR": 79000, "GBP": 68500, "JPY": 130000, "USD": 86000}),
    (300, {"EUR": 219000, "GBP": 189000, "USD": 237000}),
)

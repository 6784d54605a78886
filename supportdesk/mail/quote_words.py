"""Words by which mail programs of many languages mark quotes and signatures (D31). Pure data."""

from __future__ import annotations

# Classes, ids and names in HTML, in lower case.
HTML_BLOCKQUOTES = frozenset(["gmail_quote", "protonmail_quote", "iosymail", "qt", "cite"])  # of a blockquote
HTML_QUOTES = frozenset(
    [
        *("gmail_attr", "moz-cite-prefix", "moz-email-headers-table", "yahoo_quoted", "ydpyahoo_quoted", "reply-intro"),
        *("tutanota_quote", "zmail_extra", "messagereplysection", "ms-outlook-mobile-reference-message"),
        "mail-editor-reference-message-container",
    ]
)
HTML_QUOTES_BELOW = frozenset(["divrplyfwdmsg", "outlookmessageheader", "olk_src_body_section"])
HTML_BORDERS = ("solid #e1e1e1", "solid #b5c4df")  # of the line that Outlook draws above what it quotes
HTML_SIGNATURES = frozenset(
    [
        *("gmail_signature", "gmail_signature_prefix", "moz-signature", "protonmail_signature_block", "signature"),
        *("applemailsignature", "ms-outlook-mobile-signature", "messagesignaturesection", "composer_signature"),
    ]
)

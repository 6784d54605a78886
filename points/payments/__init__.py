"""Where the ledger meets the payment provider (D5, D32).

An event is a hint: what counts is the provider's object, fetched when it is looked at (``syncing``). What goes out is
a row first, and is looked for before it is tried again (``sending``). Only ``provider`` knows the provider's library.
"""

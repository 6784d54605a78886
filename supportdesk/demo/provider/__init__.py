"""The payment provider of the demo and the tests: localstripe, and a stand-in of ours before it.

The desk's code is the same as in production: the ``stripe`` library, a script, frames, signed events. Only the
addresses differ. All of it was written from Stripe's public documentation; nothing here was tried against Stripe.

From localstripe, which runs as a process of its own behind the stand-in, come the payment intents with their client
secrets, payment methods, charges of payments that succeed, refunds and balance transactions: their ids, instants and
its own checks. The stand-in keeps what it was given and answers from that, completed by what localstripe lacks or has
otherwise: descriptions, the details of the card, failed tries, 3-D Secure, refunds that are pending or fail, limits
of amounts, disputes, idempotency keys, errors in Stripe's shape, lists in pages, events, and the script for the card.

``cards`` ``money`` ``params``   pure: what a card does, what an amount may be, what a request says
``state`` ``inner`` ``core``     what is kept, localstripe, and both together
``payments`` ``refunds`` ``disputes`` ``events``   the objects and their verbs
``api`` ``idempotency`` ``control`` ``pages``      the edges: /v1/, its keys, /_desk/, /v3/
``client``                       the other side of /_desk/, for the demo's page and the tests
``behind``                       starts localstripe; nothing else imports it

Not as at Stripe: a key's answers never expire; a payment method is used once; confirming by the secret key, capturing
later, customers and other ways of paying are not there, and say so.
"""

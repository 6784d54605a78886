"""Starts the provider. ``python -m supportdesk.demo.provider --port 8420 --folder FOLDER [--webhook-url URL]``.

The keys come from the environment, under the names that the desk reads: ``STRIPE_SECRET_KEY``,
``STRIPE_PUBLISHABLE_KEY`` and the first of ``STRIPE_WEBHOOK_SECRETS``. It listens on this machine alone.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from aiohttp import web

from supportdesk.demo.provider import pages, refunds
from supportdesk.demo.provider.api import Api, errors
from supportdesk.demo.provider.control import Control, only_ours
from supportdesk.demo.provider.core import Provider, Setting
from supportdesk.demo.provider.inner import LOCAL

STOP_SECONDS: Final = 1


async def serve(setting: Setting) -> int:
    """Answers until it is told to end, or localstripe ends. Gives the exit code."""
    over = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, over.set)
    provider = Provider(setting)
    await provider.inner.start()
    assert provider.inner.process is not None
    gone = asyncio.create_task(provider.inner.process.wait())
    gone.add_done_callback(lambda _: over.set())
    app = web.Application(middlewares=[errors, only_ours])
    app.add_routes([*Api(provider).routes(), *Control(provider).routes(), *pages.routes()])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
    await runner.setup()
    provider.events.start()
    for name in provider.state.plans:
        refunds.settle_later(provider, name)
    await web.TCPSite(runner, LOCAL, setting.port).start()
    print(f"The provider listens on http://{LOCAL}:{runner.addresses[0][1]}", flush=True)
    await over.wait()
    has_died = gone.done()
    await runner.cleanup()
    await provider.events.stop()
    await provider.inner.stop()
    return 1 if has_died else 0


def setting(arguments: Sequence[str], environment: dict[str, str]) -> Setting:
    """What the command line and the environment say. Ends the process with a word if something is missing."""
    parser = argparse.ArgumentParser(prog="python -m supportdesk.demo.provider")
    parser.add_argument("--port", type=int, required=True, help="0 for any; it is said")
    parser.add_argument("--folder", type=Path, required=True, help="where it keeps what it knows")
    parser.add_argument("--webhook-url", default="", help="where events go; without one they wait")
    parser.add_argument("--settle-seconds", type=float, help="until a refund meets its end by itself")
    parser.add_argument("--retry-seconds", type=float, default=1.0, help="before an event's second try; doubles")
    options = parser.parse_args(arguments)
    names = ("STRIPE_SECRET_KEY", "STRIPE_PUBLISHABLE_KEY", "STRIPE_WEBHOOK_SECRETS")
    missing = [name for name in names if not environment.get(name)]
    if missing:
        parser.error(f"not set in the environment: {', '.join(missing)}")
    secret, publishable, webhook = (environment[name] for name in names)
    return Setting(
        port=options.port,
        folder=options.folder,
        secret_key=secret,
        publishable_key=publishable,
        webhook_secret=webhook.split(",")[0],
        webhook_url=options.webhook_url,
        settle_seconds=options.settle_seconds,
        retry_seconds=options.retry_seconds,
    )


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(asyncio.run(serve(setting(sys.argv[1:], dict(os.environ)))))

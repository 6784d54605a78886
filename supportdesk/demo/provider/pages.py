"""/v3/: the script that the desk's page loads, and the frames that it opens from here."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from aiohttp import web

FOLDER: Final = Path(__file__).resolve().parent / "elements"
KINDS: Final = {".js": "text/javascript", ".css": "text/css", ".html": "text/html"}
# A frame loads its own things only. Which page may hold it is left open, as at Stripe.
POLICY: Final = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'"


def routes() -> list[web.RouteDef]:
    return [web.get("/v3/", _script), web.get("/v3/{name}", _file)]


async def _script(request: web.Request) -> web.Response:
    return _answer("stripe.js")


async def _file(request: web.Request) -> web.Response:
    name = request.match_info["name"]
    if name not in {path.name for path in FOLDER.iterdir()}:
        raise web.HTTPNotFound
    return _answer(name)


def _answer(name: str) -> web.Response:
    path = FOLDER / name
    return web.Response(
        body=path.read_bytes(),
        content_type=KINDS[path.suffix],
        charset="utf-8",
        headers={"Content-Security-Policy": POLICY, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"},
    )

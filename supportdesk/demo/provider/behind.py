"""Starts localstripe: on a listening socket that was handed over, with its store in a file of ours.

``python behind.py SOCKET_NUMBER FILE``. By itself it would listen on every address of the machine, and share one file
in /tmp with every other run. A process of its own that talks HTTP, and nothing of it is in ours: it is GPL.
"""

from __future__ import annotations

import os
import pickle
import socket
import sys
from pathlib import Path

from aiohttp import web
from localstripe.server import app, store


def main(listening: socket.socket, file: Path) -> None:
    """Reads the store if there is one, and answers until the process ends."""

    def keep() -> None:
        beside = file.with_suffix(".new")
        beside.write_bytes(pickle.dumps(dict(store)))
        beside.replace(file)

    # Its own file name is written into its methods; on the class, for a dict's subclass is pickled with its attributes.
    type(store).dump_to_disk = lambda _store: keep()
    if file.exists():
        # Our own file, in a folder of ours.
        dict.update(store, pickle.loads(file.read_bytes()))  # noqa: S301
    web.run_app(app, sock=listening, print=None, access_log=None, handle_signals=True, shutdown_timeout=1)


if __name__ == "__main__":
    os.umask(0o077)
    main(socket.socket(fileno=int(sys.argv[1])), Path(sys.argv[2]))

"""Several processes that serve one port, for more requests than one core can answer.

Knows: how they share the port, live and end together, and where each leaves its numbers.
Must not know: what a server does.
Linux spreads new connections over the sockets that listen on a port; elsewhere one process may get most of them.
Nothing is shared but the port: each process asks the store itself, and a live stream lives in the one that took it.
If one process ends, all end, and whoever keeps the API running starts it again; if this one is killed, they notice.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from functools import partial
from types import FrameType
from typing import Final

import structlog

from api.metrics import SHARED_IN
from api.serve import GRACE, server
from profiles.errors import MienError
from profiles.kernels.__main__ import warm
from profiles.logs import to_stderr
from profiles.settings import Settings, as_environ, load

LOOK_SECONDS: Final = 0.1
PATIENCE: Final = GRACE + 8  #: seconds until a process that was asked to end is killed
log = structlog.get_logger("mien")


class Taken(MienError):
    """Somebody else listens on the port."""


def serve_together(settings: Settings) -> int:
    """Serve with ``settings.api_workers`` processes until SIGINT or SIGTERM; 0, or the code of the one that ended.

    Raises:
        Taken: the port is.
        OSError: the address is none of this machine, or no process can be made.
    """
    asked = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, partial(_ask, asked))
    with ExitStack() as held:
        numbers = held.enter_context(tempfile.TemporaryDirectory(prefix="mien-api-"))
        leash, mine = os.pipe()
        held.callback(os.close, mine)
        sockets = share(settings.api_host, settings.api_port, settings.api_workers)
        env = {**os.environ, **as_environ(settings), SHARED_IN: numbers}
        crew = [_start(each.fileno(), leash, env) for each in sockets]
        held.callback(_end, crew)
        os.close(leash)
        for each in sockets:
            each.close()  # it is theirs now: were it open here too, connections would wait in it for nobody
        while not asked.is_set():
            ended = [one.returncode for one in crew if one.poll() is not None]
            if ended:
                return max(map(abs, ended)) or 1
            time.sleep(LOOK_SECONDS)
    return 0


def share(host: str, port: int, many: int) -> list[socket.socket]:
    """So many sockets on one port; with port 0 on a free one.

    Raises:
        Taken: somebody listens there.
        OSError: the address is none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as alone:  # that several share a port must not hide that it is another's
        alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            alone.bind((host, port))
        except OSError as error:
            raise Taken(f"cannot listen on {host} port {port}: {error.strerror}; set MIEN_API_PORT") from None
        port = alone.getsockname()[1]
    sockets = []
    for _ in range(many):
        one = socket.socket(family)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind((host, port))
        sockets.append(one)
    return sockets


def _ask(asked: threading.Event, _number: int, _frame: FrameType | None) -> None:
    asked.set()


def _start(listening: int, leash: int, env: dict[str, str]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "api.crew", str(listening), str(leash)],
        env=env,
        pass_fds=(listening, leash),
        start_new_session=True,  # Ctrl-C in the terminal is for the parent alone
    )


def _end(crew: Sequence[subprocess.Popen[bytes]]) -> None:
    for one in crew:
        one.send_signal(signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    for one in crew:
        try:
            one.wait(max(deadline - time.monotonic(), 0.0))
        except subprocess.TimeoutExpired:
            one.kill()
            one.wait()


def _until_alone(leash: int) -> None:
    """Nothing is ever written there: what is read is that the parent is gone."""
    os.read(leash, 1)
    os.kill(os.getpid(), signal.SIGINT)


def _serving(url: str) -> None:
    log.info("serving", url=url, process=os.getpid())


def main(listening: int, leash: int) -> None:
    """Serve as one of several.  It listens once it can answer, so nobody is sent to one that still gets ready."""
    settings = load()
    to_stderr(settings)
    threading.Thread(target=_until_alone, args=[leash], daemon=True).start()
    try:
        with suppress(Exception):  # the house tries again, and tells
            warm()
        server(settings, started=_serving).run([socket.socket(fileno=listening)])
    except KeyboardInterrupt:
        return


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))

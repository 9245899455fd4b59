"""How the application is served: uvicorn's settings, in one place.

Knows: uvicorn.  Must not know: routes.
An open live stream would keep a server waiting for ever, so streams are ended before it waits for answers.
"""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable
from typing import Any, Final

import uvicorn

from api.app import create_app
from api.house import House
from profiles.clock import Clock, system_clock
from profiles.settings import Settings

GRACE: Final = 2  #: seconds that unfinished answers are given when the server stops
KEEP_ALIVE: Final = 65  #: seconds an idle connection is kept; longer than the minute of most proxies

Started = Callable[[str], None]


def _nobody(url: str) -> None:
    """Tell nobody."""


class Server(uvicorn.Server):
    """A server that ends live streams first, and says where it listens."""

    def __init__(self, config: uvicorn.Config, house: House, started: Started) -> None:
        super().__init__(config)
        self._house = house
        self._tell = started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._tell(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop listening, finish what was begun."""
        self._house.end_streams()
        await super().shutdown(sockets)

    @property
    def url(self) -> str:
        """Where it listens; the port is known once it does."""
        name: Any = self.servers[0].sockets[0].getsockname()
        return f"http://[{name[0]}]:{name[1]}" if ":" in name[0] else f"http://{name[0]}:{name[1]}"


def server(settings: Settings, clock: Clock = system_clock, started: Started = _nobody) -> Server:
    """A server that is ready to run."""
    app = create_app(settings, clock)
    config = uvicorn.Config(
        app,
        host=settings.api_host,
        port=settings.api_port,
        lifespan="on",
        ws="none",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=GRACE,
        timeout_keep_alive=KEEP_ALIVE,
    )
    return Server(config, app.state.house, started)


def serve(settings: Settings, *, clock: Clock = system_clock, started: Started = _nobody) -> None:
    """Serve until SIGINT or SIGTERM.  ``started`` is called once with the address, when requests are taken.

    Raises:
        UnknownScope: MIEN_API_KEYS has an entry that cannot be understood.
        SystemExit: the port is taken.
    """
    with contextlib.suppress(KeyboardInterrupt):
        server(settings, clock, started).run()

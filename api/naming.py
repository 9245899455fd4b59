"""The sources that the collector knows names by follow the file of MIEN_SOURCES.

Knows: when it is looked, whom a fault is told to.  Must not know: what is done with names, how the file is read.
"""

from __future__ import annotations

import asyncio
from typing import Final

import structlog

from api.metrics import SOURCES_BROKEN
from profiles.identity.claims import Blind
from profiles.landing import Landing
from profiles.mapping.live import names_of
from profiles.mapping.watched import Watched
from profiles.settings import Settings

EVERY: Final = 1.0  #: seconds between two looks
log = structlog.get_logger("mien")


class Naming:
    """The names in force in one process.

    Raises:
        MienError: the file cannot be used and never could.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._watched = Watched(settings)
        self._landings: list[Landing] = []
        self._take()

    @property
    def fault(self) -> str:
        """Why what the file says now is not in force; empty if it is."""
        return self._watched.fault

    def landing(self, blind: Blind) -> Landing:
        """How topics are read, always by the sources in force."""
        found = Landing.of(self._settings, blind=blind, sources=self._watched.sources)
        self._landings.append(found)
        return found

    async def run(self) -> None:
        """Follow the file for as long as the process lives."""
        while self._settings.sources is not None:
            await asyncio.sleep(EVERY)
            if await asyncio.to_thread(self._watched.look):
                self._take()

    def _take(self) -> None:
        self.names = names_of(self._watched.sources)
        for landing in self._landings:
            landing.follow(self._watched.sources, self._settings)
        SOURCES_BROKEN.set(bool(self.fault))
        if self.fault:
            log.error("sources cannot be used", file=str(self._settings.sources), fault=self.fault)

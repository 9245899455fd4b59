"""The sources that a worker reads by follow the file of MIEN_SOURCES; one that cannot be used is told of, again and again.

Knows: whom a fault is told to.  Must not know: what a source is, how its file is read.
"""

from __future__ import annotations

import asyncio

import structlog

from profiles.clock import SECOND
from profiles.landing import Landing
from profiles.mapping.watched import Watched
from profiles.settings import Settings
from profiles.store.alarms import SOURCES
from streams import metrics
from streams.bell import Bell

SHOWN = 15 * SECOND  #: how long a fault is shown that is told with every look
log = structlog.get_logger("mien")


class Mapping:
    """The sources of one worker."""

    def __init__(self, settings: Settings, watched: Watched, landing: Landing, bell: Bell) -> None:
        self._settings = settings
        self._watched = watched
        self._landing = landing
        self._bell = bell
        self._say()

    async def follow(self) -> None:
        """Look whether the file has changed, and read by what it says from the next stretch of records on."""
        if await asyncio.to_thread(self._watched.look):
            self._landing.follow(self._watched.sources, self._settings)
            self._say()
        if self._watched.fault:
            await self._bell.ring(SOURCES, self._watched.fault, SHOWN)

    def _say(self) -> None:
        metrics.SOURCES_BROKEN.set(bool(self._watched.fault))
        if self._watched.fault:
            log.error("sources cannot be used", file=str(self._settings.sources), fault=self._watched.fault)
        elif self._settings.sources is not None:
            names = [each.name for each in self._watched.sources]
            log.info("sources in force", file=str(self._settings.sources), names=names)

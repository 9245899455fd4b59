"""Telling people that something needs them, as far as that is possible now.

Knows: alarms, and that Redis may be what is wrong.  Must not know: what may be wrong besides.
"""

from __future__ import annotations

import structlog

from profiles.clock import DAY, Clock, Millis
from profiles.store.alarms import Alarms
from profiles.store.reach import away

log = structlog.get_logger("mien")


class Bell:
    """Rings an alarm; that it cannot must not stop anybody."""

    def __init__(self, alarms: Alarms, clock: Clock) -> None:
        self._alarms = alarms
        self._clock = clock

    async def ring(self, name: str, text: str, lasts: Millis = DAY) -> None:
        """Show an alarm for so long; without Redis it stays with the log."""
        try:
            await self._alarms.ring(name, text, self._clock(), lasts)
        except Exception as error:
            if not away(error):
                raise
            log.warning("an alarm could not be shown", name=name, text=text, error=str(error)[:200])

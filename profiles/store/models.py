"""The churn model as it is published: one version after another, and the one that serves.

Knows: where versions are kept, that a version which does not fit this code is not used.
Must not know: how a model is learned, what is scored with it.
"""

from __future__ import annotations

from typing import Final

import msgspec
import structlog

from profiles.clock import SECOND, Clock
from profiles.errors import ModelMismatch
from profiles.models import params as churn
from profiles.models.params import Params
from profiles.store import keys
from profiles.store.registry import Registry

CHURN: Final = "churn"
KEPT_MS: Final = 10 * SECOND  #: a reader asks no more often whether there is a newer version

log = structlog.get_logger("mien")


class Models:
    """Publishes versions, and reads the live one."""

    def __init__(self, registry: Registry, clock: Clock) -> None:
        self._registry = registry
        self._clock = clock
        self._asked = -KEPT_MS
        self._live = 0
        self._serving: Params | None = None

    async def publish(self, params: Params) -> int:
        """Make params the next version, live unless an older one is held; returns its number.  Only the learner calls this, and there is one."""
        version = await self._registry.last(keys.params(CHURN)) + 1
        document = churn.encode(msgspec.structs.replace(params, version=version)).decode()
        return await self._registry.publish(keys.params(CHURN), document)

    async def version(self, number: int) -> Params:
        """A published version.

        Raises:
            MienError: it was never published here.
            ModelMismatch: it does not fit this code.
        """
        return churn.decode(await self._registry.document(keys.params(CHURN), number))

    async def serving(self) -> Params | None:
        """The live version, or the last that fitted this code; None while nothing was learned.

        At most ``KEPT_MS`` old.  Params of another list of inputs are refused, with a warning, once each.
        """
        now = self._clock()
        if now - self._asked >= KEPT_MS:
            live = await self._registry.live(keys.params(CHURN))
            if live != self._live:
                await self._learn_of(live)
            self._asked = now
        return self._serving

    async def _learn_of(self, live: int) -> None:
        try:
            self._serving = churn.decode(await self._registry.document(keys.params(CHURN), live)) if live else None
        except ModelMismatch as mismatch:
            kept = self._serving.version if self._serving else 0
            log.warning("a model was refused", version=live, why=str(mismatch), serving=kept)
        self._live = live

"""Models as they are published: one version after another, and the one that serves.

Knows: which sorts there are, where versions are kept, that a version which does not fit this code is not used.
Must not know: how a model is learned, what is done with it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import msgspec
import structlog

from profiles.clock import SECOND, Clock
from profiles.errors import ModelMismatch
from profiles.models import basket_params as baskets
from profiles.models import params as churn
from profiles.models import segment_params as segments
from profiles.models import voice_params as voices
from profiles.store import keys
from profiles.store.registry import Registry

P = TypeVar("P", churn.Params, segments.Params, voices.Params, baskets.Params)

KEPT_MS: Final = 10 * SECOND  #: a reader asks no more often whether there is a newer version

log = structlog.get_logger("mien")


@dataclass(frozen=True)
class Sort(Generic[P]):
    """A sort of model: what it is called in the store, and how its versions are written there."""

    name: str
    encode: Callable[[P], bytes]
    decode: Callable[[bytes | str], P]  #: raises ModelMismatch for what does not fit this code


CHURN: Final[Sort[churn.Params]] = Sort("churn", churn.encode, churn.decode)
SEGMENTS: Final[Sort[segments.Params]] = Sort("segments", segments.encode, segments.decode)
VOICE: Final[Sort[voices.Params]] = Sort("voice", voices.encode, voices.decode)
BASKETS: Final[Sort[baskets.Params]] = Sort("baskets", baskets.encode, baskets.decode)


class Models(Generic[P]):
    """Publishes versions of one sort, and reads the live one; ``name`` is where they are in the registry."""

    def __init__(self, registry: Registry, clock: Clock, sort: Sort[P]) -> None:
        self._registry = registry
        self._clock = clock
        self._sort: Sort[P] = sort
        self.name = keys.params(sort.name)
        self._asked = -KEPT_MS
        self._live = 0
        self._serving: P | None = None

    async def publish(self, params: P) -> int:
        """Make params the next version, live unless an older one is held; returns its number.  There is one learner."""
        version = await self._registry.last(self.name) + 1
        document = self._sort.encode(msgspec.structs.replace(params, version=version)).decode()
        return await self._registry.publish(self.name, document)

    async def version(self, number: int) -> P:
        """A published version.

        Raises:
            MienError: it was never published here.
            ModelMismatch: it does not fit this code.
        """
        return self._sort.decode(await self._registry.document(self.name, number))

    async def serving(self) -> P | None:
        """The live version, or the last that fitted this code; None while nothing was learned.

        At most ``KEPT_MS`` old.  Params made for other code are refused, with a warning, once each.
        """
        now = self._clock()
        if now - self._asked >= KEPT_MS:
            live = await self._registry.live(self.name)
            if live != self._live:
                await self._learn_of(live)
            self._asked = now
        return self._serving

    async def live(self) -> P | None:
        """The same, as of this moment."""
        self._asked = -KEPT_MS
        return await self.serving()

    async def _learn_of(self, live: int) -> None:
        try:
            self._serving = self._sort.decode(await self._registry.document(self.name, live)) if live else None
        except ModelMismatch as mismatch:
            kept = self._serving.version if self._serving else 0
            log.warning("a model was refused", model=self._sort.name, version=live, why=str(mismatch), serving=kept)
        self._live = live

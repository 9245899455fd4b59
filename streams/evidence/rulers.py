"""Every version of the rules and cut points that something was decided by.

Knows: where versions are stored.  Must not know: what they are laid beside.
"""

from __future__ import annotations

from collections.abc import Mapping

from profiles.alerts import AlertRule
from profiles.layout import Layout
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.registry import MetaMismatch, Registry
from profiles.store.worlds import CUTS, Worlds
from profiles.verify.history import Rulers


class KnownRulers:
    """The versions that were asked for so far, and all before them."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.layouts: Mapping[int, Layout] = {}
        self._registry = registry
        self._settings = settings
        self._worlds = Worlds(registry, settings)
        self._known: dict[tuple[int, int], Rulers] = {}

    async def open(self) -> None:
        """See that the store is this shop's, and know what is live.

        Raises:
            MetaMismatch: it is not.
        """
        shop = self._settings
        stored = await self._registry.facts()
        for name, value in (("buckets", str(shop.buckets)), ("timezone", shop.timezone), ("currency", shop.currency)):
            if name not in stored:
                raise MetaMismatch(f"nothing is stored at {shop.redis}: is MIEN_REDIS right?")
            if stored[name] != value:
                raise MetaMismatch(f"the store has {name}={stored[name]}: set MIEN_{name.upper()}={stored[name]}")
        self.layouts = self._worlds.layouts = await self._registry.layouts()
        await self.learn(await self._registry.live(keys.RULES), await self._registry.live(keys.params(CUTS)))

    async def learn(self, rules: int, cuts: int) -> None:
        """Know these versions and all before them."""
        for r in range(1, rules + 1):
            for c in range(cuts + 1):
                if (r, c) not in self._known:
                    world, book = await self._worlds.world(r, c), await self._worlds.book(r)
                    self._known[r, c] = Rulers(world, book, await self._worlds.model(c))

    def __call__(self, rules: int, cuts: int) -> Rulers:
        """One version."""
        return self._known[rules, cuts]

    def newest(self) -> Rulers:
        """The last version."""
        return self._known[max(self._known)]

    def tags(self) -> list[str]:
        """Every tag there ever was."""
        newest = max(self._known)  # slots are never given away twice, so it knows them all
        return [tag for tag in self._known[newest].book.numbers if "." not in tag]

    def causes(self) -> set[tuple[str, str]]:
        """What raises an alert under any version of the rules."""
        return {cause for rulers in self._known.values() for cause in rulers.book.alert_rules()}

    def alert_rules(self) -> Mapping[int, Mapping[tuple[str, str], AlertRule]]:
        """By version of the rules."""
        return {r: rulers.book.alert_rules() for (r, c), rulers in self._known.items() if c == 0}

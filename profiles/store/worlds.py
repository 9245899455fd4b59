"""The rules and cut points a bucket decides with, by version.

Knows: where published versions are and how they become a world.  Must not know: buckets, Kafka.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import msgspec

from profiles.clock import zone
from profiles.features import factors
from profiles.intake import exponent_of
from profiles.kernels.advance import World
from profiles.layout import LAYOUT, Layout
from profiles.models.params import Params
from profiles.population import Cuts, population, serving
from profiles.rules import Document, RuleBook, assign_slots, compile_rules, load
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.registry import Registry
from profiles.timeline import Phrase, Words

SHIPPED_TAGS = Path(__file__).parent.parent / "tags.yaml"
CUTS = "cuts"


class Published(msgspec.Struct, frozen=True):
    """A version of the rules as it is stored: the text as its author wrote it, and the slot of every tag ever.

    ``phrases`` are kept because timelines refer to them by place: whatever a later Mien makes of the text, what was told
    under this version can be read.  Versions published before there were any have none.
    """

    text: str
    slots: dict[str, int]
    phrases: tuple[Phrase, ...] = ()


_decode_published = msgspec.json.Decoder(Published).decode
_decode_cuts = msgspec.json.Decoder(Cuts).decode


class Worlds:
    """Loads each version once and keeps it."""

    def __init__(self, registry: Registry, settings: Settings) -> None:
        self.registry = registry
        self.layouts: dict[int, Layout] = {LAYOUT.fingerprint: LAYOUT}
        self._settings = settings
        self._digits = exponent_of(settings.currency)
        self._books: dict[int, RuleBook] = {}
        self._cuts: dict[int, Cuts] = {0: Cuts()}
        self._words: dict[int, Words] = {}
        self._worlds: dict[tuple[int, int], World] = {}

    async def open(self) -> None:
        """Fix or check the shop's facts, remember the layout, publish the first rules if there are none.

        Raises:
            WrongStore: MIEN_REDIS is for another kind of store than the one that is there.
            MetaMismatch: the store belongs to a shop with other settings.
            RuleErrors: the configured tags file is faulty.
        """
        shop = self._settings
        await self.registry.reach(shop.buckets)
        await self.registry.settle({"buckets": str(shop.buckets), "timezone": shop.timezone, "currency": shop.currency})
        self.layouts = await self.registry.remember_layout()
        if await self.registry.live(keys.RULES) == 0:
            path = shop.tags or SHIPPED_TAGS
            await publish(self.registry, path.read_text(encoding="utf-8"), str(path), unless_at=1)

    async def book(self, version: int) -> RuleBook:
        if version not in self._books:
            published = await self._published(version)
            document = replace(load(published.text, f"rules version {version}"), version=version)
            book = compile_rules(document, published.slots, digits=self._digits)
            self._books[version] = replace(book, phrases=published.phrases)
        return self._books[version]

    async def words(self, version: int) -> Words:
        """How timelines tell of a version; its text need not be one that today's Mien would accept."""
        if version not in self._words:
            published = await self._published(version)
            kept = published.phrases
            self._words[version] = Words(published.slots, kept) if kept else (await self.book(version)).words
        return self._words[version]

    async def world(self, rules: int, cuts: int) -> World:
        """What decides under these versions."""
        if (rules, cuts) not in self._worlds:
            here = zone(self._settings.timezone)
            book = await self.book(rules)
            self._worlds[rules, cuts] = World(
                factor=factors(self._digits),
                people=population(await self._decided_by(cuts)),
                rules=book.rules,
                since=here.since,
                offset=here.offset,
                version=rules,
            )
        return self._worlds[rules, cuts]

    async def model(self, cuts: int) -> Params | None:
        """The churn model that decides under these cut points; None while the rule of thumb does."""
        return serving((await self._decided_by(cuts)).churn)

    async def _decided_by(self, cuts: int) -> Cuts:
        if cuts not in self._cuts:
            self._cuts[cuts] = _decode_cuts(await self.registry.document(keys.params(CUTS), cuts))
        return self._cuts[cuts]

    async def _published(self, version: int) -> Published:
        return _decode_published(await self.registry.document(keys.RULES, version))


async def publish(registry: Registry, text: str, file: str, unless_at: int | None = None) -> tuple[int, Document]:
    """Check a tags document and make it the live version.

    Raises:
        RuleErrors: it is faulty; nothing changed.
    """
    document = load(text, file)
    live = await registry.live(keys.RULES)
    before = _decode_published(await registry.document(keys.RULES, live)).slots if live else {}
    slots = assign_slots(document, before)
    book = compile_rules(document, slots)
    stored = msgspec.json.encode(Published(text, slots, book.words.phrases)).decode()
    return await registry.publish(keys.RULES, stored, unless_at), document

"""Reading: what the store holds, as views.  Never writes.

Knows: where a profile is, which rules and params its bucket decides with, how far behind it is.
Must not know: HTTP.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import msgspec
import numpy as np

from profiles.census import NODE_NAMES
from profiles.clock import DAY, Clock, Int64s, zone
from profiles.codec import from_blobs
from profiles.dictionary import TagDictionary, tag_dictionary
from profiles.errors import MienError
from profiles.forecast import Forecast, forecast
from profiles.identity.names import ANONYMOUS, USER, kind_of, name_of
from profiles.identity.node import Node, node_of
from profiles.kernels.horizon import offset_at
from profiles.kernels.rings import MONTH
from profiles.layout import TABLES
from profiles.lineage import Lineages
from profiles.measures import SESSION_PAUSE
from profiles.models import segment_params, voice_params
from profiles.models.basket_lines import Baskets, Measure, chosen, told
from profiles.models.basket_params import SORTS, Of
from profiles.models.params import Params
from profiles.models.paths import START, NextStep, Paths, next_step
from profiles.models.paths import read as read_paths
from profiles.models.retention import Retention
from profiles.models.retention import read as read_retention
from profiles.models.suggestions import Known, Suggestions, reached, suggested
from profiles.replay import stream_time
from profiles.rules import RuleBook
from profiles.settings import Settings
from profiles.sidecar import GROUP, groups, traits
from profiles.stable import bucket_of, code_of
from profiles.store import keys
from profiles.store.base import TIMELINE_KEPT, Checkpoint
from profiles.store.client import abreast
from profiles.store.models import BASKETS, CHURN, SEGMENTS, VOICE, Models
from profiles.store.reads import ProfileReads
from profiles.store.redis import RedisStore
from profiles.store.registry import Registry
from profiles.store.worlds import Worlds
from profiles.things import cart_of, carted, codes_in, interest_in
from profiles.timeline import Note
from profiles.timelines import Timelines
from profiles.view import Look, Outlook, ProfileView, identity_of, view
from profiles.voice import Voice, heard

_A_GROUP = GROUP.encode()
CHECKPOINT_TTL = 250  #: ms a checkpoint is kept; lag is a matter of tenths of a second
OUTLOOKS_KEPT = 10_000
LOOKS_KEPT = 4
NAMES_KEPT = 200_000
NAMELESS_TTL = 1_000  #: ms until the store is asked again for texts that it did not have
PATHS_TTL = 5_000  #: ms the chain of steps is kept for next steps; every bucket has to be asked for it


class UnknownTag(MienError):
    """No tag of that name in the live rules."""


@dataclass(frozen=True)
class Found:
    """A customer as stored, with what it takes to read it: which versions decide, and the moment to read it at (ms)."""

    profile: str
    row: Int64s
    side: bytes | None
    now: int
    lag: int
    rules: int
    cuts: int
    node: Node | None = None  #: if the customer has more ids than this one
    asked: str = ""  #: the id that was asked for, if it is not the customer's name

    @property
    def alone(self) -> bool:
        """Whether no other id is this customer."""
        return self.node is None or self.node.card.weight <= 1

    @property
    def version(self) -> int:
        """How often the customer has been decided."""
        return self.row.item(TABLES.version)


class Reader:
    """Profiles, tags and the dictionary, read live."""

    def __init__(self, store: RedisStore, registry: Registry, settings: Settings, clock: Clock) -> None:
        self._store = store
        self._reads = ProfileReads(store.client)
        self._registry = registry
        self._worlds = Worlds(registry, settings)
        self._lineages = Lineages(store, settings.buckets)
        self._timelines = Timelines(store, self._reads, self._worlds, self._lineages, settings.buckets)
        self._churn = Models(registry, clock, CHURN)
        self._segments = Models(registry, clock, SEGMENTS)
        self._voices = Models(registry, clock, VOICE)
        self._baskets = Models(registry, clock, BASKETS)
        self._settings = settings
        self._clock = clock
        self._names: dict[int, str] = {}
        self._nameless: set[int] = set()  #: codes without a text, in a store that was rolled back
        self._nameless_since = 0
        self._paths: tuple[int, Paths | None] = (0, None)
        self._checkpoints: dict[int, tuple[int, Checkpoint]] = {}
        self._looks: dict[tuple[int, int], Look] = {}
        self._outlooks: OrderedDict[tuple[str, int, int, int], Outlook] = OrderedDict()

    async def open(self) -> None:
        """Learn the layouts of the store; call once before reading."""
        self._worlds.layouts = await self._registry.remember_layout()

    async def find(self, profile: str) -> Found | None:
        """One customer, or None if nothing was ever heard of them; ``view`` puts what was found into words."""
        found = (await self._find([profile])).get(profile)
        if found is None and kind_of(profile) == USER:
            name = name_of(ANONYMOUS, profile)
            found = (await self._find([name])).get(name)
            return found and replace(found, asked=profile)
        return found

    async def view(self, found: Found) -> ProfileView:
        """What was found, in words."""
        row, look = found.row, self._looks.get((found.rules, found.cuts)) or await self._look(found.rules, found.cuts)
        key = (found.profile, found.version, found.rules, found.cuts)
        ahead = self._outlooks.get(key)
        if ahead is None:
            ahead = self._outlooks[key] = look.ahead(row, found.now)
            if len(self._outlooks) > OUTLOOKS_KEPT:
                self._outlooks.popitem(last=False)
        await self._learn([row])
        shown = view(found.profile, row, traits(found.side), found.now, found.lag, look, ahead)
        if found.side and _A_GROUP in found.side:
            shown = msgspec.structs.replace(shown, groups=groups(found.side))
        return (
            shown
            if found.node is None
            else msgspec.structs.replace(shown, asked=found.asked or None, identity=identity_of(found.node))
        )

    async def profile(self, profile: str) -> ProfileView | None:
        """One customer in words, or None if nothing was ever heard of them."""
        found = await self.find(profile)
        return None if found is None else await self.view(found)

    async def profiles(self, profiles: Sequence[str]) -> list[ProfileView | None]:
        """Many customers, in the order asked: one round trip, and another for names that were never seen here."""
        found = await self._find(profiles)
        await self._learn(each.row for each in found.values())
        views = {profile: await self.view(each) for profile, each in found.items()}
        return [views.get(profile) for profile in profiles]

    async def versions(self, profiles: Sequence[str]) -> list[tuple[str, int] | None]:
        """Only who answers for each id, and how often they have been decided: one round trip per bucket, for watching."""
        found: dict[str, tuple[str, int] | None] = {}
        moved: list[str] = []
        by_bucket = self._by_bucket(profiles)
        fetched = await abreast(self._load, by_bucket.items())
        for mine, blobs in zip(by_bucket.values(), fetched, strict=True):
            rows = from_blobs(blobs, self._worlds.layouts)
            for profile, blob, row in zip(mine, blobs, rows, strict=True):
                version = row.item(TABLES.version)  # 0: of an id of which nothing was ever heard
                found[profile] = (profile, version) if version else None
                if (node := node_of(blob)) and node.into:
                    moved.append(profile)
        if moved:
            there = await self._find(moved)
            found |= {name: (one.profile, one.version) if (one := there.get(name)) else None for name in moved}
        return [found[profile] for profile in profiles]

    async def churn_model(self) -> Params | None:
        """The churn model that serves; None while nothing was learned."""
        return await self._churn.serving()

    async def segments(self) -> segment_params.Params | None:
        """The segments that serve; None while there were too few customers to tell any."""
        return await self._segments.serving()

    async def forecast(self, found: Found) -> Forecast | None:
        """What was learned says of a customer; None if they never ordered or nothing serves yet."""
        params = await self._churn.serving()
        if params is None:
            return None
        world = await self._worlds.world(found.rules, found.cuts)
        return forecast(found.profile, found.row, found.now, world, params, await self._segments.serving())

    async def voice_model(self) -> voice_params.Params | None:
        """What was learned of how customers write; None before the first rated text."""
        return await self._voices.serving()

    async def voice(self, found: Found) -> Voice:
        """What is heard of a customer; their latest text is read with the live model, if it is ready."""
        world = await self._worlds.world(found.rules, found.cuts)
        return heard(found.profile, found.row, found.side, found.now, world, await self._voices.serving())

    async def paths(self) -> Paths:
        """How customers move from step to step, and where they leave."""
        return read_paths(await self._counts())

    async def next_step(self, found: Found) -> NextStep:
        """Where a customer stands in the session that is open, if one is, and what is likely to follow."""
        at, kind = found.row[TABLES.trail : TABLES.trail + 2].tolist()
        step = NODE_NAMES[kind] if at and found.now - at < SESSION_PAUSE else START
        now, (read, chain) = self._clock(), self._paths
        if chain is None or not 0 <= now - read <= PATHS_TTL:
            chain = await self.paths()
            self._paths = now, chain
        return next_step(chain, step, at or None)

    async def baskets(self, of: Of | None, name: str | None, sort: Measure, limit: int) -> Baskets:
        """Rules of what is bought together, the greatest first; with ``name`` only those that speak of it."""
        params = await self._baskets.serving()
        rules = chosen(params, of, code_of(name.strip()) if name else None, sort, limit) if params else []
        await self._learn_codes({code for _, rule in rules for code in (rule.bought, rule.also)})
        return told(params, rules, self._names.get)

    async def suggestions(self, found: Found) -> Suggestions:
        """What a customer may buy next, by what is in the cart and drew interest lately."""
        row, params = found.row, await self._baskets.serving()
        world = await self._worlds.world(found.rules, found.cuts)
        month = (found.now + offset_at(found.now, world.since, world.offset)) // MONTH
        interests: dict[Of, dict[int, float]] = {of: interest_in(row, of, month) for of in SORTS}
        known = Known(cart_of(row), interests, carted(row))
        await self._learn_codes(reached(params, known) if params else set())
        return suggested(found.profile, params, known, self._names.get)

    async def retention(self) -> Retention:
        """Cohorts by the week customers first came, and how many of them came back."""
        checkpoints = await abreast(self._checkpoint, range(self._settings.buckets))
        now = np.array([max(map(self._now, checkpoints))], np.int64)
        day = int(zone(self._settings.timezone).local(now)[0]) // DAY
        return read_retention(await self._counts(), date(1970, 1, 1) + timedelta(days=day))

    async def timeline(self, profile: str, limit: int) -> list[Note]:
        """Of one id alone, newest first: orders, refunds, reviews, service, and every change of a tag or rung."""
        return await self._timelines.own(profile, limit)

    async def whole_timeline(self, found: Found, limit: int | None = None) -> list[Note]:
        """The same of all ids of a customer; all that is kept, or the newest ``limit``."""
        if found.alone:
            return await self._timelines.own(found.profile, limit or TIMELINE_KEPT)
        return await self._timelines.whole(found.profile, limit)

    async def ids(self, found: Found) -> list[str]:
        """All ids of a customer, the one who answers first."""
        return [found.profile] if found.alone else await self._lineages.names(found.profile)

    async def tags(self) -> TagDictionary:
        """The live rules with how many customers each of them holds."""
        return tag_dictionary(await self._live_book(), await self._counts())

    async def members(self, tag: str, cursor: str | None, limit: int) -> tuple[list[str], str | None]:
        """Holders of a tag, about ``limit`` at a time, and the cursor to go on with.

        Raises:
            UnknownTag: the live rules have no such tag.
            ValueError: not a cursor of ours.
        """
        book = await self._live_book()
        if tag not in {each.name for each in book.document.tags}:
            raise UnknownTag(tag)
        bucket, position = (int(part) for part in cursor.split("-")) if cursor else (0, 0)
        found: list[str] = []
        while len(found) < limit and bucket < self._settings.buckets:
            position, some = await self._store.members(bucket, tag, position, limit - len(found))
            found += some
            if position == 0:
                bucket += 1
        return found, f"{bucket}-{position}" if bucket < self._settings.buckets else None

    async def lags(self) -> list[int]:
        """How far behind its log each bucket is (ms)."""
        return [_lag(each) for each in await abreast(self._checkpoint, range(self._settings.buckets))]

    def _by_bucket(self, profiles: Sequence[str]) -> dict[int, list[str]]:
        out: dict[int, list[str]] = {}
        for profile in dict.fromkeys(profiles):
            out.setdefault(bucket_of(profile, self._settings.buckets), []).append(profile)
        return out

    async def _load(self, some: tuple[int, list[str]]) -> list[bytes | None]:
        return await self._store.load(*some)

    async def _find(self, profiles: Sequence[str]) -> dict[str, Found]:
        """The customers who have these ids; the checkpoints of their buckets are brought up to date on the way."""
        found = await self._stored(profiles)
        moved = {asked: one.node.into for asked, one in found.items() if one.node and one.node.into}
        while moved:  # ids lead to smaller ones, so it ends
            there = await self._stored([*moved.values()])
            found |= {asked: replace(there[name], asked=asked) for asked, name in moved.items() if name in there}
            moved = {
                asked: one.node.into
                for asked in moved
                if (one := there.get(moved[asked])) and one.node and one.node.into
            }
        return {asked: one for asked, one in found.items() if one.version and not (one.node and one.node.into)}

    async def _stored(self, profiles: Sequence[str]) -> dict[str, Found]:
        by_bucket, now = self._by_bucket(profiles), self._clock()
        stored = await self._reads.fetch(by_bucket, [bucket for bucket in by_bucket if not self._is_fresh(bucket, now)])
        self._checkpoints.update((bucket, (now, checkpoint)) for bucket, checkpoint in stored.checkpoints.items())
        found: dict[str, Found] = {}
        for bucket, mine in by_bucket.items():
            checkpoint = self._checkpoints[bucket][1]
            for profile in mine:
                blob, side = stored.profiles[profile]
                if blob:
                    found[profile] = self._found(profile, blob, side, checkpoint)
        return found

    def _found(self, profile: str, blob: bytes, side: bytes | None, checkpoint: Checkpoint) -> Found:
        row: Int64s = from_blobs([blob], self._worlds.layouts)[0]
        now = max(self._now(checkpoint), row.item(TABLES.as_of))
        return Found(profile, row, side, now, _lag(checkpoint), checkpoint.rules, checkpoint.cuts, node_of(blob))

    def _is_fresh(self, bucket: int, now: int) -> bool:
        at, checkpoint = self._checkpoints.get(bucket, (0, Checkpoint()))
        return now - at <= CHECKPOINT_TTL and checkpoint.rules != 0  # 0: read before the bucket's first commit

    async def _checkpoint(self, bucket: int) -> Checkpoint:
        now = self._clock()
        if not self._is_fresh(bucket, now):
            self._checkpoints[bucket] = now, (await self._reads.fetch({}, [bucket])).checkpoints[bucket]
        return self._checkpoints[bucket][1]

    def _now(self, checkpoint: Checkpoint) -> int:
        """The moment to derive features for: the wall's, or in a replay the stream's."""
        wall = self._clock()
        return wall if self._settings.clock == "wall" else stream_time(checkpoint.clocks, wall)

    async def _learn(self, rows: Iterable[Int64s]) -> None:
        """The texts behind the codes of these rows.  Texts are stored before the profiles that need them."""
        await self._learn_codes({code for row in rows for code in codes_in(row)})

    async def _learn_codes(self, wanted: set[int]) -> None:
        missing = wanted - self._names.keys()
        if not missing:
            return
        now = self._clock()
        if not 0 <= now - self._nameless_since <= NAMELESS_TTL:
            self._nameless, self._nameless_since = set(), now
        missing -= self._nameless
        if not missing:
            return
        if len(self._names) + len(self._nameless) > NAMES_KEPT:
            self._names.clear()
            self._nameless.clear()
            missing = wanted
        asked = list(missing)
        for code, name in zip(asked, await self._store.names(asked), strict=True):
            if name is None:
                self._nameless.add(code)
            else:
                self._names[code] = name

    async def _look(self, rules: int, cuts: int) -> Look:
        """How rows are read under these versions; the versions that buckets are moving between are kept."""
        world, book = await self._worlds.world(rules, cuts), await self._worlds.book(rules)
        while len(self._looks) >= LOOKS_KEPT:
            del self._looks[next(iter(self._looks))]
        made = self._looks[rules, cuts] = Look(
            world, book, self._names.get, self._settings.currency, cuts, await self._worlds.model(cuts)
        )
        return made

    async def _live_book(self) -> RuleBook:
        return await self._worlds.book(await self._registry.live(keys.RULES))

    async def _counts(self) -> dict[str, int]:
        total: dict[str, int] = {}
        for counts in await abreast(self._store.counts, range(self._settings.buckets)):
            for name, n in counts.items():
                total[name] = total.get(name, 0) + n
        return total


def _lag(checkpoint: Checkpoint) -> int:
    """Between the broker's stamp on the newest record applied and the commit that applied it."""
    return max(checkpoint.at - checkpoint.received, 0) if checkpoint.received else 0

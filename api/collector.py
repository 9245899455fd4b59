"""The collector: what a request brought goes to Kafka, each event to its topic, each unfit one to the dead letters.

Knows: topics, how much a key may send.  Must not know: requests (``api.door``), dialects, paths.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from hashlib import blake2b
from time import monotonic

from api import metrics
from api.limits import Limits
from api.outlet import NotTaken, Outgoing, Outlet
from api.problems import RETRY_AFTER, Refusal
from profiles.access import Key
from profiles.clock import Clock, Millis
from profiles.dialects.parcel import Item, Ready, Unfit
from profiles.landing import Headers
from profiles.settings import Settings
from profiles.topics import DEAD_LETTERS, PROFILE_INPUTS, for_events
from profiles.wire import KEPT_BYTES, DeadLetter, headers


class Collector:
    """What all requests that bring events share."""

    def __init__(self, settings: Settings, clock: Clock, seconds: Callable[[], float] = monotonic) -> None:
        self._settings = settings
        self._clock = clock
        self._outlet = Outlet(settings)
        self._limits = Limits(settings.collect_per_second / settings.api_workers, seconds)
        self.unwanted: Callable[[Item, str, Headers, Millis], bool] = lambda *_: False
        """Which events are turned away; who is suppressed is known once the store has said so."""

    def admit(self, key: Key) -> None:
        """Insist that this key may send now.

        Raises:
            Refusal: 429 it has sent too much.
        """
        if wait := self._limits.wait(key.id):
            said = f"this key may send {self._settings.collect_per_second:g} events a second"
            raise Refusal(429, "too_many_events", said, headers={"Retry-After": str(wait)})

    async def take(self, items: Sequence[Item], key: Key, dialect: str) -> None:
        """Returns when all of it is safe, but for what is of suppressed customers: nothing of that is written anywhere.

        Raises:
            Refusal: 503 Kafka is away.
            NoTopic: no topic is named to write to.
        """
        topics = for_events(self._settings.event_topics)
        about = [("source", key.id.encode()), ("dialect", dialect.encode())]
        self._limits.spend(key.id, len(items))
        now, many = self._clock(), len(items)
        items = [each for each in items if not self.unwanted(each, _topic(each, topics), about, now)]
        metrics.TURNED_AWAY.labels(dialect).inc(many - len(items))
        try:
            await self._outlet.send([_outgoing(each, dialect, topics, about) for each in items], now)
        except NotTaken as fault:
            raise Refusal(503, "kafka_unavailable", str(fault), headers={"Retry-After": RETRY_AFTER}) from fault
        _count(dialect, items)

    async def order(self, orders: Sequence[tuple[int, bytes]]) -> None:
        """Records for the writers of buckets themselves; returns when they are safe.

        Raises:
            Refusal: 503 Kafka is away; some of them may be there, so whoever asked must ask again.
        """
        records = [Outgoing(PROFILE_INPUTS, value, None, [], bucket) for bucket, value in orders]
        try:
            await self._outlet.send(records, self._clock())
        except NotTaken as fault:
            raise Refusal(503, "kafka_unavailable", str(fault), headers={"Retry-After": RETRY_AFTER}) from fault

    async def close(self) -> None:
        """Send what is left."""
        await self._outlet.close()


def _topic(item: Item, topics: tuple[str, str]) -> str:
    return topics[item.order] if isinstance(item, Ready) else DEAD_LETTERS


def _outgoing(item: Item, dialect: str, topics: tuple[str, str], about: list[tuple[str, bytes]]) -> Outgoing:
    if isinstance(item, Ready):
        return Outgoing(_topic(item, topics), item.value, item.key, about)
    letter = DeadLetter(f"collect/{dialect}", 0, _place(item.raw), item.reason, item.detail)
    return Outgoing(DEAD_LETTERS, item.raw[:KEPT_BYTES], None, [*headers(letter), *about])


def _place(raw: bytes) -> int:
    """Such a dead letter was never in Kafka; what it is made of tells its repeats apart as an offset would."""
    return int.from_bytes(blake2b(raw, digest_size=6).digest(), "big")


def _count(dialect: str, items: Sequence[Item]) -> None:
    refused = Counter(item.reason for item in items if isinstance(item, Unfit))
    if taken := len(items) - refused.total():
        metrics.COLLECTED.labels(dialect).inc(taken)
    for reason, many in refused.items():
        metrics.NOT_COLLECTED.labels(dialect, reason).inc(many)

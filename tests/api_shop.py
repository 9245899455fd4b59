"""A shop without Kafka: events go through the real intake, fold and store; the real API serves them over HTTP."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Awaitable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self, TypeVar

import httpx
import msgspec

from api.serve import server
from profiles import erasure, inputs
from profiles.alerts import AlertRule, Policy, Text, ask, decide
from profiles.clock import DAY, Clock, iso, system_clock, zone
from profiles.identity.messages import Joining, Link, Split, Told
from profiles.identity.names import order_of
from profiles.identity.node import node_of
from profiles.intake import Intake
from profiles.settings import Settings
from profiles.stable import bucket_of
from profiles.store.access import make_key
from profiles.store.client import Client
from profiles.store.desk import Desk
from profiles.store.erasure import Regulations
from profiles.store.redis import RedisStore, connect
from profiles.store.registry import Registry
from profiles.store.vault import open_vault
from profiles.store.worlds import Worlds
from profiles.topics import PROFILE_INPUTS
from profiles.vault.ring import parse
from profiles.wire import Transition
from streams.bucket import Bucket
from streams.sealing import Private, seal
from tests.processes import eventually

R = TypeVar("R")
BUCKETS = 3
NOW = 1_760_000_000_000  #: a fixed moment
SOURCE = "events.test"
TAGS = Path(__file__).with_name("api_tags.yaml")
RULES = {("tier", "churn_warning"): AlertRule("churn_rescue", Text("流失预警", "churn warning"), Text("致电", "call"))}


class Shop:
    """Everything that writes, and an event loop for it."""

    def __init__(self, redis_url: str, clock: Clock = system_clock, pii_keys: str = "") -> None:
        self.settings = Settings(redis=redis_url, buckets=BUCKETS, api_port=0, tags=TAGS, pii_keys=pii_keys)
        self.clock = clock
        self._runner = asyncio.Runner()
        self._offset = 0
        self._seq = 0

    def __enter__(self) -> Self:
        self._runner.__enter__()
        self.client: Client = connect(self.settings.redis)
        self.store = RedisStore(self.client)
        self._worlds = Worlds(Registry(self.client), self.settings)
        self._intake = Intake(self.settings.currency, self.settings.timezone, seals=bool(self.settings.pii_keys))
        self.vault = self.run(open_vault(self.client, parse(self.settings.pii_keys), BUCKETS))
        self._buckets = [
            Bucket(
                number,
                self.store,
                self._worlds,
                self.clock,
                zone(self.settings.timezone),
                replay=False,
                blind=self.vault.blind,
                buckets=BUCKETS,
            )
            for number in range(BUCKETS)
        ]
        return self

    def __exit__(self, *_: object) -> None:
        self.run(self.client.aclose())
        self._runner.close()

    def run(self, work: Awaitable[R]) -> R:
        """Do it now."""

        async def done() -> R:
            return await work

        return self._runner.run(done())

    def open(self) -> Self:
        """Settle the shop's facts and publish the rules, as the first worker does."""
        self.run(self._worlds.open())
        return self

    def key(self, *scopes: str) -> str:
        """A new API key."""
        return self.run(make_key(self.client, "test", scopes))

    def beat(self) -> None:
        """A worker was here, for every bucket."""
        for number in range(BUCKETS):
            self.run(self.store.beat(number, self.clock()))

    def tell(self, *messages: dict[str, Any]) -> None:
        """Events as apps send them, each applied in a commit of its own."""
        for message in messages:
            self.run(self._tell(message))

    async def _tell(self, message: dict[str, Any]) -> None:
        self._offset += 1
        now = self.clock()
        event = self._intake.read(
            msgspec.json.encode({"timestamp": iso(now), "messageId": f"m-{self._offset}", **message}), now
        )
        draft = inputs.Draft()
        draft.add(event, self._offset)
        if event.private:
            await seal([Private(draft, 0, event.profile, event.private)], self.vault)
        bucket = self._buckets[bucket_of(event.profile, BUCKETS)]
        at = (await bucket.open()).next
        await bucket.apply([(at, inputs.encode(draft.batch(SOURCE, 0, event.time, now)))])

    def order(self, kind: erasure.Kind, *profiles: str) -> erasure.Regulation:
        """What `POST /v1/regulations` does, and what the buckets do then."""
        about = erasure.subjects(profiles, BUCKETS, self.vault.field_of)
        self._seq += 1
        regulation = erasure.Regulation(f"r-{self._seq}", kind, self.clock(), "test", tuple(about.values()))
        self.run(Regulations(self.client).keep(regulation))
        for bucket, record in erasure.orders(regulation, about):
            self.run(self.apply(bucket, inputs.encode(record)))
        return regulation

    async def apply(self, bucket: int, raw: bytes) -> None:
        """One record of profile-inputs."""
        at = (await self._buckets[bucket].open()).next
        await self._buckets[bucket].apply([(at, raw)])

    async def reopen(self, bucket: int) -> None:
        """What a worker does on a rebalance, or when it finds that the store is another."""
        await self._buckets[bucket].reopen()

    def join(self, one: str, other: str) -> None:
        """Two names are one customer, says somebody; all that follows from it is told until nothing does."""
        small, large = sorted((one, other), key=order_of)
        self.run(self._hear(Link(small, large, self.clock(), explicit=True)))

    def part(self, root: str, name: str) -> None:
        """What ``mien identity unmerge`` asks for."""
        (blob,) = self.run(self.store.load(bucket_of(name, BUCKETS), [name]))
        node = node_of(blob)
        assert node is not None
        self.run(self._hear(Split(root, name, node.generation, self.clock())))

    async def _hear(self, told: Told) -> None:
        waiting = [(bucket_of(told.to, BUCKETS), inputs.encode(Joining((told,))))]
        while waiting:
            number, raw = waiting.pop(0)
            bucket = self._buckets[number]
            await bucket.apply([((await bucket.open()).next, raw)])
            for seq, messages in await self.store.outbox(number, 1000):
                waiting += [(int(each.key), each.value) for each in messages if each.topic == PROFILE_INPUTS]
                await self.store.published(number, seq)

    def lapse(self, *profiles: str) -> None:
        """Each of these customers needs rescue: one alert each, in this order."""
        self._decide([self._moved(profile, "churn_warning", "general") for profile in profiles])

    def recover(self, *profiles: str) -> None:
        """Each of these customers is back."""
        self._decide([self._moved(profile, "general", "churn_warning") for profile in profiles])

    def _moved(self, profile: str, to: str, was: str) -> Transition:
        self._seq += 1
        now = self.clock()
        return Transition(0, self._seq, profile, "tier", to, "moved", now, now, "live", 1, was, risk=0.8)

    def _decide(self, transitions: Sequence[Transition]) -> None:
        self.run(self._desk(transitions))

    async def _desk(self, transitions: Sequence[Transition]) -> None:
        desk, now = Desk(self.client), self.clock()
        memory = await desk.recall(0, ask(transitions, RULES))
        decisions = decide(transitions, memory.known, RULES, Policy(now, DAY))
        assert await desk.commit(memory, transitions[-1].seq, decisions, (), now)


def page(user: str, **more: Any) -> dict[str, Any]:
    """A page opened."""
    return {"type": "page", "userId": user, **more}


def order(user: str, number: str, revenue: float, **more: Any) -> dict[str, Any]:
    """An order."""
    about = {
        "order_id": number,
        "revenue": revenue,
        "products": [{"product_id": "p-1", "category": "茶", "quantity": 1}],
    }
    return {"type": "track", "event": "Order Completed", "userId": user, "properties": about, **more}


def _warm(url: str) -> bool:
    said = httpx.get(f"{url}/readyz", trust_env=False).text
    return "compiling" not in said


@contextmanager
def serving(settings: Settings, clock: Clock = system_clock) -> Iterator[str]:
    """The API in a thread of its own; yields its URL."""
    urls: list[str] = []
    up = threading.Event()

    def started(url: str) -> None:
        urls.append(url)
        up.set()

    it = server(settings, clock, started)
    thread = threading.Thread(target=it.run, daemon=True)
    thread.start()
    try:
        assert up.wait(20), "the API did not start"
        eventually(lambda: _warm(urls[0]), "the API has compiled what it needs", seconds=300)
        yield urls[0]
    finally:
        it.should_exit = True
        thread.join(20)
        assert not thread.is_alive(), "the API did not stop"

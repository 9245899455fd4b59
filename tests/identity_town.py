"""Buckets of one shop that tell each other who is who: events in, logs in lists, outboxes carried over by hand.

Knows: how intake, buckets and outboxes hang together.  Must not know: what a test does with them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Final

from profiles import erasure, inputs
from profiles.identity.guards import Limits
from profiles.identity.messages import Joining, Split, Told
from profiles.identity.node import Node, node_of
from profiles.intake import Intake
from profiles.landing import Landing
from profiles.quarantine import read_rows
from profiles.stable import bucket_of
from profiles.wire import Transition, decode_transition
from streams.bucket import Bucket
from streams.intake import IntakeHop
from tests.bucket_house import HERE, House

BUCKETS: Final = 3


def blind(kind: str, value: str) -> str:
    """A hash that a test can read."""
    return f"{kind[0]}{value[-4:]}"


def blind_name(_kind: str, name: str) -> str:
    """What stands for a customer's name in lists of the suppressed."""
    return f"h({name})"


class Shop:
    """``house`` on ``store``: one source of events, three buckets."""

    def __init__(self, house: House, store: Any, limits: Limits | None = None) -> None:
        self.house, self.store, self.limits = house, store, limits or Limits()
        self.logs: list[list[bytes]] = [[] for _ in range(BUCKETS)]
        self.transitions: list[Transition] = []
        self.sent = 0
        self.hop = IntakeHop(Landing(Intake("CNY", "Asia/Shanghai", blind=blind)), BUCKETS, self)  # type: ignore[arg-type]
        self.buckets = [self.bucket(number) for number in range(BUCKETS)]

    def bucket(self, number: int) -> Bucket:
        return Bucket(number, self.store, self.house.worlds, self.house.clock, HERE, replay=False, buckets=BUCKETS,
                      limits=self.limits, blind=blind_name)  # fmt: skip

    async def send_and_wait(self, topic: str, value: bytes, partition: int | None = None, **_: object) -> None:
        assert topic == "profile-inputs", value
        self.logs[partition or 0].append(value)

    def tell(self, *events: Mapping[str, object]) -> None:
        """Events as apps send them, and everything that follows from them."""
        self.intake(*events)
        self.settle()

    def intake(self, *events: Mapping[str, object]) -> None:
        now = self.house.clock()
        records = []
        for event in events:
            raw = json.dumps({"messageId": f"m-{self.sent}", "timestamp": now - 1000, **event}).encode()
            records.append(
                SimpleNamespace(topic="events.web", partition=0, offset=self.sent, timestamp=now, value=raw, headers=())
            )
            self.sent += 1
        self.house.run(self.hop.handle(records))

    def hear(self, *told: Told) -> None:
        """Messages as an operator sends them."""
        for each in told:
            self.logs[bucket_of(each.to, BUCKETS)].append(inputs.encode(Joining((each,))))
        self.settle()

    def part(self, name: str) -> None:
        """What ``mien identity unmerge`` sends."""
        node = self.node(name)
        assert node is not None
        self.hear(Split(node.into, name, node.generation, self.house.clock()))

    def order(self, kind: erasure.Kind, *names: str) -> None:
        """What `POST /v1/regulations` sends, about these ids."""
        about = erasure.subjects(names, BUCKETS, lambda name: blind_name("", name))
        regulation = erasure.Regulation("r", kind, self.house.clock(), "test", tuple(about.values()))
        for bucket, record in erasure.orders(regulation, about):
            self.logs[bucket].append(inputs.encode(record))
        self.settle()

    def settle(self) -> None:
        """Until nobody has anything to say."""
        while any(self.work(number) for number in range(BUCKETS)):
            pass

    def work(self, number: int) -> bool:
        """One bucket reads what is new in its log and says what follows; whether anything happened."""
        bucket, log = self.buckets[number], self.logs[number]
        start = self.house.run(bucket.open()).next
        if start < len(log):
            self.house.run(bucket.apply(list(enumerate(log[start:], start))))
        groups = self.house.run(self.store.outbox(number, 1000))
        for seq, messages in groups:
            self._carry(messages)
            self.house.run(self.store.published(number, seq))
        return start < len(log) or bool(groups)

    def _carry(self, messages: Sequence[Any]) -> None:
        for message in messages:
            if message.topic == "profile-inputs":
                self.logs[int(message.key)].append(message.value)
            elif message.topic == "transitions":
                self.transitions.append(decode_transition(message.value))

    # --- what came of it

    def blob(self, name: str) -> bytes | None:
        found: bytes | None = self.house.run(self.store.load(bucket_of(name, BUCKETS), [name]))[0]
        return found

    def node(self, name: str) -> Node | None:
        return node_of(self.blob(name))

    def root(self, name: str) -> str:
        while (node := self.node(name)) is not None and node.into:
            name = node.into
        return name

    def row(self, name: str) -> Any:
        return read_rows([name], [self.blob(name)], {})[0]

    def holds(self, name: str) -> set[str]:
        """Tags whose sets have this customer."""
        bucket = bucket_of(name, BUCKETS)
        book = self.house.run(self.house.worlds.book(self.house.run(self.house.worlds.registry.live("rules"))))
        return {tag.name for tag in book.tags.values()
                if name in self.house.run(self.store.members(bucket, tag.name, 0, 1000))[1]}  # fmt: skip

"""A seeded crowd for shops under judgement: repeats, corrections, late events and records that nobody can use."""

from __future__ import annotations

import time
from typing import Final

import msgspec
import numpy as np
from kafka import KafkaProducer

from profiles.clock import DAY, MINUTE, iso, system_clock

KINDS: Final = ("Order Completed", "Product Viewed", "Product Added", "Complaint Filed", "Product Reviewed", "identify")
BAD: Final = (b"{", b"", b'{"type":"track"}', b"[]")


class Shoppers:
    """People of one shop; what each of them does follows from the seed, when from the clock."""

    def __init__(self, broker: str, seed: int, people: int = 40) -> None:
        self.rng = np.random.default_rng(seed)
        self.name, self.people, self.number = f"s{seed}", people, 0
        self.producer = KafkaProducer(bootstrap_servers=broker, linger_ms=5, enable_idempotence=False)
        self.good = self.bad = 0
        self.lines: list[bytes] = []  #: everything that was sent, in order
        self._sent: list[tuple[str, bytes, bytes]] = []

    def shop(self, events: int, pause: float = 0.0) -> None:
        """Send so many events, and what comes with them."""
        for _ in range(events):
            self._send(*self._event())
            if self.rng.random() < 0.08:
                self._send(*self._sent[int(self.rng.integers(len(self._sent)))])
            if self.rng.random() < 0.03:
                self.lines.append(BAD[int(self.rng.integers(len(BAD)))])
                self.producer.send("events.behavior", self.lines[-1])
                self.bad += 1
            time.sleep(pause)
        self.producer.flush()

    def _send(self, topic: str, raw: bytes, key: bytes) -> None:
        self.producer.send(topic, raw, key=key)
        self._sent.append((topic, raw, key))
        self.lines.append(raw)
        self.good += 1

    def _event(self) -> tuple[str, bytes, bytes]:
        self.number += 1
        rng, who = self.rng, f"{self.name}-{self.rng.integers(self.people)}"
        late = int(rng.choice([0, 0, 0, 0, int(rng.integers(MINUTE)), int(rng.integers(40 * DAY))]))
        kind = KINDS[int(rng.integers(len(KINDS)))]
        about = {"type": "identify"} if kind == "identify" else {"type": "track", "event": kind}
        message = {
            **about,
            "userId": who,
            "messageId": f"{self.name}-m{self.number}",
            "timestamp": iso(system_clock() - late),
            "traits": {"city": str(rng.choice(["上海", "成都"])), "age": int(rng.integers(18, 60))},
            "properties": {
                "order_id": f"{self.name}-o{rng.integers(max(self.number // 2, 1))}",
                "revenue": int(rng.integers(100, 60_000)) / 100,
                "product_id": f"p{rng.integers(20)}",
                "category": f"c{rng.integers(5)}",
                "rating": int(rng.integers(0, 6)),
            },
        }
        topic = "events.orders" if kind == "Order Completed" else "events.behavior"
        return topic, msgspec.json.encode(message), who.encode()

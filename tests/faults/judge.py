"""What must be true when the dust has settled: every number follows from the books of the load, and from nothing else.

Knows: the books, the rules of ``tags.yaml`` said once more in Python, where the API and Redis show what came of them.
Must not know: which fault was at work.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final

import httpx2
import msgspec
from kafka import KafkaConsumer, TopicPartition

from profiles.settings import as_environ
from profiles.store import keys
from streams.topics import DEAD_LETTERS
from tests.e2e.stacks import Stack
from tests.faults.load import Books
from tests.hook_receiver import Receiver
from tests.processes import eventually

Subject = tuple[str, str]  #: a policy and a customer
BIG_SPENDER: Final = 100_00
APPLY_SECONDS: Final = 120.0
ALERT_SECONDS: Final = 60.0
HEAR_SECONDS: Final = 90.0  #: longer than the lease of a worker that died with a delivery in its hands


@dataclass(frozen=True)
class Judge:
    """Looks at one stack and what left it."""

    shop: Stack
    hook: Receiver
    books: Books

    def rule(self) -> None:
        """Everything is as the books say; nothing lost, nothing doubled, nothing invented.

        To be called while nothing is being sent.  Waits for what is still on its way.
        """
        self.profiles()
        self.alerts()

    def profiles(self) -> None:
        """Counters, profiles, tags and dead letters."""
        self._counted()
        self._customers()
        self._tags()
        self._dead_letters()

    def _counted(self) -> None:
        wanted = (self.books.valid, self.books.duplicates)
        try:
            eventually(lambda: self.shop.counted() == wanted, "", seconds=APPLY_SECONDS)
        except AssertionError:
            assert self.shop.counted() == wanted, "(applied, duplicates)"

    def _customers(self) -> None:
        for customer, events in self.books.events.items():
            view = self._view(customer)
            orders = self.books.orders.get(customer, [])
            wanted = {"events": events, "orders": len(orders), "revenue": sum(cents for _, cents in orders) / 100}
            found = {name: view["features"].get(name) or 0 for name in wanted}
            assert found == wanted, f"{customer} has {found}, not {wanted}"

    def _view(self, customer: str) -> dict[str, Any]:
        """What the API says, once it has noticed that the store is there again."""
        answers: list[dict[str, Any]] = []

        def answered() -> bool:
            try:
                answer = self.shop.http.get(f"/v1/profiles/{customer}")
            except httpx2.HTTPError:
                return False
            assert answer.status_code in {200, 503}, f"{customer}: {answer.status_code} {answer.text}"
            answers.extend([answer.json()] if answer.status_code == httpx2.codes.OK else [])
            return bool(answers)

        eventually(answered, f"the API answers about {customer}", seconds=ALERT_SECONDS)
        return answers[0]

    def _tags(self) -> None:
        buyers = set(self.books.orders)
        big = {who for who, orders in self.books.orders.items() if sum(cents for _, cents in orders) >= BIG_SPENDER}
        for tag, wanted in {"buyer": buyers, "big_spender": big}.items():
            members = Counter(
                member.decode()
                for bucket in self.shop.buckets
                for member in self.shop.redis.smembers(keys.tag(bucket, tag))
            )
            assert members == Counter(wanted), tag
            stored = [self.shop.redis.hget(keys.counts(bucket), f"tag:{tag}") or 0 for bucket in self.shop.buckets]
            assert sum(map(int, stored)) == len(wanted), f"how many hold {tag}"

    def _dead_letters(self) -> None:
        refused = {letter.place: letter.value for letter in dead_letters(self.shop.broker) if letter.reason not in OURS}
        assert Counter(refused.values()) == Counter(self.books.broken), "bad records, each once, whole"

    def alerts(self) -> None:
        """Every buyer was welcomed once and is being warned of once; nobody else was ever spoken of."""
        buyers = set(self.books.orders)
        wanted = Counter({**dict.fromkeys((("welcome", who) for who in buyers), 1),
                          **dict.fromkeys((("churn_rescue", who) for who in buyers), 1)})  # fmt: skip
        try:
            eventually(lambda: self._difference(wanted) == ([], []), "", seconds=ALERT_SECONDS)
        except AssertionError:
            assert self._difference(wanted) == ([], []), "open alerts: those missing, those too many"
        raised = self._about(keys.ALERT_ALL)
        welcomes = Counter(who for policy, who in raised.values() if policy == "welcome")
        assert welcomes == Counter(buyers), "everybody was welcomed once"
        assert {who for _, who in raised.values()} == buyers
        counted = int(self.shop.redis.hget(keys.ALERT_COUNTS, "raised"))
        assert counted == len(raised), "every alert was raised once"

    def _difference(self, wanted: Counter[Subject]) -> tuple[list[Subject], list[Subject]]:
        found = Counter(self._about(keys.alerts_in("open")).values())
        return sorted(wanted - found), sorted(found - wanted)

    def heard(self) -> None:
        """Every alert has reached the receiver, once.

        It drops what it has seen, by id, as Standard Webhooks says; so what it knows is a set.  This may take as long
        as the lease of a worker that died with a delivery in its hands.
        """
        still, raised = self._ids(keys.alerts_in("open")), self._ids(keys.ALERT_ALL)

        def misheard() -> tuple[list[str], list[str]]:
            there = self._taken("open") - self._taken("resolved")
            return sorted(still - there), sorted(raised & (there - still))

        try:
            eventually(lambda: misheard() == ([], []), "", seconds=HEAR_SECONDS)
        except AssertionError:
            wrong = {one: self.shop.redis.hgetall(keys.alert(one)) for one in chain(*misheard())}
            assert misheard() == ([], []), f"not heard of, not heard to be over: {wrong}"
        told = {(data["id"], data["profile"]) for data in self._bodies() if data["policy"] == "welcome"}
        assert Counter(who for _, who in told) == Counter(set(self.books.orders)), "nobody was welcomed twice"

    def verified(self) -> None:
        """``mien verify`` recomputes everything from the log and finds no difference."""
        settings = self.shop.running.settings
        command = [sys.executable, "-m", "streams.cli", "verify", "--json"]
        done = subprocess.run(
            command,
            env={**os.environ, **as_environ(settings)},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert done.returncode == 0, (
            f"mien verify exits with {done.returncode}:\n{done.stdout[-6000:]}{done.stderr[-2000:]}"
        )

    def _bodies(self) -> list[dict[str, Any]]:
        return [request.json["data"] for request in list(self.hook.taken)]

    def _taken(self, state: str) -> set[str]:
        return {data["id"] for data in self._bodies() if data["state"] == state}

    def _ids(self, index: str) -> set[str]:
        return {member.decode() for member in self.shop.redis.zrange(index, 0, -1)}

    def _about(self, index: str) -> dict[str, Subject]:
        """Alert -> its policy and customer."""
        found = {one: self.shop.redis.hget(keys.alert(one), "alert") for one in self._ids(index)}
        rows = {one: msgspec.json.decode(row) for one, row in found.items() if row}
        return {one: (row["policy"], row["profile"]) for one, row in rows.items()}


@dataclass(frozen=True)
class Letter:
    """One dead letter; ``place`` tells repeats apart."""

    place: tuple[str, str, str]
    reason: str
    value: bytes


OURS: Final = frozenset({"poison", "damaged"})  #: reasons that are our own fault, not the record's


def dead_letters(broker: str) -> list[Letter]:
    """Every dead letter there is."""
    return list(_letters(broker))


def _letters(broker: str) -> Iterator[Letter]:
    consumer = KafkaConsumer(bootstrap_servers=broker.split(","), enable_auto_commit=False)
    try:
        place = TopicPartition(DEAD_LETTERS, 0)
        consumer.assign([place])
        consumer.seek_to_beginning(place)
        end = consumer.end_offsets([place])[place]
        while consumer.position(place) < end:
            for records in consumer.poll(500).values():
                for record in records:
                    about = {name: value.decode() for name, value in record.headers}
                    yield Letter((about["topic"], about["partition"], about["offset"]), about["reason"], record.value)
    finally:
        consumer.close()

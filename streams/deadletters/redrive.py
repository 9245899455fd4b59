"""Dead letters go back to where they came from, each once, however often this is run or killed.

Before a letter is sent, the ledger says where it will be found at the earliest; once Kafka has it, where it is.  Whoever
comes after a kill looks from there on for what was on its way, by the header ``redrive``, before sending it again.
Knows: in which order that is safe.  Must not know: why a letter was refused, how it is shown.
"""

from __future__ import annotations

import uuid
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from typing import Any, Final, NamedTuple
from zlib import crc32

from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.errors import KafkaError

from profiles.clock import MINUTE
from profiles.settings import Settings
from profiles.store.client import Client, connect
from profiles.store.redrives import Redrives, Sent
from streams.deadletters.letters import QUIET_MS, Letter
from streams.deadletters.mend import Mended, Mender
from streams.topics import BrokerDown, asking, is_private, partitions_of

AT_ONCE: Final = 500  #: letters between two notes
ACK_MS: Final = 30_000  #: within which Kafka has a letter, or never will
LEASE: Final = MINUTE  #: of the lock, more than that; a killed command keeps the next one waiting so long


class Outcome(NamedTuple):
    """What became of a letter: ``sent``, ``would_be_sent``, ``already``, or a state of ``Mended`` and why."""

    state: str
    why: str
    reason: str  #: what it had been refused for


async def redrive(
    settings: Settings, chosen: Iterable[Letter], mender: Mender, *, dry: bool, oldest: int = 0
) -> Counter[Outcome]:
    """Send what can be used now; ``dry``: only say what that is.

    ``oldest``: when the oldest letter became one; what the ledger has of older ones is dropped.

    Raises:
        BrokerDown: Kafka is away or did not take a letter; the same command goes on later.
        Busy: another process does the same.
    """
    client = connect(settings.redis)
    ledger = Redrives(client, uuid.uuid4().hex, LEASE)
    counts: Counter[Outcome] = Counter()
    line = _Line(settings)
    try:
        if not dry:
            await ledger.note({})
            await ledger.forget(oldest)
        for letters in _pieces(chosen):
            counts += await _redriven(letters, ledger, line, mender, dry=dry)
    except KafkaError as error:
        raise BrokerDown(
            f"the broker at {settings.broker} failed: {error!r}; the same command goes on later"
        ) from error
    finally:
        line.close()
        if not dry:
            await ledger.let_go()
        await client.aclose()
    return counts


async def not_sent(client: Client, chosen: Iterable[Letter]) -> int:
    """How many of these letters were never sent again.

    Raises:
        RedisError: the store does not answer.
    """
    ledger = Redrives(client, "", LEASE)
    count = 0
    for some in _pieces(chosen):
        known = await ledger.known([letter.id for letter in some])
        count += len(some) - sum(sent.sure for sent in known.values())
    return count


async def _redriven(
    letters: list[Letter], ledger: Redrives, line: _Line, mender: Mender, *, dry: bool
) -> Counter[Outcome]:
    known = await ledger.known([letter.id for letter in letters])
    there = line.found({name: sent for name, sent in known.items() if not sent.sure})
    if there and not dry:
        await ledger.note(there)
    done = there.keys() | {name for name, sent in known.items() if sent.sure}
    outcomes = [Outcome("already", "", letter.reason) for letter in letters if letter.id in done]
    ready: dict[str, tuple[Letter, Mended]] = {}
    for letter in letters:
        if letter.id in done:
            continue
        mended = line.placed(letter, mender(letter))
        if mended.state == "ready":
            ready[letter.id] = letter, mended
        state = mended.state if mended.state != "ready" else "would_be_sent" if dry else "sent"
        outcomes.append(Outcome(state, mended.why, letter.reason))
    if ready and not dry:
        await ledger.note(line.expected(ready))
        await ledger.note(line.send(ready))
    return Counter(outcomes)


def _pieces(letters: Iterable[Letter]) -> Iterator[list[Letter]]:
    rest = iter(letters)
    while piece := list(islice(rest, AT_ONCE)):
        yield piece


class _Line:
    """Kafka, as far as letters are sent and looked for."""

    def __init__(self, settings: Settings) -> None:
        with asking(settings, 30.0) as admin:
            private = is_private(admin)
            self._counts = partitions_of(admin)
        servers = settings.broker.split(",")
        self._reader = KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)
        self._producer = KafkaProducer(
            bootstrap_servers=servers,
            client_id=f"{settings.group}-redrive",
            acks="all",
            linger_ms=20,
            request_timeout_ms=ACK_MS // 2,
            delivery_timeout_ms=ACK_MS,
            enable_idempotence=not private,  # the private broker refuses it
        )

    def close(self) -> None:
        """Let go of both connections."""
        self._producer.close()
        self._reader.close()

    def placed(self, letter: Letter, mended: Mended) -> Mended:
        """The same with its partition, if its topic is there."""
        if mended.state != "ready":
            return mended
        count = self._counts.get(mended.topic, 0)
        partition = mended.partition
        if partition is None:
            partition = crc32(mended.key or letter.id.encode()) % max(count, 1)
        return mended._replace(partition=partition) if partition < count else Mended("impossible", "no_topic")

    def expected(self, ready: Mapping[str, tuple[Letter, Mended]]) -> dict[str, Sent]:
        """Where each letter will stand at the earliest."""
        places = {TopicPartition(mended.topic, mended.partition) for _, mended in ready.values()}
        ends = self._reader.end_offsets(list(places))
        return {
            name: Sent(mended.topic, mended.partition or 0, ends[mended.topic, mended.partition], letter.at, sure=False)
            for name, (letter, mended) in ready.items()
        }

    def send(self, ready: Mapping[str, tuple[Letter, Mended]]) -> dict[str, Sent]:
        """Send them with the times they came at first, and where they are now."""
        futures: dict[str, Any] = {
            name: self._producer.send(
                mended.topic,
                mended.value,
                key=mended.key,
                headers=[*mended.headers, ("redrive", name.encode())],
                partition=mended.partition,
                timestamp_ms=letter.received,
            )
            for name, (letter, mended) in ready.items()
        }
        self._producer.flush()
        told = {name: future.get(timeout=ACK_MS / 1000) for name, future in futures.items()}
        return {name: Sent(each.topic, each.partition, each.offset, ready[name][0].at) for name, each in told.items()}

    def found(self, unsure: Mapping[str, Sent]) -> dict[str, Sent]:
        """Which of these letters are where they were on their way to."""
        starts: dict[TopicPartition, int] = {}
        for sent in unsure.values():
            place = TopicPartition(sent.topic, sent.partition)
            if sent.partition < self._counts.get(sent.topic, 0):
                starts[place] = min(sent.offset, starts.get(place, sent.offset))
        if not starts:
            return {}
        self._reader.assign(list(starts))
        first, ends = self._reader.beginning_offsets(list(starts)), self._reader.end_offsets(list(starts))
        for place, start in starts.items():
            self._reader.seek(place, max(start, first[place]))
        there: dict[str, Sent] = {}
        while True:
            records = self._reader.poll(timeout_ms=QUIET_MS)
            for record in (each for some in records.values() for each in some):
                name = dict(record.headers or ()).get("redrive", b"").decode("utf-8", "replace")
                if name in unsure:
                    there[name] = Sent(record.topic, record.partition, record.offset, unsure[name].at)
            if not records and all(self._reader.position(place) >= ends[place] for place in starts):
                return there

"""The dead letters in Kafka, each once, and the questions people ask about them.

Knows: the topic and the headers of its records.  Must not know: what becomes of a letter.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from fnmatch import fnmatchcase
from hashlib import blake2b
from typing import Any, Final
from zoneinfo import ZoneInfo

from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from profiles.clock import DAY, HOUR, MINUTE, WEEK, Millis
from profiles.errors import MienError
from profiles.landing import carried
from profiles.settings import Settings
from streams.topics import DEAD_LETTERS, BrokerDown, asking, partitions_of

QUIET_MS: Final = 1000  #: nothing more has come for so long; the private broker tells the end of a log too early
_SPANS: Final = {"m": MINUTE, "h": HOUR, "d": DAY, "w": WEEK}


@dataclass(frozen=True)
class Letter:
    """A record that was refused, and what its headers say about it."""

    topic: str  #: where the record came from; ``collect/<dialect>`` if it never was in Kafka
    partition: int
    offset: int
    reason: str
    detail: str
    value: bytes
    at: Millis  #: when it became a dead letter
    received: Millis  #: when the record reached Kafka, or about then
    form: str = "raw"  #: ``packed``: only the event as intake packed it is left
    about: tuple[tuple[str, bytes], ...] = ()  #: headers of the record itself

    @property
    def id(self) -> str:
        """Where the record stood: the same however often the letter was written.

        >>> Letter("events.orders", 2, 17, "invalid_json", "", b"{", 0, 0).id
        'events.orders/2/17'
        """
        return f"{self.topic}/{self.partition}/{self.offset}"

    @property
    def source(self) -> str:
        """Id of the write key it came in by, if it did."""
        return dict(self.about).get("source", b"").decode("utf-8", "replace")

    @property
    def own(self) -> tuple[tuple[str, bytes], ...]:
        """The headers of its record, but for what an earlier re-drive added."""
        return tuple(each for each in self.about if each[0] != "redrive")

    @property
    def origin(self) -> tuple[tuple[str, bytes], ...]:
        """Those that say where it came from, and nothing about its bytes."""
        return tuple(each for each in self.about if each[0] in ("source", "dialect"))


@dataclass(frozen=True)
class Choice:
    """Which letters are meant; what is empty does not narrow the choice."""

    reasons: frozenset[str] = frozenset()
    sources: tuple[str, ...] = ()  #: topics, names or globs, or ids of write keys
    ids: frozenset[str] = frozenset()
    since: Millis = 0

    def takes(self, letter: Letter) -> bool:
        """Whether a letter is meant.

        >>> one = Letter("collect/posthog", 0, 5, "wrong_type", "", b"", 0, 0, about=(("source", b"shop"),))
        >>> Choice(sources=("collect/*",)).takes(one), Choice(sources=("shop",)).takes(one), Choice(since=1).takes(one)
        (True, True, False)
        """
        return (
            letter.at >= self.since
            and (not self.reasons or letter.reason in self.reasons)
            and (not self.ids or letter.id in self.ids)
            and (not self.sources or any(_from(letter, each) for each in self.sources))
        )


def _from(letter: Letter, pattern: str) -> bool:
    return fnmatchcase(letter.topic, pattern) or letter.source == pattern


def moment(text: str, now: Millis, timezone: str) -> Millis:
    """``90m``, ``24h``, ``7d`` or ``2w`` ago, or a date or time of the shop.

    Raises:
        MienError: it is none of these.

    >>> moment("2h", 10_000_000, "Asia/Shanghai"), moment("1970-01-02", 0, "UTC")
    (2800000, 86400000)
    """
    if span := re.fullmatch(r"(\d{1,6})([mhdw])", text.strip()):
        return now - int(span[1]) * _SPANS[span[2]]
    try:
        when = datetime.fromisoformat(text.strip())
    except ValueError:
        raise MienError(f"--since {text!r} is no moment: write 24h, 7d, 2026-11-01 or 2026-11-01T09:30") from None
    aware = when if when.tzinfo else when.replace(tzinfo=ZoneInfo(timezone))
    return round(aware.timestamp() * 1000)


def letters(settings: Settings) -> Iterator[Letter]:
    """Every letter that is kept, once, in the order of each partition.

    Raises:
        BrokerDown: no broker answered, or it failed.
    """
    with asking(settings, 30.0) as admin:
        count = partitions_of(admin).get(DEAD_LETTERS, 0)
    if not count:
        return
    seen: set[bytes] = set()
    try:
        with closing(KafkaConsumer(bootstrap_servers=settings.broker.split(","), enable_auto_commit=False)) as reader:
            for record in _records(reader, [TopicPartition(DEAD_LETTERS, number) for number in range(count)]):
                letter = _letter(record)
                mark = blake2b(letter.id.encode(), digest_size=12).digest()
                if mark not in seen:
                    seen.add(mark)
                    yield letter
    except KafkaError as error:
        raise BrokerDown(f"the broker at {settings.broker} failed while {DEAD_LETTERS} was read: {error!r}") from error


def _records(reader: KafkaConsumer, places: list[TopicPartition]) -> Iterator[Any]:
    """From the beginning to where the log ended when this began."""
    reader.assign(places)
    reader.seek_to_beginning(*places)
    ends = reader.end_offsets(places)
    while True:
        records = reader.poll(timeout_ms=QUIET_MS)
        for some in records.values():
            yield from some
        if not records and all(reader.position(place) >= ends[place] for place in places):
            return


def _letter(record: Any) -> Letter:
    """A letter whose headers somebody else wrote is still a letter; it is known by its own place then."""
    said: Mapping[str, str] = {name: (value or b"").decode("utf-8", "replace") for name, value in record.headers or ()}
    own = (record.topic, record.partition, record.offset)
    try:
        place = said["topic"], int(said["partition"]), int(said["offset"])
        received = int(said.get("received", record.timestamp))
    except (KeyError, ValueError):
        place, received = own, record.timestamp
    return Letter(
        *place,
        reason=said.get("reason", "unknown"),
        detail=said.get("detail", ""),
        value=record.value or b"",
        at=record.timestamp,
        received=received,
        form=said.get("form", "raw"),
        about=carried(record.headers or ()),
    )

"""Numbers of messages and versions of checkpoints are given once, also by a store that came back older.

A store that is restored, or a replica that takes over, may have lost the last commits.  What they said has been heard by
then: whoever keeps numbers (the alert desk, readers of the topic) would take what is decided anew for known, and a frozen
writer could find the version it remembers reached a second time.  So both jump beyond everything that was ever given, and
the checkpoint keeps which numbers were taken back.
Knows: checkpoints, the log of transitions.  Must not know: Faust, profiles, how a bucket works.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import closing

import msgspec
from kafka import KafkaConsumer, TopicPartition
from kafka.errors import KafkaError

from profiles.clock import Millis
from profiles.settings import Settings
from profiles.store.base import Checkpoint, Commit
from profiles.wire import decode_transition
from streams.topics import DEADLINE_SECONDS, TRANSITIONS, BrokerDown

IDLE_MS = 100


def jump(bucket: int, checkpoint: Checkpoint, now: Millis) -> Commit:
    """A commit of nothing but higher numbers: microseconds of the wall clock, which no bucket counts as fast as.

    >>> commit = jump(3, Checkpoint(version=40, seq=700), 1_000)
    >>> commit.expect, commit.version, commit.set
    (40, 1000000, {'seq': 1000000, 'g:700': 1000000})
    """
    beyond = max(now * 1000, checkpoint.seq + 1, checkpoint.version + 1)
    fields = {"seq": beyond, f"g:{checkpoint.seq}": beyond}
    return Commit(bucket, checkpoint.version, seq=beyond, set=fields, version=beyond)


def last_told(settings: Settings, buckets: Iterable[int], *, deadline: float = DEADLINE_SECONDS) -> dict[int, int]:
    """Bucket -> number of the last transition that its topic has; buckets without any are left out.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    places = [TopicPartition(TRANSITIONS, bucket) for bucket in buckets]
    if not places:
        return {}
    servers = [server.strip() for server in settings.broker.split(",")]
    try:
        with closing(KafkaConsumer(bootstrap_servers=servers, enable_auto_commit=False)) as consumer:
            return _last_of(consumer, places, time.monotonic() + deadline)
    except KafkaError as error:
        raise BrokerDown(f"the Kafka broker at {settings.broker} failed: {error}; is it healthy?") from error


def _last_of(consumer: KafkaConsumer, places: list[TopicPartition], until: float) -> dict[int, int]:
    """Read each partition from just before its end; the private broker tells an end that is a batch too early."""
    starts, ends = consumer.beginning_offsets(places), consumer.end_offsets(places)
    consumer.assign(places)
    for place in places:
        consumer.seek(place, max(starts[place], ends[place] - 1))
    waiting = {place for place in places if ends[place] > starts[place]}
    found: dict[int, int] = {}
    while time.monotonic() < until:
        fetched = consumer.poll(timeout_ms=IDLE_MS)
        for place, records in fetched.items():
            found[place.partition] = max([found.get(place.partition, 0), *(_number(each.value) for each in records)])
        waiting -= fetched.keys()
        if not fetched and not waiting:
            return found
    raise BrokerDown(f"the last records of {TRANSITIONS} could not be read; is the broker healthy?")


def _number(value: bytes | None) -> int:
    """0 for a record that nobody can read: it is somebody else's, and gave no number."""
    try:
        return decode_transition(value or b"").seq
    except msgspec.MsgspecError:
        return 0

"""A word to buckets, in their own logs: what a command wants done is done by whoever writes them.

Knows: the log of a bucket.  Must not know: what is told.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka import KafkaProducer

from profiles import inputs
from profiles.settings import Settings
from streams.topics import PROFILE_INPUTS


def tell(settings: Settings, record: inputs.Record, buckets: Iterable[int]) -> None:
    """Put a record into the logs of these buckets; returns when Kafka has it in all of them."""
    producer = KafkaProducer(bootstrap_servers=settings.broker.split(","), acks="all", enable_idempotence=False)
    try:
        sent = [producer.send(PROFILE_INPUTS, inputs.encode(record), partition=bucket) for bucket in buckets]
        for each in sent:
            each.get(timeout=30)
    finally:
        producer.close()

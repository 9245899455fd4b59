"""The two event topics on a broker that nothing else uses.

Knows: kafka-python's admin client.  Must not know: what is in the topics.
"""

from __future__ import annotations

from kafka import KafkaAdminClient

from bench.fold import PARTITIONS
from streams.shoppers.batch import TOPICS


def event_topics(broker: str) -> None:
    """Create them, with room for a long log."""
    admin = KafkaAdminClient(bootstrap_servers=broker)
    try:
        admin.create_topics({name: {"num_partitions": PARTITIONS, "replication_factor": 1} for name in TOPICS})
        admin.wait_for_topics(list(TOPICS))
    finally:
        admin.close()

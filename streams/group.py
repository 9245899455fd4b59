"""What the consumer group has committed: how far intake and the alert desk are.

Knows: committed offsets.  Must not know: who reads what.
"""

from __future__ import annotations

from collections.abc import Iterable

from kafka import TopicPartition
from kafka.admin import OffsetSpec

from profiles.settings import Settings
from streams.topics import DEADLINE_SECONDS, asking, matching, partitions_of


def begins(
    settings: Settings, wanted: Iterable[tuple[str, int]], *, deadline: float = DEADLINE_SECONDS
) -> dict[tuple[str, int], int]:
    """Where the group goes on in these partitions: at what was committed, or at the start of the log.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    places = [TopicPartition(*one) for one in wanted]
    if not places:
        return {}
    with asking(settings, deadline) as admin:
        committed = admin.list_group_offsets(settings.group).get(settings.group, {})
        starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST))
    known = {at: committed[at].offset if at in committed else -1 for at in places}
    return {(at.topic, at.partition): known[at] if known[at] >= 0 else starts[at].offset for at in places}


def handed_on(settings: Settings, *, deadline: float = DEADLINE_SECONDS) -> bool:
    """Whether intake has handed on every record of every event topic; what it has is in ``profile-inputs``.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    with asking(settings, deadline) as admin:
        partitions = partitions_of(admin)
        names = matching(settings.event_topics, partitions)
        places = [TopicPartition(name, number) for name in names for number in range(partitions[name])]
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)) if places else {}
    done = begins(settings, [(at.topic, at.partition) for at in places], deadline=deadline)
    return all(done[at.topic, at.partition] >= ends[at].offset for at in places)

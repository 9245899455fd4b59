"""The topics: their names, their shape, and that the broker really has them so.

Knows: what each topic carries, how many partitions it needs and why.
Must not know: the records in them, or who reads them.

A bucket of customers *is* a partition of ``profile-inputs``, so a wrong partition count there is no detail: it would
send customers to writers that do not own them.  It is checked at every start.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

from kafka import KafkaAdminClient, TopicPartition
from kafka.admin import OffsetSpec
from kafka.errors import KafkaError, TopicAlreadyExistsError, for_code

from profiles import topics as shared
from profiles.errors import MienError
from profiles.settings import Settings

PROFILE_INPUTS = shared.PROFILE_INPUTS
TRANSITIONS = "transitions"
SAMPLES = "samples"
DEAD_LETTERS = shared.DEAD_LETTERS
OWN = frozenset({PROFILE_INPUTS, TRANSITIONS, SAMPLES, DEAD_LETTERS})

USUAL_EVENTS = shared.USUAL_EVENTS

HISTORY = "events.history"
"""Likewise, for what `mien import` sends; not in a replay, which would wait for it to show how far it is."""

MIB = 1 << 20
DAY_MS = 86_400_000
EVENT_MAX_BYTES = 2 * MIB
DEAD_LETTER_MAX_BYTES = 4 * MIB  # the largest event whole, and the reason beside it
DEADLINE_SECONDS = 30.0


class TopicMismatch(MienError):
    """A topic is not as Mien needs it; the message names the topic and the fix."""


class BrokerDown(MienError):
    """No broker answered before the deadline, or it failed while it was asked."""


@dataclass(frozen=True)
class Topic:
    """What a topic should be.  ``exact``: another number of partitions would be wrong, not just unusual."""

    name: str
    purpose: str
    partitions: int
    keep_days: int
    max_bytes: int
    exact: bool = False
    setting: str = ""

    def spec(self, replication: int) -> dict[str, Any]:
        """The topic as kafka-python's ``create_topics`` takes it."""
        return {
            "num_partitions": self.partitions,
            "replication_factor": replication,
            "configs": {
                "cleanup.policy": "delete",
                "retention.ms": str(self.keep_days * DAY_MS),
                "segment.ms": str(DAY_MS),  # what was cut leaves the disk with its segment
                "max.message.bytes": str(self.max_bytes),
                "min.insync.replicas": str(max(1, replication - 1)),  # one broker may be away, none may lie
            },
        }


@dataclass(frozen=True)
class Seen:
    """A topic as the broker has it, for a table.  ``wanted`` is None where any number will do."""

    name: str
    purpose: str
    partitions: int
    wanted: int | None

    @property
    def fits(self) -> bool:
        """Whether it can be used as it is."""
        return self.partitions > 0 and self.wanted in {None, self.partitions}


def plan(settings: Settings) -> tuple[Topic, ...]:
    """Every topic that should exist under these settings."""
    many = settings.buckets
    return (
        *(
            Topic(name, "raw events", settings.event_partitions, shared.KEPT_DAYS, EVENT_MAX_BYTES)
            for name in _events_to_create(settings)
        ),
        Topic(PROFILE_INPUTS, "inputs by bucket", many, shared.KEPT_DAYS, DEAD_LETTER_MAX_BYTES, True, "MIEN_BUCKETS"),
        Topic(
            TRANSITIONS,
            "tags, tiers, stages entered and left",
            many,
            shared.KEPT_DAYS,
            EVENT_MAX_BYTES,
            True,
            "MIEN_BUCKETS",
        ),
        Topic(
            SAMPLES, "what the learner is told: feature vectors, baskets", 1, shared.KEPT_DAYS, EVENT_MAX_BYTES, True
        ),
        Topic(
            DEAD_LETTERS,
            "records that could not be used, whole, and why",
            1,
            shared.DEAD_LETTER_DAYS,
            DEAD_LETTER_MAX_BYTES,
        ),
    )


def provision(settings: Settings, *, deadline: float = DEADLINE_SECONDS) -> tuple[str, ...]:
    """Create what is missing, check what is there, return the names that were created.  Safe to repeat and to race.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
        TopicMismatch: an existing topic has a partition count that would break profiles.
    """
    wanted = {topic.name: topic for topic in plan(settings)}
    with asking(settings, deadline) as admin:
        missing = sorted(wanted.keys() - partitions_of(admin).keys())
        created = _create(admin, [wanted[name] for name in missing], settings.replication)
        present = partitions_of(admin)
    for topic in wanted.values():
        if topic.exact and present[topic.name] != topic.partitions:
            raise TopicMismatch(_mismatch(topic, present[topic.name]))
    return created


def describe(settings: Settings, *, deadline: float = DEADLINE_SECONDS) -> tuple[Seen, ...]:
    """How the topics are now: the planned ones first, then every other event topic; ``partitions=0`` means missing.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    planned = plan(settings)
    with asking(settings, deadline) as admin:
        present = partitions_of(admin)
    others = set(matching(settings.event_topics, present)) - {topic.name for topic in planned}
    return (
        *(
            Seen(topic.name, topic.purpose, present.get(topic.name, 0), topic.partitions if topic.exact else None)
            for topic in planned
        ),
        *(Seen(name, "raw events", present[name], None) for name in sorted(others)),
    )


def event_topics(settings: Settings, *, deadline: float = DEADLINE_SECONDS) -> tuple[str, ...]:
    """The event topics that the broker has now, sorted.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    with asking(settings, deadline) as admin:
        return matching(settings.event_topics, partitions_of(admin))


@dataclass(frozen=True)
class Log:
    """One partition as the broker has it now: its first record, and where the next one will go.

    Not ``sure``: the end may be further on.
    """

    start: int
    end: int
    sure: bool = True


def misfit(settings: Settings, *, deadline: float = DEADLINE_SECONDS) -> None:
    """Insist that Mien's own topics, as far as they are there, have the partitions that profiles were made with.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
        TopicMismatch: one has others; the message names the fix.
    """
    with asking(settings, deadline) as admin:
        present = partitions_of(admin)
    for topic in plan(settings):
        if topic.exact and present.get(topic.name, topic.partitions) != topic.partitions:
            raise TopicMismatch(_mismatch(topic, present[topic.name]))


def logs(
    settings: Settings, wanted: Iterable[tuple[str, int]], *, deadline: float = DEADLINE_SECONDS
) -> tuple[dict[str, str], dict[tuple[str, int], Log]]:
    """The ids of all topics, and the wanted partitions that exist, with where they begin and end.

    The private broker is forgetful: every topic is new at each start, so ids mean nothing, and the end it tells is that
    of the last batch's first record.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds.
    """
    with asking(settings, deadline) as admin:
        private = is_private(admin)
        topics = {topic["name"]: topic for topic in admin.describe_topics()}
        counts = {name: len(topic["partitions"]) for name, topic in topics.items()}
        places = [TopicPartition(topic, number) for topic, number in wanted if number < counts.get(topic, 0)]
        starts = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.EARLIEST)) if places else {}
        ends = admin.list_partition_offsets(dict.fromkeys(places, OffsetSpec.LATEST)) if places else {}
    ids = {} if private else {name: str(topic["topic_id"] or "") for name, topic in topics.items()}
    return ids, {(at.topic, at.partition): Log(starts[at].offset, ends[at].offset, sure=not private) for at in places}


def matching(patterns: Iterable[str], names: Iterable[str]) -> tuple[str, ...]:
    """Names that match a pattern, sorted; never Mien's own topics nor the broker's, whatever the pattern.

    >>> matching(["events.*", "crm"], ["events.orders", "crm", "crm2", "transitions", "__consumer_offsets"])
    ('crm', 'events.orders')
    >>> matching(["*"], ["events.orders", "profile-inputs"])
    ('events.orders',)
    """
    patterns = tuple(patterns)
    return tuple(
        sorted(
            name
            for name in names
            if name not in OWN and not name.startswith("__") and any(fnmatchcase(name, one) for one in patterns)
        )
    )


def _events_to_create(settings: Settings) -> tuple[str, ...]:
    """Plain names as they are; globs cannot be created, but they may stand for the usual ones."""
    patterns, usual = settings.event_topics, list(USUAL_EVENTS)
    if settings.clock == "wall" and matching(settings.history_topics, [HISTORY]):
        usual.append(HISTORY)
    plain = [one for one in patterns if not set(one) & set("*?[")]
    if own := OWN.intersection(plain):
        raise TopicMismatch(f"MIEN_EVENT_TOPICS must not name {min(own)}: Mien writes it; read events from others")
    return tuple(dict.fromkeys([*plain, *matching(patterns, usual)]))


@contextmanager
def asking(settings: Settings, deadline: float) -> Iterator[KafkaAdminClient]:
    """A connection for questions about topics and groups.

    Raises:
        BrokerDown: no broker answered within ``deadline`` seconds, or it failed while it was asked.
    """
    servers = [server.strip() for server in settings.broker.split(",")]
    try:
        admin = KafkaAdminClient(
            bootstrap_servers=servers,
            client_id=f"{settings.group}-topics",
            bootstrap_timeout_ms=int(deadline * 1000),  # it keeps trying that long: the broker may be starting
        )
    except KafkaError as error:
        raise BrokerDown(
            f"no Kafka broker at {settings.broker} within {deadline:g} s: is MIEN_BROKER right?"
        ) from error
    try:
        yield admin
    except KafkaError as error:
        raise BrokerDown(f"the Kafka broker at {settings.broker} failed: {error}; is it healthy?") from error
    finally:
        admin.close()


def is_private(admin: KafkaAdminClient) -> bool:
    """Whether this is the private broker, which can do less than Kafka."""
    return str(admin.describe_cluster()["cluster_id"]).startswith("tansu")


def partitions_of(admin: KafkaAdminClient) -> dict[str, int]:
    """How many partitions each topic has."""
    return {topic["name"]: len(topic["partitions"]) for topic in admin.describe_topics()}


def _create(admin: KafkaAdminClient, topics: Sequence[Topic], replication: int) -> tuple[str, ...]:
    if not topics:
        return ()
    specs = {topic.name: topic.spec(replication) for topic in topics}
    created = []
    for result in admin.create_topics(specs, raise_errors=False)["topics"]:
        error = for_code(result["error_code"])
        if result["error_code"] == 0:
            created.append(result["name"])
        elif error is not TopicAlreadyExistsError:  # another worker may have been quicker
            why = result["error_message"] or error.__name__
            raise TopicMismatch(f"the broker would not create {result['name']}: {why}")
    admin.wait_for_topics(list(specs))
    return tuple(created)


def _mismatch(topic: Topic, found: int) -> str:
    says = f"{topic.name} has {found} partitions, but "
    redo = f"where nothing is stored yet, delete {topic.name} and run `mien topics` again"
    if topic.setting:
        return f"{says}{topic.setting} is {topic.partitions}; set {topic.setting}={found}, or, {redo}"
    return f"{says}needs {topic.partitions}, because its order matters; {redo}"

"""The parts of a worker, connected and put together.

Knows: which part needs which.  Must not know: when any of them is used.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import httpx2
from aiokafka import AIOKafkaProducer

from profiles.clock import Clock
from profiles.errors import MienError
from profiles.features import FEATURES
from profiles.identity.guards import Limits
from profiles.identity.names import KINDS
from profiles.landing import Landing
from profiles.mapping.watched import Watched
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.alarms import Alarms
from profiles.store.client import Client, connect
from profiles.store.erasure import Regulations
from profiles.store.quality import QualityStore
from profiles.store.redis import RedisStore
from profiles.store.registry import Registry
from profiles.store.vault import Vault, open_vault
from profiles.store.worlds import Worlds
from profiles.suppressed import Suppressed
from profiles.vault.ring import parse
from streams.alerts import AlertDesk
from streams.bell import Bell
from streams.contact import Contacts
from streams.intake import IntakeHop
from streams.learn import Learner
from streams.lookup import Lookup
from streams.mapping import Mapping
from streams.patience import Patience
from streams.places import Places
from streams.quality import Quality
from streams.quarantine import Limit, Quarantine
from streams.reading import Reading
from streams.relay import Relay
from streams.sms import provider
from streams.topics import MIB, event_topics, misfit


@dataclass(frozen=True)
class Parts:
    """Everything a worker works with."""

    store: RedisStore
    worlds: Worlds
    hop: IntakeHop
    mapping: Mapping
    quality: Quality
    relay: Relay
    learner: Learner
    desk: AlertDesk
    vault: Vault
    suppressed: Suppressed
    aside: Quarantine
    places: Places
    reading: Reading
    next_of: Callable[[str, int, int], Awaitable[int | None]]  #: the first record of a log from an offset on, if any
    bell: Bell
    topics: tuple[str, ...]  #: event topics that are read
    sources: int  #: their partitions, all together
    alerting_by: int  #: version of the rules that the desk begins with


async def assemble(settings: Settings, clock: Clock, patiently: Patience) -> Parts:
    """Connect to Kafka and Redis, check that they are ours, and make the parts.

    Raises:
        MienError: something does not fit, and no waiting mends it; the message says what to do.
    """
    client = connect(settings.redis)
    registry = Registry(client)
    worlds = Worlds(registry, settings)
    producer = AIOKafkaProducer(
        bootstrap_servers=settings.broker,
        client_id=f"{settings.group}-worker",
        acks="all",
        max_request_size=4 * MIB,
        max_batch_size=MIB // 2,
        linger_ms=0,
    )
    await patiently("connect to Kafka", producer.start)
    await patiently("look at the topics", lambda: asyncio.to_thread(misfit, settings))
    await patiently("open the store", worlds.open)
    vault = await patiently("open the vault", lambda: open_vault(client, parse(settings.pii_keys), settings.buckets))
    regulations = Regulations(client)
    suppressed = Suppressed(regulations, vault, settings.buckets)
    await patiently("read who is suppressed", suppressed.refresh)
    lookup = Lookup(settings.broker)
    bell = Bell(Alarms(client), clock)
    aside = Quarantine(producer, Limit(settings.faults_per_minute), lookup.value, bell)
    store = RedisStore(client)
    topics = await patiently("look for event topics", lambda: asyncio.to_thread(event_topics, settings))
    contact = Contacts(store, regulations, vault, settings.buckets, consent_needed=settings.sms_needs_consent)
    watched = Watched(settings)
    landing = Landing.of(settings, seals=vault.seals, blind=vault.blind, sources=watched.sources)
    quality = Quality(QualityStore(client), settings.timezone, landing.form)
    desk, alerting_by = await patiently("alert desk", lambda: _desk(settings, clock, client, worlds, contact))
    return Parts(
        store=store,
        worlds=worlds,
        hop=IntakeHop(
            landing,
            settings.buckets,
            producer,
            aside,
            replay=settings.clock == "stream",
            history=settings.history_topics,
            vault=vault,
            suppressed=suppressed,
            quality=quality,
        ),
        mapping=Mapping(settings, watched, landing, bell),
        quality=quality,
        relay=Relay(store, producer, patiently),
        learner=Learner(registry, producer, settings.buckets, settings.churn_days, settings.alerts_a_day),
        desk=desk,
        vault=vault,
        suppressed=suppressed,
        aside=aside,
        places=Places(settings, bell),
        reading=Reading(lookup.first, patiently, bell, accept_loss=settings.accept_loss),
        next_of=lookup.next,
        bell=bell,
        topics=topics,
        sources=sum([len(await producer.partitions_for(topic)) for topic in topics]),
        alerting_by=alerting_by,
    )


def limits(settings: Settings) -> Limits:
    """What a customer's ids are held to.

    Raises:
        MienError: MIEN_ONE_TO_ONE names a kind that there is not.
    """
    if unknown := set(settings.one_to_one) - set(KINDS):
        raise MienError(f"MIEN_ONE_TO_ONE: no kind of ids is called {sorted(unknown)}; there are {', '.join(KINDS)}")
    return Limits(settings.ids_per_customer, settings.one_to_one)


async def _desk(
    settings: Settings, clock: Clock, client: Client, worlds: Worlds, contact: Contacts
) -> tuple[AlertDesk, int]:
    version = await worlds.registry.live(keys.RULES)
    book = await worlds.book(version)
    names = {feature.name: feature.zh for feature in FEATURES}
    http = httpx2.AsyncClient(follow_redirects=False, trust_env=False)
    sms = provider(settings, clock)
    return AlertDesk(settings, client, clock, book.alert_rules(), http, sms, names=names, contact=contact), version

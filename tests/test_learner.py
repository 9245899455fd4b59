"""The learner of the stream: what it publishes is what the core makes of the same samples, whoever dies on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import TypeVar

import msgspec
import numpy as np
import pytest
from kafka import KafkaConsumer, TopicPartition

from profiles import inputs
from profiles.clock import WEEK, system_clock
from profiles.errors import MienError
from profiles.models import churn, segment_params, segments, voice, voice_params
from profiles.models import params as published
from profiles.models.churn import Batch
from profiles.models.churn_inputs import RAW
from profiles.population import Cuts
from profiles.settings import load
from profiles.store import keys
from profiles.store.client import connect
from profiles.store.models import CHURN, KEPT_MS, SEGMENTS, VOICE, Models
from profiles.store.registry import Registry
from profiles.store.worlds import CUTS
from profiles.wire import Opinion, Sample, decode_lesson, encode
from streams.commands import models as commands
from streams.learn import STATE, Learner
from streams.topics import PROFILE_INPUTS, provision
from tests.models.shop import HORIZON, samples
from tests.models.test_voice import LOG as OPINIONS


@dataclass
class Record:
    offset: int
    value: bytes


class Log:
    """Takes what is sent to profile-inputs."""

    def __init__(self) -> None:
        self.sent: list[tuple[int | None, inputs.Record]] = []

    async def send_and_wait(
        self, topic: str, value: bytes | None = None, key: bytes | None = None, partition: int | None = None,
        headers: Sequence[tuple[str, bytes]] | None = None,
    ) -> None:  # fmt: skip
        assert topic == "profile-inputs"
        assert value is not None
        del key, headers
        self.sent.append((partition, inputs.decode(value)))


def log_of(batch: Batch) -> list[Record]:
    """Samples as they lie in the topic."""
    found = []
    for seq, (code, at, row) in enumerate(zip(batch.codes.tolist(), batch.at.tolist(), batch.raw, strict=True)):
        seen = {name: value for name, value in zip(RAW, row.tolist(), strict=True) if np.isfinite(value)}
        found.append(Record(seq, encode(Sample(0, seq + 1, str(code), at, seen))))
    return found


def core(records: Sequence[Record]) -> churn.Params | None:
    """What the core alone makes of whole weeks of samples."""
    memory = churn.zero(HORIZON)
    told = [msgspec.json.decode(each.value, type=Sample) for each in records]
    last = max(each.at for each in told) // WEEK
    churn.update(memory, churn.batch_of([each for each in told if each.at // WEEK < last]))
    churn.turn(memory, last)
    return churn.read(memory, 0)


P = TypeVar("P", churn.Params, segments.Params, voice.Params)


def alike(one: P | None, other: P | None) -> bool:
    assert one is not None
    assert other is not None
    return msgspec.structs.replace(one, version=0) == msgspec.structs.replace(other, version=0)


def run(url: str, story: Callable[[Registry, Callable[[], Learner]], Awaitable[None]], days: int = HORIZON) -> None:
    async def told() -> None:
        client = connect(url)
        registry = Registry(client)
        try:
            await story(registry, lambda: Learner(registry, Log(), 2, days))
        finally:
            await client.aclose()

    asyncio.run(told())


async def live(registry: Registry) -> churn.Params | None:
    version = await registry.live(keys.params(CHURN.name))
    return published.decode(await registry.document(keys.params(CHURN.name), version)) if version else None


async def live_segments(registry: Registry) -> segments.Params | None:
    version = await registry.live(keys.params(SEGMENTS.name))
    if not version:
        return None
    return segment_params.decode(await registry.document(keys.params(SEGMENTS.name), version))


async def live_voice(registry: Registry) -> voice.Params | None:
    version = await registry.live(keys.params(VOICE.name))
    return voice_params.decode(await registry.document(keys.params(VOICE.name), version)) if version else None


def with_opinions(records: Sequence[Record]) -> list[Record]:
    """Rated texts between the samples, of another bucket: two after each of the first ones."""
    values, said = list[bytes](), iter(OPINIONS)
    for record in records:
        values += [record.value, *(encode(msgspec.structs.replace(each, bucket=1)) for each in islice(said, 2))]
    return [Record(offset, value) for offset, value in enumerate(values)]


def core_voice(records: Sequence[Record]) -> voice.Params | None:
    """What the core alone makes of the rated texts that came before the last week's first sample."""
    told = [decode_lesson(each.value) for each in records]
    last = max(each.at for each in told if isinstance(each, Sample)) // WEEK
    end = next(i for i, each in enumerate(told) if isinstance(each, Sample) and each.at // WEEK == last)
    memory = voice.zero()
    voice.update(memory, [each for each in told[:end] if isinstance(each, Opinion)])
    return voice.read(memory, 0)


def core_segments(records: Sequence[Record]) -> segments.Params | None:
    """What the core alone makes of whole weeks of samples; version as the learner counts them."""
    memory, version = segments.zero(), 0
    batch = churn.batch_of([msgspec.json.decode(each.value, type=Sample) for each in records])
    for week in np.unique(batch.at // WEEK).tolist():
        segments.turn(memory, week)
        version += memory.served is not None
        segments.update(memory, batch.part(batch.at // WEEK == week))
    return segments.read(memory, version)


async def cuts_of(registry: Registry, version: int) -> Cuts:
    return msgspec.json.decode(await registry.document(keys.params(CUTS), version), type=Cuts)


def decided(url: str, broker: str) -> Cuts:
    """What every bucket was told last to decide with."""
    logs = [TopicPartition(PROFILE_INPUTS, bucket) for bucket in range(2)]
    reader = KafkaConsumer(bootstrap_servers=broker, auto_offset_reset="earliest", consumer_timeout_ms=3_000)
    reader.assign(logs)
    reader.seek_to_beginning(*logs)
    told = {each.partition: inputs.decode(each.value) for each in reader}
    reader.close()
    assert told.keys() == {0, 1}
    assert told[0] == told[1]
    control = told[0]
    assert isinstance(control, inputs.Control)
    assert control.what == CUTS
    found: list[Cuts] = []

    async def story(registry: Registry, _: Callable[[], Learner]) -> None:
        found.append(await cuts_of(registry, control.version))

    run(url, story)
    return found[0]


LOG = log_of(samples(120, 20))


def test_what_is_published_is_what_the_core_makes_of_the_same_samples(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        one = learner()
        for start in range(0, len(LOG), 333):
            await one.handle(LOG[start : start + 333])
        found = await live(registry)
        assert alike(found, core(LOG))
        assert found is not None
        assert found.version == await registry.live(keys.params(CHURN.name)) > 3
        assert found.samples > 0
        told = await live_segments(registry)
        assert told == core_segments(LOG)
        assert told is not None
        assert len({each.en for each in told.segments}) == segments.SEGMENTS

    run(redis_url, story)


def test_a_learner_that_dies_anywhere_comes_to_the_same(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        rng, place = np.random.default_rng(5), 0
        while place < len(LOG):
            one = learner()  # the one before died, with everything it had not stored
            place = (await one.open()).next
            await one.handle(LOG[place : place + int(rng.integers(200, 900))])
            place = max(place, (await one.open()).next)
        assert alike(await live(registry), core(LOG))
        assert alike(await live_segments(registry), core_segments(LOG))

    run(redis_url, story)


def test_a_learner_killed_after_it_published_and_before_it_stored_comes_to_the_same(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was published then is published once more, from the same samples."""
    encode, stores = churn.encode, [0]

    def dying(memory: churn.Memory) -> bytes:
        stores[0] += 1
        if stores[0] % 4 == 0:
            raise RuntimeError("killed")
        return encode(memory)

    monkeypatch.setattr(churn, "encode", dying)

    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        place, deaths = 0, 0
        while place < len(LOG):
            one = learner()
            place = (await one.open()).next
            try:
                await one.handle(LOG[place:])
            except RuntimeError:
                deaths += 1
            else:
                place = len(LOG)
        assert deaths > 3
        assert alike(await live(registry), core(LOG))
        found, told = await live_segments(registry), core_segments(LOG)
        assert alike(found, told)

    run(redis_url, story)


def test_samples_that_come_twice_change_nothing(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        one, twice = learner(), [each for each in LOG for _ in range(2)]
        doubled = [Record(offset, each.value) for offset, each in enumerate(twice)]
        await one.handle(doubled)
        await one.handle(doubled)
        assert alike(await live(registry), core(LOG))
        assert await live_segments(registry) == core_segments(LOG)

    run(redis_url, story)


def test_what_cannot_be_read_is_refused_before_anything_is_learned(redis_url: str) -> None:
    async def story(_: Registry, learner: Callable[[], Learner]) -> None:
        one = learner()
        with pytest.raises(msgspec.DecodeError):
            await one.handle([LOG[0], Record(1, b"{"), LOG[2]])
        assert (await one.open()).next == 0
        await one.handle(LOG[:3])
        assert (await one.open()).next == 3

    run(redis_url, story)


def test_with_another_horizon_the_model_begins_anew_and_cut_points_go_on(redis_url: str) -> None:
    async def begun(_: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(LOG)

    async def changed(registry: Registry, learner: Callable[[], Learner]) -> None:
        one = learner()
        before = (await one.open()).next
        assert before > 0
        await one.handle(LOG[before:])
        stored = await registry.client.hget(keys.params(STATE), "churn")
        assert churn.decode(stored).horizon_days == HORIZON + 7
        assert await registry.live(keys.params(CUTS)) > 0

    run(redis_url, begun)
    run(redis_url, changed, HORIZON + 7)


def test_a_model_for_other_inputs_is_refused_and_the_last_good_one_serves_on(redis_url: str) -> None:
    async def story(registry: Registry, _: Callable[[], Learner]) -> None:
        now = [system_clock()]
        models = Models(registry, lambda: now[0], CHURN)
        assert await models.serving() is None
        good = core(LOG)
        assert good is not None
        assert await models.publish(good) == 1
        assert await models.serving() is None, "it is looked for every few seconds only"
        now[0] += KEPT_MS
        assert alike(await models.serving(), good)
        await models.publish(msgspec.structs.replace(good, inputs_hash="another"))
        now[0] += KEPT_MS
        serving = await models.serving()
        assert serving is not None
        assert serving.version == 1

    run(redis_url, story)


def test_an_older_version_serves_while_it_is_held_and_the_learner_goes_on(
    redis_url: str, own_broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``mien models use`` and ``follow``: for readers, and for what buckets decide."""
    for name, value in {"MIEN_REDIS": redis_url, "MIEN_BROKER": own_broker, "MIEN_BUCKETS": "2"}.items():
        monkeypatch.setenv(name, value)
    provision(load())
    half = len(LOG) // 2

    async def first(_: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(LOG[:half])

    run(redis_url, first)
    assert commands.use(1) == 0
    held = decided(redis_url, own_broker)
    assert held.churn is not None
    assert held.churn.version == 1

    async def then(registry: Registry, learner: Callable[[], Learner]) -> None:
        before = await registry.last(keys.params(CHURN.name))
        one = learner()
        await one.handle(LOG[(await one.open()).next :])
        assert await registry.last(keys.params(CHURN.name)) > before > 1
        assert await registry.live(keys.params(CHURN.name)) == await registry.held(keys.params(CHURN.name)) == 1
        cuts = await cuts_of(registry, await registry.live(keys.params(CUTS)))
        assert cuts.version > held.version
        assert cuts.churn == held.churn, "what is learned meanwhile decides nothing"

    run(redis_url, then)
    assert commands.show() == 0
    assert commands.follow() == 0
    led = decided(redis_url, own_broker)
    assert led.churn is not None
    assert led.churn.version > 1
    with pytest.raises(MienError, match="no version 9999"):
        commands.use(9999)

    async def after(registry: Registry, _: Callable[[], Learner]) -> None:
        assert await registry.live(keys.params(CHURN.name)) == await registry.last(keys.params(CHURN.name))
        assert await registry.held(keys.params(CHURN.name)) == 0

    run(redis_url, after)
    told = capsys.readouterr().out
    assert "held" in told
    assert "AUC" in told


def test_a_state_of_segments_that_does_not_fit_begins_anew_and_the_churn_model_goes_on(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(LOG)
        await registry.client.hset(keys.params(STATE), "segments", b"another shape")
        one = learner()
        before = (await one.open()).next
        await one.handle(LOG[before:])
        stored, model = await registry.client.hmget(keys.params(STATE), ["segments", "churn"])
        assert segments.decode(stored).served is None
        assert churn.decode(model).logistic.state().samples > 0

    run(redis_url, story)


# --- voices ------------------------------------------------------------------------------------------------------------

SPOKEN = with_opinions(LOG)


def test_rated_texts_among_the_samples_are_learned_and_the_rest_is_as_without_them(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        one = learner()
        for start in range(0, len(SPOKEN), 333):
            await one.handle(SPOKEN[start : start + 333])
        found = await live_voice(registry)
        assert alike(found, core_voice(SPOKEN))
        assert found is not None
        assert found.ready
        assert alike(await live(registry), core(LOG))
        assert alike(await live_segments(registry), core_segments(LOG))

    run(redis_url, story)


def test_a_learner_that_dies_anywhere_has_read_every_text_once(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        rng, place = np.random.default_rng(6), 0
        while place < len(SPOKEN):
            one = learner()
            place = (await one.open()).next
            some = SPOKEN[place : place + int(rng.integers(300, 2000))]
            await one.handle([Record(each.offset, each.value) for each in some for _ in range(2)])
            place = max(place, (await one.open()).next)
        assert alike(await live_voice(registry), core_voice(SPOKEN))

    run(redis_url, story)


def test_weeks_in_which_nobody_rated_publish_no_new_voice(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(SPOKEN)
        voices, models = await registry.last(keys.params(VOICE.name)), await registry.last(keys.params(CHURN.name))
        assert 0 < voices < models

    run(redis_url, story)


def test_a_state_of_voices_that_does_not_fit_begins_anew(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(SPOKEN[: len(SPOKEN) // 2])
        await registry.client.hset(keys.params(STATE), "voice", b"another shape")
        one = learner()
        await one.handle(SPOKEN[(await one.open()).next :])
        stored = await registry.client.hget(keys.params(STATE), "voice")
        assert voice.decode(stored).positive < len(OPINIONS)

    run(redis_url, story)

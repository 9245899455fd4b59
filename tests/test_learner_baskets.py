"""The learner of the stream counts baskets as the core does, whoever dies on the way, and says so once a week."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from profiles.clock import WEEK
from profiles.models import basket_params, baskets
from profiles.store import keys
from profiles.store.models import BASKETS
from profiles.store.registry import Registry
from profiles.wire import Basket, Sample, decode_lesson, encode
from streams.learn import STATE, Learner
from tests.models.shop import samples
from tests.test_learner import Record, log_of, run


def mixed(seed: int = 3) -> list[Record]:
    """Weeks of samples with orders of several products between them, as they lie in the topic; some are told again."""
    rng, found = np.random.default_rng(seed), []
    for record in log_of(samples(40, 12)):
        lesson = decode_lesson(record.value)
        found.append(lesson)
        for _ in range(int(rng.integers(0, 3))):
            items = tuple(sorted(set(rng.integers(1, 12, 4).tolist()) | {20, 21} if rng.random() < 0.3 else {1, 22}))
            at = lesson.at - int(rng.integers(0, 2 * WEEK))
            found.append(Basket(0, 0, "u", at, items, tuple(item % 3 + 1 for item in items)))
    told = [(type(each), seq, each) for seq, each in enumerate(found, 1)]
    again = [told[n] for n in sorted([*range(len(told)), *rng.integers(0, len(told), 50).tolist()])]
    return [Record(offset, encode(_numbered(each, seq))) for offset, (_, seq, each) in enumerate(again)]


def _numbered(lesson: Sample | Basket, seq: int) -> Sample | Basket:
    if isinstance(lesson, Sample):
        return Sample(0, seq, lesson.profile, lesson.at, lesson.features)
    return Basket(0, seq, lesson.profile, lesson.at, lesson.items, lesson.categories)


LOG = mixed()


def core(records: Sequence[Record]) -> basket_params.Params | None:
    """What the core alone makes of whole weeks, each lesson once; versions as the learner counts them."""
    memory, newest, params, seen, version = baskets.zero(), 0, None, 0, 0
    for record in records:
        lesson = decode_lesson(record.value)
        if isinstance(lesson, Sample) and lesson.at // WEEK > newest:
            if newest:
                baskets.turn(memory, lesson.at // WEEK)
                version += bool(memory.baskets)
                params = baskets.read(memory, version)
            newest = lesson.at // WEEK
        if lesson.seq <= seen:
            continue
        seen = lesson.seq
        if isinstance(lesson, Basket):
            baskets.update(memory, [lesson])
    return params


async def live(registry: Registry) -> basket_params.Params | None:
    version = await registry.live(keys.params(BASKETS.name))
    return BASKETS.decode(await registry.document(keys.params(BASKETS.name), version)) if version else None


def test_what_is_published_is_what_the_core_makes_of_the_same_baskets(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        one = learner()
        for start in range(0, len(LOG), 77):
            await one.handle(LOG[start : start + 77])
        found = await live(registry)
        assert found == core(LOG)
        assert found is not None
        assert found.version > 3
        assert (20, 21) in {pair[:2] for pair in found.item.pairs}

    run(redis_url, story)


def test_a_learner_that_dies_anywhere_counts_every_basket_once(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        rng, place = np.random.default_rng(5), 0
        while place < len(LOG):
            one = learner()  # the one before died, with everything it had not stored
            place = (await one.open()).next
            await one.handle(LOG[place : place + int(rng.integers(60, 400))])
            place = max(place, (await one.open()).next)
        found = await live(registry)
        expected = core(LOG)
        assert found is not None
        assert expected is not None
        assert (found.item, found.category, found.baskets) == (expected.item, expected.category, expected.baskets)

    run(redis_url, story)


def test_baskets_do_not_end_a_week(redis_url: str) -> None:
    """Only samples do: else the samples of silent customers would come to a week that is over."""

    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        first = next(decode_lesson(each.value) for each in LOG)
        one = learner()
        await one.handle(
            [LOG[0], Record(1, encode(Basket(1, 1, "u", first.at + 5 * WEEK, (1, 2), ())))],
        )
        assert (await one.open()).week == first.at // WEEK
        assert await live(registry) is None

    run(redis_url, story)


def test_a_state_of_baskets_that_does_not_fit_begins_anew_and_everything_else_goes_on(redis_url: str) -> None:
    async def story(registry: Registry, learner: Callable[[], Learner]) -> None:
        await learner().handle(LOG)
        await registry.client.hset(keys.params(STATE), "baskets", b"another shape")
        one = learner()
        before = (await one.open()).next
        assert before > 0
        await one.handle(LOG[before:])
        assert (await one.open()).next == len(LOG)

    run(redis_url, story)

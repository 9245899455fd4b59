"""Silence is an input like any other: it matters when something fell due, not when or in what steps somebody looked."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from profiles.clock import DAY, WEEK, Zone, zone
from profiles.codec import from_blobs
from profiles.intake import Event
from profiles.kernels.advance import begin, evaluate
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.models.params import Params
from profiles.step import room_for
from tests.laws.lives import END, keyed, zones
from tests.laws.machine import BOOKS, Apply, Machine, Read, book_of
from tests.laws.shop import PEOPLE
from tests.laws.test_batches import shops
from tests.models.published import params

LATER = END + 500 * DAY
models = st.sampled_from((None, params()))
moments = st.lists(st.integers(END, LATER), max_size=6).map(sorted)


@settings(max_examples=50)
@given(shops(), zones(), models, moments)
def test_many_sweeps_are_one_sweep(life: list[Event], here: Zone, model: Params | None, looks: list[int]) -> None:
    """However often somebody looked in between, everything was decided at its own moment."""
    once, often = (Machine([life], here, model=model).run([]) for _ in range(2))
    once.silence(LATER)
    for moment in [*looks, LATER]:
        often.silence(moment)
    for who in PEOPLE:
        assert often.told(who) == once.told(who)


@settings(max_examples=30)
@given(shops(), zones(), models, st.integers(1, 2))
def test_a_sweep_in_small_steps_is_one_sweep(life: list[Event], here: Zone, model: Params | None, limit: int) -> None:
    """A few customers at a time, the longest due first, until nobody is due."""
    once, steps = (Machine([life], here, model=model).run([]) for _ in range(2))
    once.silence(LATER)
    while steps.silence(LATER, limit=limit):
        pass
    for who in PEOPLE:
        assert steps.told(who) == once.told(who)


@settings(max_examples=50)
@given(shops(), zones(), models, st.data())
def test_sweeping_between_events_changes_nothing(
    life: list[Event], here: Zone, model: Params | None, data: st.DataObject
) -> None:
    """What falls due before an event is decided first, whether a sweep came by or not: history replays exactly."""
    log = sorted(life, key=lambda event: event.time)
    replayed, lived = Machine([log], here, model=model).run([]), Machine([log], here, model=model)
    for i, event in enumerate(log):
        lived.silence(data.draw(st.integers(log[i - 1].time if i else event.time - DAY, event.time)))
        lived.act(Read(0, 1))
        lived.act(Apply(0, 1))
    lived.silence(log[-1].time), replayed.silence(log[-1].time)
    for who in PEOPLE:
        assert lived.told(who) == replayed.told(who)


@settings(max_examples=80)
@given(shops(), zones(), st.sampled_from(sorted(BOOKS)), st.data())
def test_nothing_changes_before_it_is_due(life: list[Event], here: Zone, rules: str, data: st.DataObject) -> None:
    """Asking all rules at any earlier moment finds nothing new, so nothing is ever found late.

    (Of a learned score that is not so: it is looked at again at set moments, see ``kernels.churn``.)
    """
    shop = Machine([life], here, book=book_of(BOOKS[rules])).run([])
    if data.draw(st.booleans()):
        shop.silence(END + data.draw(st.integers(0, 100 * DAY)))
    rows = from_blobs(list(shop.bucket(0).blobs.values()), {})
    noted = room_for(256, shop.world.rules)
    begin(shop.world, noted)
    for r, row in enumerate(rows):
        as_of, due = int(row[TABLES.as_of]), int(row[TABLES.due])
        for at in (due - 1, data.draw(st.integers(as_of, max(as_of, min(due - 1, LATER))))):
            early = row.copy()
            evaluate(early, r, -1, max(at, as_of), shop.world, noted)
            assert noted.used[0] == 0, f"{noted.what[0].tolist()} at {at}, due only at {due}"
            assert early[TABLES.due] == due or noted.used[1] > 0, "looking does not put anything off"


@settings(max_examples=30)
@given(shops(), zones())
def test_silence_ends(life: list[Event], here: Zone) -> None:
    """A customer who never comes back is looked at once a week for a sample, and seldom besides."""
    shop = Machine([life], here).run([])
    before = from_blobs(list(shop.bucket(0).blobs.values()), {})[:, TABLES.version]
    shop.silence(LATER)
    after = from_blobs(list(shop.bucket(0).blobs.values()), {})[:, TABLES.version]
    weeks = (LATER - min(event.time for event in life)) // WEEK
    assert (after - before <= weeks + 60).all()


def test_a_repeat_after_something_fell_due_loses_no_transition() -> None:
    """The tick that a repeated message sets off is stored, though the message itself is not applied."""
    here = zone("Asia/Shanghai")
    (event,) = keyed([Event("hh-1", Kind.VISIT, END)])
    again = replace(event, time=END + 40 * DAY)
    shop, calm = Machine([[event, again]], here).run([]), Machine([[event]], here).run([])
    calm.silence(END + 40 * DAY)
    assert shop.told("hh-1") == calm.told("hh-1")

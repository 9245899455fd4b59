"""Facts depend on what happened, not on how it was told: order, repetition and parting change nothing, to the byte.

Every aggregation has four verbs: zero (a row of zeros), update (``fold``), merge, and read (``derive``).  The laws look
at the whole row, so a new measure stands before them from the moment it is declared; failures name its piece.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, Zone, zone
from profiles.features import FEATURES
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.layout import LAYOUT, TABLES
from profiles.measures import BEST_ORDERS, INTERESTS, MESSAGES_ROOM, ORDERS_KEPT, TALLIES, TILES
from profiles.stable import code_of
from tests.laws.lives import END, ZONES, differences, events, folded, keyed, lives, merged, zones

INTEREST_PIECES = frozenset(f"interest_{name}" for name in INTERESTS)
FACTS = [name for name, _ in LAYOUT.pieces if LAYOUT.start[name] < TABLES.facts]


@given(lives(), zones(), st.data())
def test_any_order_of_events_gives_the_same_facts(life: list[Event], here: Zone, data: st.DataObject) -> None:
    shuffled = data.draw(st.permutations(life))
    assert differences(folded(life, here), folded(shuffled, here)) == []


@given(lives(), zones(), st.data())
def test_any_repetition_of_messages_gives_the_same_facts(life: list[Event], here: Zone, data: st.DataObject) -> None:
    again = data.draw(st.lists(st.sampled_from(life), min_size=1, max_size=20))
    told = data.draw(st.permutations(life + again))
    assert differences(folded(life, here), folded(told, here)) == []


@given(lives(), zones())
def test_a_row_of_zeros_is_nobody(life: list[Event], here: Zone) -> None:
    """Merging with zero changes nothing, from either side."""
    row, zero = folded(life, here), np.zeros(TABLES.size, np.int64)
    assert differences(merged(row, zero), row) == []
    assert differences(merged(zero, row), row) == []


@given(lives(), zones(), st.data())
def test_merging_parts_is_folding_the_whole(life: list[Event], here: Zone, data: st.DataObject) -> None:
    """However a life is dealt out to two rows, in either direction; orders may be known to both."""
    first = data.draw(st.lists(st.booleans(), min_size=len(life), max_size=len(life)))
    a = folded([event for event, mine in zip(life, first, strict=True) if mine], here)
    b = folded([event for event, mine in zip(life, first, strict=True) if not mine], here)
    before = b.copy()
    assert differences(merged(a, b), folded(life, here)) == []
    assert differences(merged(b, a), folded(life, here)) == []
    assert np.array_equal(b, before), "the other row was changed"


@given(lives(), zones(), st.data())
def test_merging_can_be_grouped_any_way(life: list[Event], here: Zone, data: st.DataObject) -> None:
    part = data.draw(st.lists(st.integers(0, 2), min_size=len(life), max_size=len(life)))
    a, b, c = (folded([event for event, p in zip(life, part, strict=True) if p == which], here) for which in range(3))
    assert differences(merged(merged(a, b), c), merged(a, merged(b, c))) == []


@given(lives(), zones(), lives(most=8))
def test_folding_goes_on_after_a_merge(life: list[Event], here: Zone, later: list[Event]) -> None:
    both = keyed(life + later)
    life, later = both[: len(life)], both[len(life) :]
    middle = len(life) // 2
    row = merged(folded(life[:middle], here), folded(life[middle:], here))
    assert differences(folded(later, here, into=row), folded(both, here)) == []


@given(lives(), zones())
def test_standing_is_never_touched_by_facts(life: list[Event], here: Zone) -> None:
    row = np.zeros(TABLES.size, np.int64)
    row[TABLES.facts :] = np.arange(1, TABLES.size - TABLES.facts + 1)
    after = merged(folded(life, here, into=row), folded(life, here))
    assert np.array_equal(after[TABLES.facts :], row[TABLES.facts :])


def _much(seed: int, count: int = 420) -> list[Event]:
    """More orders, messages, items and names than a row remembers, every message and order once."""
    rng = np.random.default_rng(seed)
    kinds = rng.choice([Kind.ORDER, Kind.VIEW, Kind.CART_ADD, Kind.CART_REMOVE, Kind.REVIEW], count)
    moments = END - rng.integers(0, 300 * DAY, count)
    moments[: count // 4] = moments[0] - rng.integers(0, 3, count // 4)  # many at once
    moments[count // 4 : count // 2] = END - rng.integers(0, 3 * DAY, count // 4)  # and many in the last days
    return keyed(
        Event(
            "hh-1", Kind(kind), moment, amount=int(rng.integers(1, 10**5)) if kind == Kind.ORDER else 0,
            order=code_of(f"order-{i}") if kind == Kind.ORDER and i % 9 else 0,
            lines=tuple((code_of(f"c{n}"), code_of(f"b{n}"), code_of(f"i{n}")) for n in rng.integers(0, 30, 2)),
        )
        for i, (kind, moment) in enumerate(zip(kinds.tolist(), moments.tolist(), strict=True))
    )  # fmt: skip


@pytest.mark.parametrize("name", ZONES)
@pytest.mark.parametrize("seed", range(6))
def test_beyond_what_is_remembered_only_interests_may_differ(seed: int, name: str) -> None:
    """Order, parting and grouping still change nothing when more happens than the bounded memories hold."""
    here, rng = zone(name), np.random.default_rng(seed)
    life = _much(seed)
    assert sum(event.kind == Kind.ORDER for event in life) > ORDERS_KEPT
    assert len(life) > MESSAGES_ROOM
    row = folded(life, here)
    shuffled = [life[i] for i in rng.permutation(len(life))]
    assert differences(row, folded(shuffled, here), INTEREST_PIECES) == []
    a, b, c = (folded(shuffled[part::3], here) for part in range(3))
    assert differences(merged(a, b, c), row, INTEREST_PIECES) == []
    assert differences(merged(a, merged(c, b)), row, INTEREST_PIECES) == []
    assert differences(merged(a, b), merged(b, a)) == [], "merging is commutative even for interests"


def test_every_piece_of_the_facts_stands_before_the_laws() -> None:
    """The lives that the laws draw reach every piece of every row; a measure they never feed would be judged by nobody."""
    reached: set[str] = set()

    @settings(max_examples=30, database=None, derandomize=True)
    @given(st.lists(events(days=20), min_size=30, max_size=40).map(keyed))
    def live(life: list[Event]) -> None:
        row = folded(life, zone("Asia/Shanghai"))
        reached.update(differences(row, np.zeros(TABLES.size, np.int64)))

    live()
    assert set(FACTS) - reached == set()


def test_nothing_is_kept_that_nobody_reads() -> None:
    """Every tally and every ring serves a feature: the fourth verb."""
    read = {str(arg).partition("+")[0] for feature in FEATURES for arg in feature.args}
    by_operator = {"first_order", "last_order"}  # gaps between orders name no measure
    kept = {tally.name for tally in TALLIES} | {ring.name for ring in TILES} | set(BEST_ORDERS)
    assert kept - read - by_operator == set()

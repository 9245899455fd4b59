"""The rules Mien comes with: complete, calm, exact in silence, and what a shop would expect of them."""

from __future__ import annotations

from collections import Counter
from functools import cache

import pytest
from hypothesis import HealthCheck, given, settings

from profiles.clock import DAY, HOUR
from profiles.features import FEATURES, INDEX, Unit
from profiles.kernels.advance import begin, evaluate
from profiles.kinds import Kind
from profiles.layout import LADDERS
from profiles.rules import CATEGORIES, Document, RuleBook, assign_slots, compile_rules, shipped
from profiles.step import room_for
from tests.customers import NEW_YORK, WHEN, Did, Life, features_at, shop, stories

WEEK = 7 * DAY


@cache
def rules() -> Document:
    return shipped()


@cache
def book() -> RuleBook:
    return compile_rules(rules(), assign_slots(rules(), {}))


def customer(*story: Did) -> Life:
    return Life(book(), shop()).does(*story)


def weekly(first: int, weeks: int, amount: int = 3_000) -> list[Did]:
    return [Did(Kind.ORDER, first + i * WEEK, amount) for i in range(weeks)]


def decided_again(someone: Life, at: int) -> int:
    """How many answers change when all rules are asked once more at ``at``."""
    notes = room_for(200, someone.world.rules)
    begin(someone.world, notes)
    evaluate(someone.row, 0, -1, at, someone.world, notes)
    return int(notes.used[0])


# --- complete ---------------------------------------------------------------------------------------------------------


def test_every_category_has_tags_and_every_tag_is_told_in_both_languages() -> None:
    tags = rules().tags
    count = Counter(tag.category for tag in tags)

    assert len(tags) >= 48
    assert set(count) == set(CATEGORIES)
    assert min(count.values()) >= 5
    assert all(tag.meaning and tag.label.zh != tag.label.en for tag in tags)
    for labels in ({tag.label.zh for tag in tags}, {tag.label.en for tag in tags}):
        assert len(labels) == len(tags)


def test_the_ladders_are_those_of_the_trade() -> None:
    steps = {ladder.name: [rung.label.zh for rung in ladder.rungs] for ladder in rules().ladders}

    assert tuple(steps) == LADDERS
    assert steps["rfm"] == [
        *("重要价值", "重要发展", "重要保持", "重要挽留", "一般价值", "一般发展", "一般保持", "一般挽留", "无订单")
    ]
    assert steps["tier"] == ["流失预警", "高价值", "成长型", "一般型"]
    assert set(steps["stage"]) == {"新客", "活跃", "成长", "成熟", "衰退", "沉睡", "流失", "赢回"}


# --- calm and exact ---------------------------------------------------------------------------------------------------


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories())
def test_asking_again_changes_nothing(story: list[Did]) -> None:
    """No answer is ever stale; and a rung that asks where the customer stood does not move him twice."""
    someone = customer(*story)
    for days in (0, 1, 8, 31, 60, 200):
        someone.waits(WHEN + days * DAY)
        assert decided_again(someone, WHEN + days * DAY) == 0


@pytest.mark.parametrize("zone", ["Asia/Shanghai", NEW_YORK])
def test_waiting_for_what_is_due_is_as_good_as_asking_all_the_time(zone: str) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(stories())
    def law(story: list[Did]) -> None:
        waits, asks = (Life(book(), shop(zone)).does(*story) for _ in range(2))
        for at in range(WHEN + HOUR, WHEN + 200 * DAY, 7 * HOUR):
            waits.waits(at)
            decided_again(asks, at)
            assert set(book().held(waits.row)) == set(book().held(asks.row))
            assert [waits.stands(ladder) for ladder in LADDERS] == [asks.stands(ladder) for ladder in LADDERS]

    law()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories())
def test_everybody_who_ordered_has_an_rfm_class_and_nobody_else(story: list[Did]) -> None:
    someone = customer(*story).waits(WHEN + 100 * DAY)

    assert (someone.stands("rfm") == "none") == (features_at(someone.row, WHEN, shop())[INDEX["orders"]] == 0)
    assert None not in [someone.stands(ladder) for ladder in LADDERS]


# --- as a shop expects ------------------------------------------------------------------------------------------------


def test_a_weekly_shopper_silent_for_three_to_four_weeks_is_a_warning_and_ordering_ends_it() -> None:
    someone = customer(*weekly(WHEN, 20)).waits(WHEN + 60 * WEEK)
    last = WHEN + 19 * WEEK

    (warned,) = someone.when("churn_warning")
    assert 3 * WEEK < warned - last < 4 * WEEK
    assert someone.when("at_risk") == [warned]
    back = customer(*weekly(WHEN, 20)).waits(last + 26 * DAY).does(Did(Kind.ORDER, last + 27 * DAY, 3_000))
    assert back.stands("tier") != "churn_warning"
    assert not back.holds("at_risk")


def test_somebody_who_comes_daily_is_not_a_warning_after_a_weekend_away() -> None:
    someone = customer(*(Did(Kind.ORDER, WHEN + i * DAY, 800) for i in range(60))).waits(WHEN + 68 * DAY)

    assert someone.when("churn_warning") == []


def test_the_life_of_a_customer_who_lapses_and_is_won_back() -> None:
    someone = customer(*weekly(WHEN, 30)).waits(WHEN + 55 * WEEK)
    again = WHEN + 55 * WEEK
    someone.does(*weekly(again, 6)).waits(again + 6 * WEEK)

    moves = [someone.book.ruling(*told[1:4]).name for told in someone.told if told.what == -1]
    assert moves[0] == "new"
    assert moves.index("mature") < moves.index("declining") < moves.index("dormant") < moves.index("lost")
    assert moves[moves.index("lost") + 1] == "won_back"
    assert someone.when("won_back") == someone.when("came_back") == [again]
    assert someone.stands("stage") in ("mature", "growing")


def test_a_visitor_who_never_orders_is_new_then_dormant_then_lost() -> None:
    someone = customer(Did(Kind.VIEW, WHEN), Did(Kind.VIEW, WHEN + 10 * DAY)).waits(WHEN + 400 * DAY)

    assert someone.when("dormant") == [WHEN + 40 * DAY]
    assert someone.when("lost") == [WHEN + 190 * DAY]
    assert (someone.stands("rfm"), someone.stands("tier")) == ("none", "ordinary")
    someone.does(Did(Kind.ORDER, WHEN + 401 * DAY, 2_000))
    assert someone.stands("stage") == "new"  # a first order wins nobody back


def test_a_cart_is_left_behind_after_a_day_and_forgotten_after_two_weeks() -> None:
    someone = customer(Did(Kind.CART_ADD, WHEN, 0, 7)).waits(WHEN + 30 * DAY)

    assert someone.when("cart_left") == [WHEN + DAY]
    assert someone.when("cart_left", "left") == [WHEN + 14 * DAY]


def test_a_checkout_is_dropped_after_an_hour_or_so() -> None:
    someone = customer(Did(Kind.CHECKOUT, WHEN)).waits(WHEN + 30 * DAY)
    paid = customer(Did(Kind.CHECKOUT, WHEN), Did(Kind.ORDER, WHEN + HOUR, 100)).waits(WHEN + 30 * DAY)

    assert someone.when("checkout_dropped") == [WHEN + 72 * 60_000]
    assert paid.when("checkout_dropped") == []


def test_complaints_of_the_best_and_of_the_newest_customers_are_alerts() -> None:
    best = customer(*weekly(WHEN, 30, 9_000), Did(Kind.COMPLAINT, WHEN + 29 * WEEK + DAY))
    newest = customer(Did(Kind.ORDER, WHEN, 900), Did(Kind.COMPLAINT, WHEN + HOUR))
    usual = customer(*weekly(WHEN, 6, 900), Did(Kind.COMPLAINT, WHEN + 6 * WEEK))

    assert best.holds("best_customer_complained")
    assert newest.holds("newcomer_complained")
    assert usual.holds("complained")
    assert not usual.holds("best_customer_complained")
    assert not usual.holds("newcomer_complained")


def test_texts_in_the_rules_are_names_and_amounts_are_amounts() -> None:
    """No clause compares a name by size or an amount with a name; the grammar promises it, the file keeps it."""
    for asked in book().clauses:
        named = FEATURES[INDEX[asked.feature]].unit is Unit.NAME
        assert named == isinstance(asked.limit, str) or asked.limit is None

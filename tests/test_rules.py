"""Rules at work: slots, ladders, hysteresis, reasons and gaps, in numbers and in words."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings

from profiles.clock import DAY, HOUR
from profiles.features import INDEX
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.rules import Gap, Ruling, assign_slots, because, compile_rules, kept, load, missing, say, shipped
from profiles.wire import Because
from tests.customers import PEOPLE, WHEN, Did, Life, shop, stories
from tests.rulebooks import Conditions, book_of, text_of

HERE = shop()
TIERS = [
    {"name": "gold", "when": "orders >= 3", "until": "days_since_order >= 30"},
    {"name": "silver", "when": "orders >= 2"},
    {"name": "plain"},
]


def ordered(at: int, amount: int = 1_000) -> Did:
    return Did(Kind.ORDER, at, amount)


def life(tags: dict[str, Conditions], **ladders: list[dict[str, str]]) -> Life:
    return Life(book_of(tags, **ladders), HERE)


# --- numbers for ever -------------------------------------------------------------------------------------------------


def test_a_tag_keeps_its_slot_whatever_comes_goes_or_is_moved() -> None:
    first = assign_slots(load(text_of({"a": "TRUE", "b": "TRUE", "c": "TRUE"}, tier=TIERS)), {})
    then = assign_slots(load(text_of({"d": "TRUE", "c": "TRUE", "a": "TRUE"}, tier=[TIERS[1], TIERS[2]])), first)
    again = assign_slots(load(text_of({"b": "TRUE"}, tier=[{"name": "new", "when": "TRUE"}, *TIERS])), then)

    assert [first[name] for name in ("a", "b", "c")] == [0, 1, 2]
    assert {name: again[name] for name in first} == first
    assert again["d"] == then["d"] == 3
    assert [again[f"tier.{name}"] for name in ("gold", "silver", "plain", "new")] == [0, 1, 2, 3]


def test_a_tag_that_is_no_longer_in_the_file_is_left_by_whoever_has_it() -> None:
    before = load(text_of({"a": "orders >= 1", "b": "orders >= 1"}, tier=TIERS))
    after = load(text_of({"b": "orders >= 1"}, tier=[{"name": "bronze", "when": "orders >= 1"}, {"name": "plain"}]))
    slots = assign_slots(before, {})
    someone = Life(compile_rules(before, slots), HERE).does(ordered(WHEN), ordered(WHEN + 1), ordered(WHEN + 2))
    someone.book = compile_rules(after, assign_slots(after, slots))
    someone.does(Did(Kind.VIEW, WHEN + 3))

    assert set(someone.book.held(someone.row)) == {"b"}
    assert [someone.book.ruling(*told[1:4]) for told in someone.told[-2:]] == [
        Ruling("tier", "bronze", "moved", "gold"),
        Ruling("tag", "a", "left", None),
    ]
    assert someone.book.rungs[2][slots["tier.gold"]].label.zh == "gold"  # a row not asked since may still stand there


# --- ladders and hysteresis -------------------------------------------------------------------------------------------


def test_a_customer_stands_on_the_first_rung_that_holds_and_stays_while_until_is_not_true() -> None:
    someone = life({"a": "TRUE"}, tier=TIERS).does(*(ordered(WHEN + i * HOUR) for i in range(3)))

    assert someone.stands("tier") == "gold"
    assert someone.when("silver") == [WHEN + HOUR]
    assert someone.when("gold") == [WHEN + 2 * HOUR]


def test_hysteresis_keeps_a_tag_calm() -> None:
    """Entered at three orders in a week, kept at two, left at one."""
    someone = life({"keen": ("orders_7d >= 3", "orders_7d <= 1")})
    someone.does(ordered(WHEN - 3 * DAY), ordered(WHEN - 2 * DAY), ordered(WHEN)).waits(WHEN + 30 * DAY)

    (entered,), (left,) = someone.when("keen"), someone.when("keen", "left")
    assert entered == WHEN
    assert left == (WHEN - 2 * DAY + 8 * HOUR) // DAY * DAY - 8 * HOUR + 7 * DAY  # midnight in Shanghai


def test_a_tag_may_ask_about_tags_and_rungs_whatever_their_order_in_the_file() -> None:
    someone = life({"c": "HAS('b') AND tier = 'gold'", "b": "NOT HAS('a')", "a": "orders >= 99"}, tier=TIERS)
    someone.does(*(ordered(WHEN + i) for i in range(3)))

    assert set(someone.book.held(someone.row)) == {"b", "c"}
    assert someone.when("c") == [WHEN + 2]


def test_a_rung_may_ask_where_the_customer_comes_from() -> None:
    back = {"name": "back", "when": "stage = 'gone' AND days_since_order < 1", "until": "days_since_order >= 5"}
    stages = [back, {"name": "gone", "when": "days_since_order >= 10"}, {"name": "here"}]
    someone = life({"a": "TRUE"}, stage=stages).does(ordered(WHEN)).waits(WHEN + 20 * DAY)
    someone.does(ordered(WHEN + 21 * DAY)).waits(WHEN + 40 * DAY)

    assert [someone.book.ruling(*told[1:4]).name for told in someone.told if told.what == -1] == [
        *("here", "gone", "back", "here", "gone")
    ]
    moved = next(told for told in someone.told if someone.book.ruling(*told[1:4]).name == "back")
    reasons = someone.book.because(*moved[1:], someone.row, PEOPLE.cuts)
    assert [str(reason) for reason in reasons] == ["stage gone = gone", "days_since_order 0 < 1"]


# --- why --------------------------------------------------------------------------------------------------------------


def test_a_reason_is_the_comparison_that_decided() -> None:
    someone = life({"vip": "spend_365d >= 500 AND (orders >= 9 OR city = '上海' OR days_since_order < 2)"})
    someone.does(ordered(WHEN, 51_240))

    (told,) = (each for each in someone.told if each.what == 0)
    reasons = someone.book.because(*told[1:], someone.row, PEOPLE.cuts)
    assert reasons == (Because("spend_365d", ">=", 512.4, 500.0), Because("days_since_order", "<", 0.0, 2.0))
    assert someone.book.say(reasons, "zh") == "近一年消费 512.40 ≥ 500.00，未下单天数 0 < 2"
    assert someone.book.say(reasons, "en", "USD") == "spend_365d 512.40 USD ≥ 500.00 USD, days_since_order 0 < 2"


def test_what_is_only_kept_says_what_has_not_happened_yet() -> None:
    someone = life({"keen": ("orders_7d >= 2", "orders_7d = 0 AND days_silent > 20")})
    someone.does(ordered(WHEN - 5 * DAY), ordered(WHEN)).waits(WHEN + 4 * DAY)
    rule, soon, later = someone.book.bound(PEOPLE.cuts)["keen"], someone.seen(WHEN), someone.seen(WHEN + 4 * DAY)

    assert not kept(rule, soon)
    assert because(rule, soon) == (Because("orders_7d", ">=", 2.0, 2.0),)
    assert kept(rule, later)
    assert because(rule, later) == (Because("orders_7d", "!=", 1.0, 0.0), Because("days_silent", "<=", 4.0, 20.0))


def test_leaving_has_a_reason_too() -> None:
    someone = life({"a": "days_silent < 3", "b": ("days_silent < 1", "days_silent >= 5")}).does(ordered(WHEN))
    someone.waits(WHEN + 9 * DAY)

    left = {someone.book.ruling(*told[1:4]).name: told for told in someone.told if told.what >= 0 and told.after == 0}
    because_of = {name: someone.book.because(*told[1:], someone.row, PEOPLE.cuts) for name, told in left.items()}
    assert because_of == {
        "a": (Because("days_silent", ">=", 3.0, 3.0),),
        "b": (Because("days_silent", ">=", 5.0, 5.0),),
    }


def test_a_cut_point_is_told_as_the_number_it_is_now() -> None:
    someone = life({"top": "spend_365d >= CUT(0.8)", "often": "f_score >= 4"})
    someone.does(*(ordered(WHEN - i * DAY, 90_000) for i in range(8)))
    seen = someone.seen(WHEN)

    assert because(someone.book.bound(PEOPLE.cuts)["top"], seen) == (Because("spend_365d", ">=", 7200.0, 800.0),)
    assert because(someone.book.bound(PEOPLE.cuts)["often"], seen) == (Because("orders_365d", ">", 8.0, 6.0),)


def test_names_are_told_as_names() -> None:
    book = book_of({"a": "city != '上海'", "b": "city IS NOT NULL"})
    x, row = np.full(len(INDEX), np.nan), np.zeros(TABLES.size, np.int64)
    x[INDEX["city"]] = 123.0

    named = book.seen(x, row, {123: "北京"}.get)
    assert because(book.bound(PEOPLE.cuts)["a"], named) == (Because("city", "!=", "北京", "上海"),)
    assert because(book.bound(PEOPLE.cuts)["b"], named) == (Because("city", "is known", "北京"),)
    assert because(book.bound(PEOPLE.cuts)["a"], book.seen(x, row)) == (Because("city", "!=", None, "上海"),)


# --- what is missing --------------------------------------------------------------------------------------------------


def test_absence_is_explained_by_the_shortest_way_there() -> None:
    rule = "orders_365d >= 3 AND spend_365d >= 600 AND (views >= 90 OR searches >= 4) AND HAS('other')"
    someone = life({"vip": rule, "other": "reviews > 0"}).does(ordered(WHEN, 51_240))
    gaps = missing(someone.book.bound(PEOPLE.cuts)["vip"], someone.seen(WHEN))

    assert gaps == (
        Gap("orders_365d", ">=", 1.0, 3.0, 2.0),
        Gap("spend_365d", ">=", 512.4, 600.0, 87.6),
        Gap("searches", ">=", 0.0, 4.0, 4.0),
        Gap("other", "held"),
    )
    labels = someone.book.labels
    assert [say(gap, "zh", "", labels) for gap in gaps] == [
        "近一年订单 1，还差2单（需 ≥ 3）",
        "近一年消费 512.40，还差87.60（需 ≥ 600.00）",
        "搜索次数 0，还差4次（需 ≥ 4）",
        "需要先有标签「标签 other」",
    ]
    assert [say(gap, "en", "USD", labels) for gap in gaps] == [
        "orders_365d 1: 2 orders short (needs ≥ 3)",
        "spend_365d 512.40 USD: 87.60 USD short (needs ≥ 600.00 USD)",
        "searches 0: 4 times short (needs ≥ 4)",
        "needs tag 'Label other'",
    ]


SENTENCES = {
    Gap("days_since_order", "<", 45.0, 30.0, -15.0): (
        "未下单天数 45，多出15天（需 < 30）",
        "days_since_order 45: 15 days too many (needs < 30)",
    ),
    Gap("orders", ">", 1.0, 1.0, 1.0): ("订单总数 1，还差1单（需 > 1）", "orders 1: 1 order short (needs > 1)"),
    Gap("days_silent", ">", 30.0, 30.0, 0.0): ("沉默天数 30，正在界上（需 > 30）", "days_silent 30: exactly at the limit (needs > 30)"),
    Gap("risk", ">=", None, 0.5): ("流失风险 暂无数据（需 ≥ 50%）", "risk is unknown (needs ≥ 50%)"),
    Gap("city", "=", "北京", "上海"): ("城市 北京（需 = 上海）", "city 北京 (needs = 上海)"),
    Gap("city", "is known"): ("城市 暂无数据（需 有数据）", "city is unknown (needs is known)"),
    Gap("vip", "not held"): ("不能有标签「vip」", "must not have tag 'vip'"),
    Because("risk", ">=", 0.6123, 0.6): ("流失风险 61% ≥ 60%", "risk 61% ≥ 60%"),
    Because("days_silent", "<", 29.999, 30.0): ("沉默天数 29.999 < 30", "days_silent 29.999 < 30"),
    Because("last_step", "=", "cart_add", "cart_add"): ("最近一步 = 加购", "last_step = cart_add"),
    Because("peak_hour", ">=", 21.0, 20.0): ("最活跃时段 21:00 ≥ 20:00", "peak_hour 21:00 ≥ 20:00"),
    Because("peak_weekday", "=", 5.0, 5.0): ("最活跃星期 = 周六", "peak_weekday = Sat"),
    Because("orders", "is unknown"): ("订单总数 暂无数据", "orders is unknown"),
    Because("vip", "held"): ("有标签「vip」", "has tag 'vip'"),
    Because("vip", "not held"): ("没有标签「vip」", "does not have tag 'vip'"),
}  # fmt: skip


@pytest.mark.parametrize(("what", "sentences"), SENTENCES.items(), ids=[zh for zh, _ in SENTENCES.values()])
def test_reasons_and_gaps_are_said_in_both_languages(what: Because | Gap, sentences: tuple[str, str]) -> None:
    assert (say(what, "zh"), say(what, "en")) == sentences


def test_amounts_have_the_digits_of_their_currency() -> None:
    reason = Because("spend_365d", ">=", 512.0, 500.0)

    assert say(reason, "zh", "JPY") == "近一年消费 512 JPY ≥ 500 JPY"
    assert say(reason, "en", "KWD") == "spend_365d 512.000 KWD ≥ 500.000 KWD"


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(stories())
def test_every_change_under_the_shipped_rules_has_reasons_in_words(story: list[Did]) -> None:
    """Except standing where nothing else applies, which is nobody's merit."""
    document = shipped()
    someone = Life(compile_rules(document, assign_slots(document, {})), HERE).does(*story).waits(WHEN + 300 * DAY)
    last = {f"{ladder.name}.{ladder.rungs[-1].name}" for ladder in document.ladders}
    for told in someone.told:
        ruling = someone.book.ruling(*told[1:4])
        reasons = someone.book.because(*told[1:], someone.row, PEOPLE.cuts)
        assert reasons or f"{ruling.what}.{ruling.name}" in last, ruling
        assert all(say(reason, "zh", "CNY", someone.book.labels) for reason in reasons)


def test_alert_rules_are_the_tags_and_rungs_that_carry_an_alert() -> None:
    document = shipped()
    rules = compile_rules(document, assign_slots(document, {})).alert_rules()

    assert {cause: rule.policy for cause, rule in rules.items()} == {
        ("tier", "churn_warning"): "churn_rescue",
        ("tag", "best_customer_complained"): "service_care",
        ("tag", "newcomer_complained"): "service_care",
    }
    assert rules["tier", "churn_warning"].label.zh == "流失预警"

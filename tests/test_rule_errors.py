"""A rules file with mistakes is refused as a whole, and every mistake is told with its place and its mending."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from profiles.errors import MienError, RuleError
from profiles.features import FEATURES, Unit
from profiles.layout import TAGS
from profiles.operators import Op
from profiles.rules import RuleErrors, assign_slots, load
from profiles.rules.grammar import LONGEST, Fault, Unreadable, parse
from tests.rulebooks import text_of

# In these conditions ^ marks the character that the message must point at.
CONDITIONS = {
    "orders > 1 AND ^spend_365 > 3": "unknown feature 'spend_365'; nearest: spend_365d",
    "orders > 1 AND\n  ^近一年消费 > 3": "unknown feature '近一年消费'; nearest: spend_365d",
    "^t.orders > 1": "unknown feature 't.orders'; nearest: orders",
    "^qwertz > 1": "unknown feature 'qwertz'",
    "orders > ^'3'": "orders is a number (count): compare it with one",
    "city = ^3": "city is a text: compare it with one in single quotes",
    'city = ^"上海"': "texts stand in single quotes: '上海'",
    "^city > 'a'": "city is a text: compare it with =, != or IN",
    "^city LIKE '上%'": "texts are compared with =, != or IN",
    "last_step = ^'cart'": "last_step is one of visit, view, cart_add, checkout, order, never 'cart'; nearest: cart_add",
    "^days_silent = 30": "days_silent moves continuously and is never exactly equal: use >= or <",
    "^overdue IN (1, 2)": "overdue moves continuously",
    "^risk <> 0.5": "risk moves continuously",
    "risk >= ^60": "risk lies between 0 and 1, so it is never near 60",
    "^cart_hours != 3": "cart_hours moves continuously",
    "^session_minutes_30d > 10": "nobody can say when silence will change it; ask about sessions_30d instead",
    "spend_365d >= ^CUT(0.85)": "CUT(0.85) is no decile: write CUT(0.1), CUT(0.2) ... CUT(0.9)",
    "spend_365d >= ^CUT('a')": "CUT('a') is no decile",
    "spend_30d >= ^CUT(0.8)": "the population has no cut points of spend_30d, only of days_since_order, orders_365d",
    "^orders_365d = CUT(0.5)": "a cut point moves continuously",
    "orders = ^views": "a feature is compared with a number or a text, not with views",
    "orders > ^spend_365": "unknown feature 'spend_365'",
    "^orders + 1 > 3": "no arithmetic and no expressions here, only features: orders + 1",
    "spend_365d > ^CUT(0.5) * 2": "a feature is compared with a number, a text or CUT(0.8), not with CUT(0.5) * 2",
    "^ABS(orders) > 1": "there are no functions here but CUT and HAS: ABS(orders)",
    "1 < orders AND ^2 < 3": "one side of a comparison must be a feature",
    "^1 < orders < 3": "no arithmetic and no expressions here, only features: 1 < orders",
    "^orders": "orders alone is no condition: compare a feature with something",
    "^orders IS TRUE": "IS goes with NULL only",
    "^orders = NULL": "nothing equals NULL: ask with IS NULL or IS NOT NULL",
    "^orders IN ()": "IN takes a list: IN (1, 2)",
    "^HAS(vip)": "HAS takes one tag in single quotes: HAS('newcomer')",
    "^HAS('vip') = TRUE": "HAS('tag') is a condition by itself",
    "orders > 1^; orders > 2": "one condition only, without ';'",
    "orders > 1 AND^": "something is missing after AND",
    "orders > 1 ^b": "unexpected 'b'",
    "city = ^'上海": "a quote is not closed",
    "orders > ^1e999": "a number that large has no meaning here",
    "": "the condition is empty; write TRUE",
    "(SELECT ^1)": "not a condition that rules know: SELECT 1",
    "orders > ?": "a feature is compared with a number, a text or CUT(0.8), not with ?",
}  # fmt: skip


@pytest.mark.parametrize(("marked", "message"), CONDITIONS.items(), ids=CONDITIONS.keys())
def test_what_is_no_condition_is_refused_where_that_shows(marked: str, message: str) -> None:
    text = marked.replace("^", "")
    with pytest.raises(Unreadable) as refused:
        parse(text)

    faults = refused.value.faults
    assert message in faults[0].message
    if "AND^" in marked:  # the word after which something is missing
        assert text[faults[0].offset :].startswith("AND")
    elif "^" in marked:
        assert faults[0].offset == marked.index("^")


@pytest.mark.parametrize(
    "deep", ["(" * 200 + "orders > 1" + ")" * 200, "NOT " * 400 + "orders > 1", "orders > " + "-" * 300]
)
def test_what_is_too_deep_is_refused_before_anybody_descends(deep: str) -> None:
    with pytest.raises(Unreadable, match=r"too deep|cannot be read"):
        parse(deep)


def test_what_is_too_long_is_refused() -> None:
    with pytest.raises(Unreadable, match=f"more than {LONGEST}; split it with HAS"):
        parse(" OR ".join(["orders > 1"] * 500))


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.text(
        st.sampled_from(list("orders city AND OR NOT IN ( ) , ; ' \" < > = 1 . - + * / % \n é 上 😀 NULL CUT HAS")),
        max_size=40,
    )
)
@example("orders > 1 /* ")
@example("\x00")
@example("orders > $1")
def test_any_text_is_a_condition_or_is_refused_as_none(text: str) -> None:
    """Never any other error, and the place is always inside the text."""
    assert all(0 <= fault.offset <= len(text) for fault in faults_of(text))


def faults_of(text: str) -> tuple[Fault, ...]:
    try:
        parse(text)
    except Unreadable as error:
        return error.faults
    return ()


# --- places in the file -----------------------------------------------------------------------------------------------

FILE = """\
version: 1
tags:
  - name: first   # 注释 😀
    label: {zh: 第一, en: First}
    category: value
    owner: x
    enter: %s
ladders:
  - {name: stage, label: {zh: 一, en: a}, rungs: [{name: all, label: {zh: 全, en: all}}]}
  - {name: rfm, label: {zh: 二, en: b}, rungs: [{name: all, label: {zh: 全, en: all}}]}
  - {name: tier, label: {zh: 三, en: c}, rungs: [{name: all, label: {zh: 全, en: all}}]}
"""

SCALARS = {
    "plain": "orders > 1 AND ^spendd > 3",
    "plain over lines": "orders > 1\n      AND city = '上海' AND\n        ^spendd > 3",
    "single quotes": "'city = ''上海'' AND ^spendd > 3'",
    "double quotes": "\"city = '上海' AND ^spendd > 3\"",
    "literal block": "|\n      orders > 1 AND\n      ^spendd > 3",
    "indented literal block": "|2-   # why\n        orders > 1 AND\n      ^spendd > 3",
    "folded block": ">-\n      (orders > 1\n      AND city = '上海')\n\n      AND ^spendd > 3\n",
    "emoji before": "city = '😀😀' AND ^spendd > 3",
}


@pytest.mark.parametrize("marked", SCALARS.values(), ids=SCALARS.keys())
def test_a_mistake_in_a_condition_is_found_in_the_file_however_yaml_writes_it(marked: str) -> None:
    text = FILE % marked
    line = next(i for i, each in enumerate(text.splitlines(), 1) if "^" in each)
    column = text.splitlines()[line - 1].index("^") + 1

    (error,) = refused(text.replace("^", ""), "shop.yaml")

    assert str(error).startswith(f"shop.yaml:{line}:{column}: unknown feature 'spendd'; nearest: ")


def refused(text: str, file: str = "tags.yaml") -> tuple[RuleError, ...]:
    with pytest.raises(RuleErrors) as errors:
        load(text, file)
    return errors.value.errors


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = FILE % "ordes > 1" + "  - {name: tier, label: {zh: 三, en: c}, rungs: []}\nextra: 1\n"
    errors = refused(text.replace("category: value", "categorie: value").replace("owner: x\n", "owner:\n"))

    assert [error.message.split(";")[0] for error in errors] == [
        "tag 'first' needs 'category'",
        "a tag has no 'categorie'",
        "'owner' must be a text",
        "unknown feature 'ordes'",
        "there are two ladders 'tier'",
        "'rungs' must be a list with at least one member",
        "a rules file has no 'extra'",
    ]
    assert all(before.line <= after.line for before, after in pairwise(errors))


def test_mistakes_are_one_error_with_a_line_each() -> None:
    with pytest.raises(MienError) as error:
        load(FILE % "ordes > 1 OR city = 3", "a.yaml")

    first, second = str(error.value).splitlines()
    assert first.startswith("a.yaml:7:12: unknown feature 'ordes'; nearest: orders")
    assert second.startswith("a.yaml:7:32: city is a text")


# --- the shape of the file --------------------------------------------------------------------------------------------

SHAPES = {
    "": "the file is empty",
    "[": "not YAML",
    "a: &x [*x]": "a rules file has no 'a'",
    "version: 1\ntags: {}\nladders: []": "'tags' must be a list with at least one member",
    "version: soon\ntags: []\nladders: []": "'version' must be a whole number from 1 on",
    "- 1": "a rules file must be a mapping with version, tags, ladders",
    "version: 1\nversion: 2": "'version' stands here twice",
}


@pytest.mark.parametrize(("text", "message"), SHAPES.items())
def test_a_file_of_another_shape_is_refused(text: str, message: str) -> None:
    assert any(message in error.message for error in refused(text))


CHANGES = {
    ("name: first", "name: First"): "'First' is no name: small letters, digits and _",
    ("name: first", "name: [first]"): "'name' must be a text",
    ("category: value", "category: worth"): "unknown category 'worth'; known: demographic 人口统计, behaviour 行为",
    ("{zh: 第一, en: First}", "{zh: 第一}"): "'label' of tag 'first' needs 'en'",
    ("{zh: 第一, en: First}", "First"): "'label' of tag 'first' must be a mapping with zh, en",
    ("{zh: 第一, en: First}", "{zh: 第一, en: First, then}"): "has no 'then'; a text with a comma needs quotes here",
    ("owner: x", "owner: x\n    alert: care"): "tag 'first' with an alert needs 'action'",
    ("owner: x", "owner: x\n    enter: 'TRUE'"): "'enter' stands here twice",
    ("owner: x", "owner: x\n    leav: 'TRUE'"): "a tag has no 'leav'; did you mean leave?",
    ("name: rfm", "name: rank"): "unknown ladder 'rank'; known: stage, rfm, tier",
    ("  - {name: rfm, label: {zh: 二, en: b}, rungs: [{name: all, label: {zh: 全, en: all}}]}\n", ""): "ladder 'rfm' is missing",
    ("[{name: all,", "[{name: one, label: {zh: 一, en: one}}, {name: all,"): "rung 'one' needs 'when'",
    ("[{name: all,", "[{name: all, when: orders > 1,"): "the last rung is for everybody else: it has no 'when'",
    ("[{name: all,", "[{name: all, when: orders > 1, label: {zh: 一, en: one}}, {name: all,"): "ladder 'stage' has two rungs 'all'",
}  # fmt: skip


@pytest.mark.parametrize(("change", "message"), CHANGES.items(), ids=CHANGES.values())
def test_a_tag_or_rung_of_another_shape_is_refused(change: tuple[str, str], message: str) -> None:
    text = FILE % "orders > 1"
    assert change[0] in text

    assert any(message in error.message for error in refused(text.replace(*change)))


# --- what parts may ask of each other ---------------------------------------------------------------------------------


def test_an_unknown_tag_is_told_with_the_nearest() -> None:
    (error,) = refused(text_of({"big_spender": "orders > 9", "b": "orders > 1 AND HAS('big_spenders')"}))

    assert error.message == "unknown tag 'big_spenders'; nearest: big_spender"


def test_an_unknown_rung_is_told_with_those_there_are() -> None:
    tiers = [{"name": "gold", "when": "orders > 9"}, {"name": "other"}]

    (near,) = refused(text_of({"a": "tier = 'golden'"}, tier=tiers))
    (far,) = refused(text_of({"a": "tier IN ('gold', 'x')"}, tier=tiers))

    assert near.message == "ladder 'tier' has no rung 'golden'; nearest: gold"
    assert far.message == "ladder 'tier' has no rung 'x'; known: gold, other"


def test_tags_that_ask_each_other_in_a_circle_are_refused_and_those_that_only_ask_them_are_not_blamed() -> None:
    errors = refused(
        text_of(
            {"a": "HAS('b')", "b": ("orders > 1", "NOT HAS('c')"), "c": "HAS('a')", "d": "HAS('a')", "e": "HAS('e')"}
        )
    )

    assert sorted(error.message.split("'")[1] for error in errors) == ["a", "b", "c", "e"]


def test_a_rung_asks_neither_tags_nor_what_is_decided_later() -> None:
    asks_tag = [{"name": "gold", "when": "HAS('a')"}, {"name": "other"}]
    asks_later = [{"name": "gold", "when": "tier = 'all'"}, {"name": "other"}]
    asks_earlier = [{"name": "gold", "when": "stage = 'all' AND tier != 'gold'"}, {"name": "other"}]

    (tag,) = refused(text_of({"a": "orders > 1"}, tier=asks_tag))
    (later,) = refused(text_of({"a": "orders > 1"}, stage=asks_later))
    load(text_of({"a": "orders > 1"}, tier=asks_earlier))

    assert "ladders are decided before tags" in tag.message
    assert later.message == "tier is decided after stage, so stage cannot ask about it"


def test_there_is_room_for_so_many_tags_and_no_more() -> None:
    load(text_of({f"t{i}": "orders > 1" for i in range(TAGS)}))

    (error,) = refused(text_of({f"t{i}": "orders > 1" for i in range(TAGS + 1)}))

    assert "more than 128 tags" in error.message


def test_retired_tags_keep_their_room() -> None:
    before = assign_slots(load(text_of({f"t{i}": "orders > 1" for i in range(TAGS)})), {})

    with pytest.raises(RuleError, match=r"no room for tag 'new': .* 2 retired ones keep theirs \(t126, t127 \.\.\.\)"):
        assign_slots(load(text_of({"new": "orders > 1", **{f"t{i}": "orders > 1" for i in range(TAGS - 2)}})), before)


def test_every_feature_is_read_as_a_feature_and_can_be_asked_about_or_says_why_not() -> None:
    """No name in the dictionary is a word of SQL's own."""
    for feature in FEATURES:
        value = "'visit'" if feature.op is Op.STEP else "'x'" if feature.unit is Unit.NAME else "0.5"
        how = "=" if feature.unit is Unit.NAME else ">="
        if feature.op is Op.SESSION_MINUTES:
            continue
        assert parse(f"{feature.name} {how} {value}").mentions[0].what.feature == feature.name  # type: ignore[union-attr]

"""What a condition means: the compiled rule, SQLite and an obvious evaluator agree on every formula and every unknown."""

from __future__ import annotations

import operator
import sqlite3
from collections.abc import Callable
from typing import Any, Final

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.features import CUT_FEATURES, FEATURES, INDEX
from profiles.kernels.decide import Rules, holds, resolve
from profiles.kernels.derive import Floats, score
from profiles.layout import LADDERS, TABLES
from profiles.operators import Op
from profiles.rules import RuleBook, assign_slots, compile_rules, load
from profiles.rules.explain import because, missing
from profiles.rules.vocabulary import STEPS
from profiles.stable import code_of
from tests.customers import PEOPLE
from tests.rulebooks import book_of, text_of

Person = dict[str, float | str | None]  #: what is known about somebody; None is unknown
Node = tuple[Any, ...]  #: a condition as the tests draw it

NUMBERS: Final = ("orders", "events", "items_per_order")
MOVING: Final = ("days_since_order", "spend_365d", "average_order", "risk", "orders_365d")
TEXTS: Final = {"city": ("上海", "北京", "it's"), "last_step": ("visit", "order"), "stage": ("young", "old")}
SCORES: Final = {"r_score": "days_since_order", "f_score": "orders_365d", "m_score": "spend_365d"}
OTHERS: Final = ("vip", "quiet")
STAGES: Final = [{"name": "young", "when": "orders < 2"}, {"name": "old"}]

_HOW: Final[dict[str, Callable[[Any, Any], bool]]] = {
    "<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge,
    "=": operator.eq, "<>": operator.ne, "!=": operator.ne,
}  # fmt: skip
_ORDER: Final = ("<", "<=", ">", ">=")


# --- drawing conditions and people ------------------------------------------------------------------------------------


def limits(name: str) -> st.SearchStrategy[float]:
    if name == "risk":
        return st.sampled_from([0.0, 0.25, 0.5, 1.0])
    if name in SCORES:
        return st.sampled_from([-1.0, 0.0, 1.0, 2.0, 3.0, 3.5, 4.0, 5.0, 6.0])
    return st.one_of(st.integers(-2, 40).map(float), st.integers(0, 4000).map(lambda cents: cents / 100))


def comparisons() -> st.SearchStrategy[Node]:
    names = st.sampled_from([*NUMBERS, *MOVING, *SCORES])
    compared = names.flatmap(
        lambda name: st.tuples(
            st.just("compare"), st.just(name), st.sampled_from(_ORDER if name in MOVING else list(_HOW)), limits(name)
        )
    )
    cut = st.tuples(
        st.just("cut"), st.sampled_from(CUT_FEATURES), st.sampled_from(_ORDER), st.integers(1, 9), st.booleans()
    )
    text = st.sampled_from(list(TEXTS)).flatmap(
        lambda name: st.tuples(
            st.just("compare"), st.just(name), st.sampled_from(["=", "!=", "<>"]), st.sampled_from(TEXTS[name])
        )
    )
    between = names.flatmap(lambda name: st.tuples(st.just("between"), st.just(name), limits(name), limits(name)))
    among = st.sampled_from([*NUMBERS, *SCORES]).flatmap(
        lambda name: st.tuples(st.just("in"), st.just(name), st.lists(limits(name), min_size=1, max_size=3))
    )
    among_texts = st.sampled_from(list(TEXTS)).flatmap(
        lambda name: st.tuples(
            st.just("in"), st.just(name), st.lists(st.sampled_from(TEXTS[name]), min_size=1, max_size=2)
        )
    )
    null = st.tuples(st.just("null"), st.sampled_from([*NUMBERS, *MOVING, *SCORES, *TEXTS]))
    has = st.tuples(st.just("has"), st.sampled_from(OTHERS))
    constant = st.tuples(st.just("constant"), st.booleans())
    return st.one_of(compared, cut, text, between, among, among_texts, null, has, constant)


def conditions() -> st.SearchStrategy[Node]:
    def joined(inner: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
        parts = st.lists(inner, min_size=2, max_size=4)
        return st.one_of(
            st.tuples(st.just("not"), inner), st.tuples(st.just("and"), parts), st.tuples(st.just("or"), parts)
        )

    return st.recursive(comparisons(), joined, max_leaves=10)


def people() -> st.SearchStrategy[Person]:
    number = {name: st.none() | st.integers(0, 12).map(float) for name in (*NUMBERS, "orders_365d")}
    moving = {name: st.none() | st.integers(0, 40).map(float) for name in ("days_since_order", "average_order")}
    money = {"spend_365d": st.none() | st.integers(0, 70_000).map(lambda cents: cents / 100)}
    risk = {"risk": st.none() | st.sampled_from([0.0, 0.25, 0.3, 0.5, 1.0])}
    texts = {name: st.none() | st.sampled_from(values) for name, values in TEXTS.items()}
    return st.fixed_dictionaries({**number, **moving, **money, **risk, **texts})


# --- three ways to ask ------------------------------------------------------------------------------------------------


def sql(node: Node, *, cuts: bool) -> str:
    """The condition as text; ``cuts`` False writes cut points as numbers, for a database that knows none."""
    kind = node[0]
    if kind in ("and", "or"):
        return "(" + f" {kind.upper()} ".join(sql(part, cuts=cuts) for part in node[1]) + ")"
    if kind == "not":
        return f"NOT {sql(node[1], cuts=cuts)}"
    if kind == "cut":
        _, name, how, decile, mirrored = node
        point = f"CUT(0.{decile})" if cuts else _literal(cut_point(name, decile))
        return f"({point} {how} {name})" if mirrored else f"{name} {how} {point}"
    if kind == "compare":
        return f"{node[1]} {node[2]} {_literal(node[3])}"
    if kind == "between":
        return f"{node[1]} BETWEEN {_literal(node[2])} AND {_literal(node[3])}"
    if kind == "in":
        return f"{node[1]} IN ({', '.join(map(_literal, node[2]))})"
    if kind == "null":
        return f"{node[1]} IS NULL"
    return f"HAS('{node[1]}')" if kind == "has" else str(node[1]).upper()


def _literal(value: float | str) -> str:
    return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else repr(value)


def cut_point(name: str, decile: int) -> float:
    return float(PEOPLE.cuts[CUT_FEATURES.index(name), decile - 1])


def value_of(person: Person, name: str) -> float | str | None:
    if name not in SCORES:
        return person[name]
    base = person[SCORES[name]]
    cuts = PEOPLE.cuts[CUT_FEATURES.index(SCORES[name])]
    return None if base is None else float(score(float(base), cuts, name != "r_score"))


def obvious(node: Node, person: Person, held: set[str]) -> bool | None:
    """Three-valued logic by the book; None is unknown."""
    kind = node[0]
    if kind in ("and", "or"):
        parts = {obvious(part, person, held) for part in node[1]}
        decisive = kind == "or"
        return decisive if decisive in parts else None if None in parts else not decisive
    if kind == "not":
        inner = obvious(node[1], person, held)
        return None if inner is None else not inner
    if kind == "constant":
        return bool(node[1])
    if kind == "has":
        return bool(node[1] in held)
    value = value_of(person, node[1])
    if kind == "null":
        return value is None
    if value is None:
        return None
    if kind == "between":
        return bool(node[2] <= value <= node[3])
    if kind == "in":
        return bool(value in node[2])
    if kind == "cut":
        point = cut_point(node[1], node[3])
        return _HOW[node[2]](*((point, value) if node[4] else (value, point)))
    return _HOW[node[2]](value, node[3])


def asked_sqlite(node: Node, person: Person, held: set[str]) -> bool | None:
    with sqlite3.connect(":memory:") as database:
        database.create_function("HAS", 1, lambda tag: tag in held)
        columns = {name: value_of(person, name) for name in (*person, *SCORES)}
        select = ", ".join(f"? AS {name}" for name in columns)
        query = f"SELECT ({sql(node, cuts=False)}) FROM (SELECT {select})"  # noqa: S608
        (found,) = database.execute(query, list(columns.values())).fetchone()
    database.close()
    return None if found is None else bool(found)


def seen_by(book: RuleBook, person: Person, held: set[str]) -> tuple[Floats, np.ndarray[Any, np.dtype[np.int64]]]:
    """The person as features and as a row."""
    x, row = np.full(len(INDEX), np.nan), np.zeros(TABLES.size, np.int64)
    x[INDEX["events"]] = 0.0  # a count is always known
    for name, value in person.items():
        if isinstance(value, str):
            numbers = {"last_step": STEPS, "stage": {rung: book.numbers[f"stage.{rung}"] for rung in TEXTS["stage"]}}
            x[INDEX[name]] = float(numbers.get(name, {}).get(value, code_of(value)))
        elif value is not None:
            x[INDEX[name]] = 10.0**-2 * round(value * 100) if name == "spend_365d" else value
    for tag in held:
        row[TABLES.since + book.numbers[tag]] = 1
    return x, row


def limits_of(rules: Rules) -> Floats:
    """What every clause compares with."""
    limits = np.empty(len(rules.clauses))
    resolve(rules, PEOPLE.cuts, limits)
    return limits


def compiled(book: RuleBook, tag: str, person: Person, held: set[str]) -> bool:
    x, row = seen_by(book, person, held)
    rules: Rules = book.rules
    (at,) = (rules.tags[i] for i in range(len(rules.tags)) if rules.tags[i, 0] == book.numbers[tag])
    return bool(holds(row, x, at[1], at[2], rules, limits_of(rules)))


def known_events(person: Person) -> Person:
    return {**person, "events": person["events"] or 0.0}


# --- the law ----------------------------------------------------------------------------------------------------------


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(conditions(), people().map(known_events), st.sets(st.sampled_from(OTHERS)))
def test_a_rule_holds_where_sql_says_true_and_nowhere_else(node: Node, person: Person, held: set[str]) -> None:
    book = book_of({"asked": sql(node, cuts=True), "vip": "orders >= 1", "quiet": "orders < 1"}, stage=STAGES)
    expected = obvious(node, person, held)

    assert asked_sqlite(node, person, held) is expected
    assert compiled(book, "asked", person, held) is (expected is True)


@settings(max_examples=200, deadline=None, suppress_health_check=list(HealthCheck))
@given(conditions(), people().map(known_events), st.sets(st.sampled_from(OTHERS)))
def test_what_holds_has_reasons_that_are_true_and_what_does_not_has_gaps(
    node: Node, person: Person, held: set[str]
) -> None:
    """Every reason, read as a condition, holds by itself; and nothing is missing exactly where the rule holds."""
    book = book_of({"asked": sql(node, cuts=True), "vip": "orders >= 1", "quiet": "orders < 1"}, stage=STAGES)
    x, row = seen_by(book, person, held)
    seen, rule = (
        book.seen(x, row, {code_of(city): city for city in TEXTS["city"]}.get),
        book.bound(PEOPLE.cuts)["asked"],
    )
    truth = compiled(book, "asked", person, held)

    assert seen.true(rule.enter) is truth
    assert not missing(rule, seen) if truth else because(rule, seen) == ()
    for reason in because(rule, seen):
        if reason.compare in ("held", "not held"):
            assert (reason.feature in held) is (reason.compare == "held")
        elif reason.compare in ("is known", "is unknown"):
            assert (person[reason.feature] is None) is (reason.compare == "is unknown")
        else:
            assert _HOW[reason.compare](reason.value, reason.limit), str(reason)


@pytest.mark.parametrize("name", SCORES)
@pytest.mark.parametrize("how", ["<", "<=", ">", ">=", "=", "<>"])
def test_a_score_is_compared_without_being_computed(name: str, how: str) -> None:
    """Every limit inside, between and outside 1 to 5; values below, on and above every cut point, and unknown."""
    cuts = PEOPLE.cuts[CUT_FEATURES.index(SCORES[name])]
    values = [None, *sorted({0.0, *cuts.tolist(), *(cuts + 0.5).tolist(), *(cuts - 0.25).tolist()})]
    for limit in (-3.0, 0.0, 1.0, 1.5, 2.0, 3.0, 4.0, 4.5, 5.0, 6.0):
        book = book_of({"asked": f"{name} {how} {limit}"})
        for value in values:
            person: Person = {SCORES[name]: value}
            assert compiled(book, "asked", person, set()) is (
                obvious(("compare", name, how, limit), person, set()) is True
            )


def test_money_is_compared_to_the_cent() -> None:
    """0.35 is not 35 hundredths in binary; a rule must not see the difference."""
    for cents in (1, 35, 57, 115, 229, 1999, 100_003):
        book = book_of({"asked": f"spend_365d <= {cents / 100} AND spend_365d >= {cents / 100}"})
        for off in (-1, 0, 1):
            x, row = np.full(len(INDEX), np.nan), np.zeros(TABLES.size, np.int64)
            x[INDEX["spend_365d"]] = 10.0**-2 * (cents + off)
            start, end = book.rules.tags[0, 1], book.rules.tags[0, 2]
            assert bool(holds(row, x, start, end, book.rules, limits_of(book.rules))) is (off == 0)


def test_currencies_without_cents_are_compared_in_whole_units() -> None:
    document = load(text_of({"asked": "spend_365d >= 350"}))
    book = compile_rules(document, assign_slots(document, {}), digits=0)

    assert book.rules.values[book.rules.code[0]] == 350.0


def test_each_question_is_one_clause_however_often_it_is_asked() -> None:
    book = book_of(
        {"a": "orders >= 3 AND spend_30d > 5", "b": "NOT orders < 3", "c": "spend_30d BETWEEN 1 AND 5 OR 3 <= orders"}
    )

    asked = [str(book.document.rules[tag].enter) for tag in "ab"]
    assert "GE" in asked[0]
    assert "GE" in asked[1]
    assert len(book.clauses) == len(book.rules.clauses) == 5  # orders once, spend three times, and "always"


def test_wanted_features_come_with_what_they_build_on_and_after_it() -> None:
    wanted = book_of({"a": "order_trend > 1 AND risk > 0.5 AND mean_stars < 3"}).rules.wanted.tolist()

    assert wanted == sorted(set(wanted))
    assert {INDEX[name] for name in ("order_trend", "risk", "mean_stars", *CUT_FEATURES, *LADDERS)} <= set(wanted)
    for feature in (FEATURES[i] for i in wanted):
        if feature.op in (Op.RATIO, Op.LESS, Op.RISK):
            assert all(INDEX[str(arg)] in wanted and INDEX[str(arg)] < INDEX[feature.name] for arg in feature.args)


def test_arrays_are_what_kernels_take() -> None:
    rules = book_of({"a": "TRUE", "b": "FALSE"}).rules

    for name, array in rules._asdict().items():
        assert array.flags.c_contiguous, name
        assert array.dtype == (np.float64 if name == "values" else np.int64), name

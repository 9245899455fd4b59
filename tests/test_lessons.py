"""An order of several products is told to the learners once, at its place among all that is told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import DAY, MINUTE, WEEK, zone
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.measures import ORDERS_KEPT
from profiles.stable import message_key
from profiles.step import SAMPLES, Rows, Step
from profiles.wire import Basket, decode_lesson
from tests.laws.lives import END
from tests.laws.machine import book_of, world_of

HERE = zone("Asia/Shanghai")
TEA, CUP, MILK = (1, 0, 11), (2, 0, 12), (1, 0, 13)  #: (category, brand, item)


def bought(number: int, *lines: tuple[int, int, int], at: int = END, order: int = 0, who: str = "u") -> Event:
    key = message_key(f"m-{number}".encode(), at)
    return Event(who, Kind.ORDER, at, amount=100, quantity=len(lines), key=key, order=order, lines=lines)


def told(*batches: Sequence[Event]) -> list[Any]:
    """All messages about the events of these batches, applied one after the other."""
    people = list(dict.fromkeys(event.profile for batch in batches for event in batch))
    state, seq, offset, found = np.zeros((len(people), TABLES.size), np.int64), 0, 0, []
    book = book_of()
    for batch in batches:
        draft = inputs.Draft()
        for event in batch:
            offset += 1
            draft.add(event, offset)
        work = inputs.gather([draft.batch("events", 0, END, END)], {}, HERE)
        rows = state[[people.index(profile) for profile in work.profiles]]
        step = Step(0, Rows(work.profiles, rows), world_of(book, HERE), book, seq, END)
        step.events(work, "live")
        state[[people.index(profile) for profile in work.profiles]] = rows
        commit = step.commit(0)
        seq = commit.seq
        found += [(message.topic, message.value) for message in commit.messages]
    return found


def baskets(*batches: Sequence[Event]) -> list[Basket]:
    lessons = [decode_lesson(value) for topic, value in told(*batches) if topic == SAMPLES]
    return [each for each in lessons if isinstance(each, Basket)]


def test_an_order_of_several_products_is_one_lesson() -> None:
    (one,) = baskets([bought(1, TEA, CUP, TEA, MILK, order=7)])
    assert (one.profile, one.at, one.items, one.categories) == ("u", END, (11, 12, 13), (1, 2))


@pytest.mark.parametrize("lines", [(), (TEA,), (TEA, TEA), ((0, 0, 11), (0, 5, 0))])
def test_an_order_of_one_product_teaches_nothing(lines: tuple[tuple[int, int, int], ...]) -> None:
    assert baskets([bought(1, *lines, order=7)]) == []


def test_only_orders_teach() -> None:
    assert baskets([replace(bought(1, TEA, CUP), kind=kind) for kind in Kind if kind is not Kind.ORDER]) == []


def test_two_categories_are_enough_where_products_have_no_id() -> None:
    (one,) = baskets([bought(1, (1, 0, 0), (2, 0, 0))])
    assert (one.items, one.categories) == ((), (1, 2))


@pytest.mark.parametrize("cut", [False, True], ids=["in one batch", "in two"])
def test_a_message_that_comes_again_and_one_that_corrects_its_order_tell_nothing(*, cut: bool) -> None:
    first, again = bought(1, TEA, CUP, order=7), bought(1, TEA, CUP, order=7)
    correction = bought(2, TEA, CUP, MILK, at=END + MINUTE, order=7)
    other = bought(3, TEA, MILK, order=8)
    batches = [[first], [again, correction, other]] if cut else [[first, again, correction, other]]
    assert [each.items for each in baskets(*batches)] == [(11, 12), (11, 13)]


def test_orders_without_an_id_are_one_each() -> None:
    assert len(baskets([bought(1, TEA, CUP), bought(2, TEA, CUP, at=END + 1)])) == 2


def test_what_an_order_was_first_said_to_hold_counts() -> None:
    assert baskets([bought(1, TEA, order=7), bought(2, TEA, CUP, order=7)]) == []


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_an_order_that_is_no_longer_known_counts_again_and_so_teaches_again_wherever_batches_are_cut(size: int) -> None:
    """As the count of orders does; see docs/wire.md, *Sent twice*."""
    orders = [bought(n, TEA, CUP, at=END + n * MINUTE, order=n + 1) for n in range(ORDERS_KEPT + 1)]
    late = [bought(100, TEA, CUP, at=END + DAY, order=1), bought(101, TEA, CUP, at=END + DAY, order=ORDERS_KEPT)]
    log = [*orders, *late]
    found = baskets(*(log[start : start + size] for start in range(0, len(log), size)))
    assert [each.at for each in found] == [event.time for event in [*orders, late[0]]]


def test_lessons_and_everything_else_are_told_in_the_same_order_and_with_the_same_numbers_however_batches_are_cut() -> (
    None
):
    """Over months, so that weekly samples fall between orders; some orders come late."""
    rng = np.random.default_rng(1)
    log = []
    for n in range(120):
        at = END - 120 * DAY + n * DAY - int(rng.random() < 0.3) * int(rng.integers(0, WEEK))
        lines = (TEA, CUP, MILK)[: int(rng.integers(1, 4))]
        log.append(bought(n, *lines, at=at, order=int(rng.integers(0, 40)), who=f"u-{n % 3}"))
    whole, single = told(log), told(*([event] for event in log))
    assert whole == single
    sorts = [type(decode_lesson(value)).__name__ for topic, value in whole if topic == SAMPLES]
    assert {"Sample", "Basket"} <= set(sorts)
    assert len(whole) > len(sorts)

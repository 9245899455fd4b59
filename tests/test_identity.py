"""One customer behind many ids, over real buckets: what joins, what is told of it, what is left when it is undone."""

from __future__ import annotations

import pytest

from profiles.clock import DAY
from profiles.identity.messages import Link, Split
from profiles.layout import LAYOUT, TABLES
from profiles.sidecar import traits
from profiles.stable import bucket_of
from profiles.store.memory import MemoryStore
from tests.identity_town import BUCKETS, Shop

pytest_plugins = ["tests.identity_fixtures"]

EVENTS = LAYOUT.start["events"]  #: of kinds that count as activity, so no identify


def view(who: dict[str, object], n: int = 1) -> list[dict[str, object]]:
    return [
        {"type": "track", "event": "Product Viewed", "properties": {"product_id": f"p{i}"}, **who} for i in range(n)
    ]


ORDER = {"type": "track", "event": "Order Completed", "properties": {"order_id": "o1", "revenue": 900}}
ANON: dict[str, object] = {"anonymousId": "d7"}
USER: dict[str, object] = {"userId": "u1"}


def facts(town: Shop, name: str) -> list[int]:
    found: list[int] = town.row(name)[: TABLES.facts].tolist()
    return found


def test_what_somebody_did_before_they_signed_in_is_theirs(town: Shop) -> None:
    town.tell(*view(ANON, 3))
    assert town.holds("anon:d7")
    town.tell({"type": "identify", **USER, **ANON, "traits": {"phone": "13812341234"}}, *view(USER, 2))
    assert [town.root(name) for name in ("anon:d7", "phone:p1234", "u1")] == ["u1"] * 3
    assert town.row("u1")[EVENTS] == 5
    assert town.holds("anon:d7") == set()
    assert town.holds("u1")
    assert {each.origin for each in town.transitions if each.profile == "anon:d7" and each.change == "left"} == {
        "merge"
    }


def test_what_is_told_of_a_retired_id_still_counts_once(town: Shop) -> None:
    town.tell({"type": "identify", **USER, **ANON, "traits": {"city": "上海"}})
    town.tell(
        *view(ANON, 4), {"type": "identify", **ANON, "traits": {"city": "北京"}, "timestamp": town.house.clock() - DAY}
    )
    town.tell(*view(USER, 1))
    assert town.row("u1")[EVENTS] == 5
    side = town.house.run(town.store.sidecars(bucket_of("u1", BUCKETS), ["u1"]))[0]
    assert traits(side) == {"city": "上海"}
    checkpoint = town.house.run(town.store.checkpoint(bucket_of("anon:d7", BUCKETS)))
    assert checkpoint.forwarded == 5


def test_undoing_gives_both_what_they_did_themselves(town: Shop) -> None:
    town.tell(*view(ANON, 2))
    town.tell({"type": "identify", **USER, **ANON})
    town.tell(*view(ANON, 1), {**ORDER, **USER})
    node = town.node("anon:d7")
    assert node is not None
    town.hear(Split("u1", "anon:d7", node.generation, town.house.clock()))
    alone = Shop(town.house, MemoryStore())
    town.sent, keys = town.sent, [f"m-{i}" for i in range(5)]
    alone.tell(*[{**event, "messageId": key} for event, key in zip(
        [*view(ANON, 2), {"type": "identify", **USER}, view(ANON, 1)[0], {**ORDER, **USER}], keys, strict=True)])  # fmt: skip
    for name in ("u1", "anon:d7"):
        assert facts(town, name) == facts(alone, name)
        assert town.holds(name) == alone.holds(name)
    town.tell({"type": "identify", **USER, **ANON})
    assert town.root("anon:d7") == "anon:d7"
    town.hear(Link("u1", "anon:d7", town.house.clock(), explicit=True))
    assert town.root("anon:d7") == "u1"
    assert town.row("u1")[EVENTS] == 4


def test_a_phone_that_two_users_share_stays_with_the_first(town: Shop) -> None:
    for user in ("u1", "u2"):
        town.tell({"type": "identify", "userId": user, "traits": {"mobile": "138-1234-1234"}})
    assert town.root("phone:p1234") == "u1"
    assert town.root("u2") == "u2"
    nodes = [node for name in ("u1", "u2") if (node := town.node(name)) is not None]
    assert {refusal.reason for node in nodes for refusal in node.refused} == {"two_of_a_kind"}


@pytest.mark.parametrize("phone", ["13800138000", "00000000000", "none", "138****1234"])
def test_numbers_that_are_nobodys_join_nobody(town: Shop, phone: str) -> None:
    for who in (ANON, {"anonymousId": "d8"}):
        town.tell({"type": "identify", **who, "traits": {"phone": phone}})
    assert town.root("anon:d8") == "anon:d8"


def test_a_new_writer_goes_on_where_the_old_one_died(town: Shop) -> None:
    """Nothing about who is who is kept anywhere but in the store."""
    town.intake(*view(ANON, 3), {"type": "identify", **USER, **ANON}, *view(ANON, 2), *view(USER, 1))
    for _ in range(12):
        for number in range(BUCKETS):
            town.buckets[number] = town.bucket(number)
            town.work(number)
    town.settle()
    assert town.row("u1")[EVENTS] == 6
    assert facts(town, "u1") != facts(town, "anon:d7")


def test_silence_and_new_rules_leave_heads_as_they_are(town: Shop) -> None:
    town.tell(*view(ANON, 2), {**ORDER, **ANON})
    town.tell({"type": "identify", **USER, **ANON})
    before = town.node("u1")
    town.house.clock.advance(40 * DAY)
    for bucket in town.buckets:
        while town.house.run(bucket.sweep()).swept:
            pass
    town.settle()
    assert town.node("u1") == before
    assert before is not None
    assert town.node("anon:d7") is not None
    assert town.row("u1")[TABLES.as_of] > town.house.clock() - 30 * DAY

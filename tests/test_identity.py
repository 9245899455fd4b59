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


def facts(shop: Shop, name: str) -> list[int]:
    found: list[int] = shop.row(name)[: TABLES.facts].tolist()
    return found


def test_what_somebody_did_before_they_signed_in_is_theirs(shop: Shop) -> None:
    shop.tell(*view(ANON, 3))
    assert shop.holds("anon:d7")
    shop.tell({"type": "identify", **USER, **ANON, "traits": {"phone": "13812341234"}}, *view(USER, 2))
    assert [shop.root(name) for name in ("anon:d7", "phone:p1234", "u1")] == ["u1"] * 3
    assert shop.row("u1")[EVENTS] == 5
    assert shop.holds("anon:d7") == set()
    assert shop.holds("u1")
    assert {each.origin for each in shop.transitions if each.profile == "anon:d7" and each.change == "left"} == {
        "merge"
    }


def test_what_is_told_of_a_retired_id_still_counts_once(shop: Shop) -> None:
    shop.tell({"type": "identify", **USER, **ANON, "traits": {"city": "上海"}})
    shop.tell(
        *view(ANON, 4), {"type": "identify", **ANON, "traits": {"city": "北京"}, "timestamp": shop.house.clock() - DAY}
    )
    shop.tell(*view(USER, 1))
    assert shop.row("u1")[EVENTS] == 5
    side = shop.house.run(shop.store.sidecars(bucket_of("u1", BUCKETS), ["u1"]))[0]
    assert traits(side) == {"city": "上海"}
    checkpoint = shop.house.run(shop.store.checkpoint(bucket_of("anon:d7", BUCKETS)))
    assert checkpoint.forwarded == 5


def test_undoing_gives_both_what_they_did_themselves(shop: Shop) -> None:
    shop.tell(*view(ANON, 2))
    shop.tell({"type": "identify", **USER, **ANON})
    shop.tell(*view(ANON, 1), {**ORDER, **USER})
    node = shop.node("anon:d7")
    assert node is not None
    shop.hear(Split("u1", "anon:d7", node.generation, shop.house.clock()))
    alone = Shop(shop.house, MemoryStore())
    shop.sent, keys = shop.sent, [f"m-{i}" for i in range(5)]
    alone.tell(*[{**event, "messageId": key} for event, key in zip(
        [*view(ANON, 2), {"type": "identify", **USER}, view(ANON, 1)[0], {**ORDER, **USER}], keys, strict=True)])  # fmt: skip
    for name in ("u1", "anon:d7"):
        assert facts(shop, name) == facts(alone, name)
        assert shop.holds(name) == alone.holds(name)
    shop.tell({"type": "identify", **USER, **ANON})
    assert shop.root("anon:d7") == "anon:d7"
    shop.hear(Link("u1", "anon:d7", shop.house.clock(), explicit=True))
    assert shop.root("anon:d7") == "u1"
    assert shop.row("u1")[EVENTS] == 4


def test_a_phone_that_two_users_share_stays_with_the_first(shop: Shop) -> None:
    for user in ("u1", "u2"):
        shop.tell({"type": "identify", "userId": user, "traits": {"mobile": "138-1234-1234"}})
    assert shop.root("phone:p1234") == "u1"
    assert shop.root("u2") == "u2"
    nodes = [node for name in ("u1", "u2") if (node := shop.node(name)) is not None]
    assert {refusal.reason for node in nodes for refusal in node.refused} == {"two_of_a_kind"}


@pytest.mark.parametrize("phone", ["13800138000", "00000000000", "none", "138****1234"])
def test_numbers_that_are_nobodys_join_nobody(shop: Shop, phone: str) -> None:
    for who in (ANON, {"anonymousId": "d8"}):
        shop.tell({"type": "identify", **who, "traits": {"phone": phone}})
    assert shop.root("anon:d8") == "anon:d8"


def test_a_new_writer_goes_on_where_the_old_one_died(shop: Shop) -> None:
    """Nothing about who is who is kept anywhere but in the store."""
    shop.intake(*view(ANON, 3), {"type": "identify", **USER, **ANON}, *view(ANON, 2), *view(USER, 1))
    for _ in range(12):
        for number in range(BUCKETS):
            shop.buckets[number] = shop.bucket(number)
            shop.work(number)
    shop.settle()
    assert shop.row("u1")[EVENTS] == 6
    assert facts(shop, "u1") != facts(shop, "anon:d7")


def test_silence_and_new_rules_leave_heads_as_they_are(shop: Shop) -> None:
    shop.tell(*view(ANON, 2), {**ORDER, **ANON})
    shop.tell({"type": "identify", **USER, **ANON})
    before = shop.node("u1")
    shop.house.clock.advance(40 * DAY)
    for bucket in shop.buckets:
        while shop.house.run(bucket.sweep()).swept:
            pass
    shop.settle()
    assert shop.node("u1") == before
    assert before is not None
    assert shop.node("anon:d7") is not None
    assert shop.row("u1")[TABLES.as_of] > shop.house.clock() - 30 * DAY

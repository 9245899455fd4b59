"""A customer behind several ids is erased with all of them, and nobody else goes with them."""

from __future__ import annotations

from collections import Counter

import pytest

from profiles import erasure, inputs
from profiles.stable import bucket_of
from profiles.store.memory import MemoryStore
from tests.bucket_house import House
from tests.identity_town import BUCKETS, Shop, blind_name

pytest_plugins = ["tests.identity_fixtures"]

IDS = ("u1", "anon:d7", "crm:77", "phone:p1234")
USER: dict[str, object] = {"userId": "u1"}
JOINED: dict[str, object] = {"userId": "u1", "anonymousId": "d7", "traits": {"phone": "13812341234", "crmId": "77"}}


def view(**who: object) -> dict[str, object]:
    return {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p"}, **who}


def standing(shop: Shop) -> Counter[str]:
    """How many hold each tag or stand on each rung."""
    found: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        found.update(shop.house.run(shop.store.counts(bucket)))
    return Counter({name: n for name, n in found.items() if n and not name.startswith(("path:", "retention:"))})


def test_all_ids_of_a_customer_go_at_once_and_the_others_are_as_they_were(shop: Shop) -> None:
    shop.tell(view(userId="u2"), view(anonymousId="d8"))
    before = standing(shop)
    shop.tell(view(anonymousId="d7"), {"type": "identify", **JOINED}, view(**USER), view(anonymousId="d7"))
    assert {shop.root(name) for name in IDS} == {"u1"}

    shop.order("DELETE_ONLY", *IDS)

    assert [shop.blob(name) for name in IDS] == [None] * len(IDS)
    assert [shop.house.run(shop.store.family(bucket_of(name, BUCKETS), name)) for name in IDS] == [{}] * len(IDS)
    assert standing(shop) == before
    shop.hop.forget()
    shop.tell({"type": "identify", **JOINED}, view(anonymousId="d7"))  # whoever comes back is one customer again
    assert {shop.root(name) for name in IDS} == {"u1"}


def test_a_visitor_who_signs_in_as_somebody_suppressed_stays_a_visitor(shop: Shop) -> None:
    """Intake has not heard of the order yet."""
    shop.tell({"type": "identify", **JOINED}, view(**USER), view(anonymousId="d9"))
    shop.order("SUPPRESS_WITH_DELETE", *IDS)
    shop.tell({"type": "identify", **JOINED, "anonymousId": "d9"}, view(anonymousId="d7"), view(anonymousId="d9"))
    assert [shop.blob(name) for name in IDS] == [None] * len(IDS)
    assert shop.root("anon:d9") == "anon:d9"


def test_whoever_was_on_the_way_into_somebody_suppressed_comes_back(shop: Shop) -> None:
    """The visitor has retired and handed everything over, and nobody is there to take it."""
    shop.tell(view(**USER), view(anonymousId="d9"), view(anonymousId="d9"))
    known = shop.row("anon:d9").copy()
    shop.intake({"type": "identify", "userId": "u1", "anonymousId": "d9"})
    shop.work(bucket_of("u1", BUCKETS))  # it offers itself
    regulation = erasure.Regulation("r", "SUPPRESS_WITH_DELETE", 0, "test", ())
    about = erasure.subjects(["u1"], BUCKETS, lambda name: blind_name("", name))
    for bucket, record in erasure.orders(regulation, about):
        shop.logs[bucket].append(inputs.encode(record))
    shop.settle()
    assert shop.blob("u1") is None
    assert shop.root("anon:d9") == "anon:d9"
    node = shop.node("anon:d9")
    assert node is None or node.refused == ()
    assert (shop.row("anon:d9")[:20] == known[:20]).all()
    assert shop.holds("anon:d9")


@pytest.mark.parametrize(
    ("event", "taken"),
    [
        ({"type": "identify", "anonymousId": "d5", "traits": {"crmId": "77"}}, False),
        ({"type": "identify", "anonymousId": "d5", "traits": {"crmId": "78"}}, True),
        ({"type": "identify", "userId": "u2", "traits": {"phone": "13812341234"}}, True),
        ({"type": "identify", "anonymousId": "d7"}, False),
    ],
)
def test_of_a_visitor_who_shows_a_suppressed_id_nothing_is_taken_and_of_others_everything(
    house: House, event: dict[str, object], taken: bool
) -> None:
    """A telephone may be two people's: whoever has a name of their own is a customer of their own."""
    house.empty()
    shop = Shop(house, MemoryStore())
    shop.hop._suppressed = lambda name: name in IDS
    shop.tell(event)
    assert any(shop.logs) == taken

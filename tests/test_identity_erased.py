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


def standing(town: Shop) -> Counter[str]:
    """How many hold each tag or stand on each rung."""
    found: Counter[str] = Counter()
    for bucket in range(BUCKETS):
        found.update(town.house.run(town.store.counts(bucket)))
    return Counter({name: n for name, n in found.items() if n and not name.startswith(("path:", "retention:"))})


def test_all_ids_of_a_customer_go_at_once_and_the_others_are_as_they_were(town: Shop) -> None:
    town.tell(view(userId="u2"), view(anonymousId="d8"))
    before = standing(town)
    town.tell(view(anonymousId="d7"), {"type": "identify", **JOINED}, view(**USER), view(anonymousId="d7"))
    assert {town.root(name) for name in IDS} == {"u1"}

    town.order("DELETE_ONLY", *IDS)

    assert [town.blob(name) for name in IDS] == [None] * len(IDS)
    assert [town.house.run(town.store.family(bucket_of(name, BUCKETS), name)) for name in IDS] == [{}] * len(IDS)
    assert standing(town) == before
    town.hop.forget()
    town.tell({"type": "identify", **JOINED}, view(anonymousId="d7"))  # whoever comes back is one customer again
    assert {town.root(name) for name in IDS} == {"u1"}


def test_a_visitor_who_signs_in_as_somebody_suppressed_stays_a_visitor(town: Shop) -> None:
    """Intake has not heard of the order yet."""
    town.tell({"type": "identify", **JOINED}, view(**USER), view(anonymousId="d9"))
    town.order("SUPPRESS_WITH_DELETE", *IDS)
    town.tell({"type": "identify", **JOINED, "anonymousId": "d9"}, view(anonymousId="d7"), view(anonymousId="d9"))
    assert [town.blob(name) for name in IDS] == [None] * len(IDS)
    assert town.root("anon:d9") == "anon:d9"


def test_whoever_was_on_the_way_into_somebody_suppressed_comes_back(town: Shop) -> None:
    """The visitor has retired and handed everything over, and nobody is there to take it."""
    town.tell(view(**USER), view(anonymousId="d9"), view(anonymousId="d9"))
    known = town.row("anon:d9").copy()
    town.intake({"type": "identify", "userId": "u1", "anonymousId": "d9"})
    town.work(bucket_of("u1", BUCKETS))  # it offers itself
    regulation = erasure.Regulation("r", "SUPPRESS_WITH_DELETE", 0, "test", ())
    about = erasure.subjects(["u1"], BUCKETS, lambda name: blind_name("", name))
    for bucket, record in erasure.orders(regulation, about):
        town.logs[bucket].append(inputs.encode(record))
    town.settle()
    assert town.blob("u1") is None
    assert town.root("anon:d9") == "anon:d9"
    node = town.node("anon:d9")
    assert node is None or node.refused == ()
    assert (town.row("anon:d9")[:20] == known[:20]).all()
    assert town.holds("anon:d9")


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
    town_house: House, event: dict[str, object], taken: bool
) -> None:
    """A telephone may be two people's: whoever has a name of their own is a customer of their own."""
    town_house.empty()
    town = Shop(town_house, MemoryStore())
    town.hop._suppressed = lambda name: name in IDS
    town.tell(event)
    assert any(town.logs) == taken

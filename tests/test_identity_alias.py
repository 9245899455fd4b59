"""An alias names an id that a customer had before: a visitor's or a user's, and nobody can tell which until it is used."""

from __future__ import annotations

from itertools import pairwise

import pytest

from profiles.layout import LAYOUT
from profiles.lineage import Lineage, Lineages
from profiles.stable import bucket_of
from tests.identity_town import BUCKETS, Shop

pytest_plugins = ["tests.identity_fixtures"]

EVENTS = LAYOUT.start["events"]
ALIAS: dict[str, object] = {"type": "alias", "previousId": "old@example.com", "userId": "u1"}


def view(**who: str) -> dict[str, object]:
    return {"type": "track", "event": "Product Viewed", "properties": {"product_id": "p"}, **who}


def lineage(town: Shop, name: str) -> Lineage | None:
    found: Lineage | None = town.house.run(Lineages(town.store, BUCKETS).of(name))
    return found


@pytest.mark.parametrize("late", [False, True])
def test_an_earlier_user_id_is_the_same_customer_whichever_is_told_first(town: Shop, *, late: bool) -> None:
    events = [view(userId="old@example.com"), view(userId="u1")]
    for event in [ALIAS, *events] if late else [*events, ALIAS]:
        town.tell(event)
    assert town.root("u1") == town.root("old@example.com") == "old@example.com"
    assert town.row("old@example.com")[EVENTS] == 2
    assert town.holds("u1") == set()
    found = lineage(town, "u1")
    assert found is not None
    assert [(line.id, line.into) for line in found.ids] == [("old@example.com", None), ("u1", "old@example.com")]
    assert found.weight == 2


def test_an_earlier_visitor_gives_no_user_to_anybody(town: Shop) -> None:
    """Nobody ever used it as a user's id, so there is none of that name; it leads to whoever has it all the same."""
    town.tell(view(anonymousId="a7"), {**ALIAS, "previousId": "a7"}, view(anonymousId="a7"))
    assert (town.root("anon:a7"), town.row("u1")[EVENTS], town.holds("a7")) == ("u1", 2, set())
    for asked in ("a7", "anon:a7", "u1"):
        found = lineage(town, asked)
        assert found is not None
        assert ([line.id for line in found.ids], found.weight) == (["u1", "anon:a7"], 2)


def test_one_with_two_user_ids_gets_more_ids_and_no_third_user(town: Shop) -> None:
    """Somebody said that two are one; this is no reason not to believe events about a telephone of theirs."""
    town.tell(view(userId="old@example.com"), ALIAS, {"type": "identify", "userId": "u1", "anonymousId": "d7"})
    assert town.root("anon:d7") == town.root("u1")
    town.tell({"type": "identify", "userId": "u1", "traits": {"phone": "13812341234"}})
    town.tell({"type": "identify", "userId": "u2", "traits": {"phone": "13812341234"}})
    assert town.root("phone:p1234") == town.root("u1")
    assert town.root("u2") == "u2"


def test_a_chain_of_new_names_is_one_customer(town: Shop) -> None:
    names = ["u9", "u5", "u7", "u3"]
    aliases: list[dict[str, object]] = [{"type": "alias", "previousId": a, "userId": b} for a, b in pairwise(names)]
    for event in (*reversed(aliases), view(userId="u9"), view(userId="u9"), view(userId="u3")):
        town.tell(event)
    assert {town.root(name) for name in names} == {"u3"}
    assert town.row("u3")[EVENTS] == 3


def test_parted_by_hand_an_earlier_user_id_stays_apart_when_it_is_used_again(town: Shop) -> None:
    for event in ({**ALIAS, "previousId": "u2"}, view(userId="u2")):
        town.tell(event)
    node = town.node("u2")
    assert node is not None
    assert node.into == "u1"
    town.part("u2")
    town.tell(view(userId="u2"))
    assert (town.root("u2"), town.row("u2")[EVENTS]) == ("u2", 2)


@pytest.mark.parametrize("used", [False, True])
def test_an_earlier_id_is_erased_and_suppressed_with_its_customer(town: Shop, *, used: bool) -> None:
    """Also one that was never used as a user's: it would come back as somebody."""
    town.tell(*([view(userId="old@example.com")] if used else []), ALIAS, view(userId="u1"), view(userId="u2"))
    ids = town.house.run(Lineages(town.store, BUCKETS).everybody(["u1"]))
    assert set(ids) == {"u1", "old@example.com", "anon:old@example.com"}
    town.order("SUPPRESS_WITH_DELETE", *ids)
    town.tell(view(userId="old@example.com"), view(anonymousId="old@example.com"), ALIAS, view(userId="u1"))
    assert [town.blob(name) for name in ids] == [None] * 3
    assert [town.house.run(town.store.family(bucket_of(name, BUCKETS), name)) for name in ids] == [{}] * 3
    assert town.row("u2")[EVENTS] == 1


def test_a_nameless_visitor_who_was_somebody_suppressed_is_not_taken(town: Shop) -> None:
    town.hop._suppressed = lambda name: name == "old@example.com"
    town.tell({"type": "alias", "previousId": "old@example.com", "anonymousId": "d5"})
    assert town.blob("anon:d5") is None
    town.tell(ALIAS)
    assert town.blob("u1") is not None, "who has a name of their own is a customer of their own"

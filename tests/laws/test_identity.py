"""Whatever the order of claims and events, whoever dies: the same customers, and the facts of each are one fold."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from copy import deepcopy
from time import perf_counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, zone
from profiles.identity.guards import Limits
from profiles.identity.names import name_of, order_of
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.sidecar import patched
from tests.laws.lives import END, differences, folded, keyed, lives
from tests.laws.town import Town, of

HERE = zone("Asia/Shanghai")
IDS = tuple(name_of(kind, f"{kind[0]}{i}") for kind in ("user", "crm", "openid", "phone", "anon") for i in range(2))
pairs = st.lists(st.tuples(st.sampled_from(IDS), st.sampled_from(IDS)).filter(lambda two: two[0] != two[1]), max_size=9)


def united(claims: Iterable[tuple[str, str]], names: Sequence[str] = IDS) -> dict[str, set[str]]:
    """The oracle: who is one customer, by the smallest name."""
    group = {name: {name} for name in names}
    for a, b in claims:
        both = group[a] | group[b]
        group.update(dict.fromkeys(both, both))
    return {min(members, key=order_of): members for members in group.values()}


def judged(town: Town, did: dict[str, list[Event]], names: Sequence[str] = IDS) -> None:
    """Every root knows what its ids did, to the byte, and nothing else."""
    for root, members in town.groups(names).items():
        events = [event for name in sorted(members) for event in did.get(name, [])]
        assert differences(town.row(root), folded(events, HERE)) == [], (root, members)
        told = [(event.time, event.patch) for event in events if event.patch]
        assert town.side(root) == (patched(None, told) if told else b"")


def dealt(life: list[Event], data: st.DataObject) -> list[Event]:
    who = data.draw(st.lists(st.sampled_from(IDS), min_size=len(life), max_size=len(life)))
    return [of(name, event) for name, event in zip(who, life, strict=True)]


def told(town: Town, life: list[Event], claims: list[tuple[str, str]], choose: random.Random) -> None:
    """Two sources tell all of it; some stretches twice, as after a crash of intake."""
    for source in ("events.a", "events.b"):
        mine = [event for event in life if (sum(event.profile.encode()) % 2 == 0) == (source == "events.a")]
        at = 0
        while at < len(mine):
            count = choose.randint(1, 4)
            town.events(source, mine[at : at + count], at)
            if choose.random() < 0.2:
                town.events(source, mine[at : at + 2], at)
                count = min(count, 2)
            at += count
        for a, b in claims:
            if choose.random() < 0.6 or source == "events.b":
                town.claim(source, a, b)


def shuffled(town: Town, choose: random.Random) -> None:
    """Ways from the world are mixed: a claim may come before or after any event of its source."""
    for way in town.ways.values():
        batches = [each for each in way if b"joining" not in each]
        claims = [each for each in way if b"joining" in each]
        for claim in claims:
            batches.insert(choose.randint(0, len(batches)), claim)
        way.clear()
        way.extend(batches)


@settings(deadline=None, max_examples=60)
@given(lives(), pairs, st.integers(1, 3), st.integers(0, 10**9), st.data())
def test_any_order_gives_the_same_customers_and_the_same_facts(
    life: list[Event], claims: list[tuple[str, str]], buckets: int, seed: int, data: st.DataObject
) -> None:
    """Against a union-find and one fold, whatever is delivered when, twice, or after a store came back older."""
    choose, town, life = random.Random(seed), Town(buckets, HERE), dealt(life, data)
    told(town, life, claims, choose)
    shuffled(town, choose)
    town.run(choose, crashes=choose.randint(0, 4))
    assert town.groups(IDS) == united(claims)
    did: dict[str, list[Event]] = {}
    for event in life:
        did.setdefault(event.profile, []).append(event)
    judged(town, did)


EITHER = ("u0", "x1", "x2", "x3")  #: a user's or a visitor's: nobody can tell from an alias
BOTH = tuple(name for one in EITHER for name in (one, f"anon:{one}"))
aliases = st.lists(st.tuples(st.sampled_from(EITHER), st.sampled_from((*EITHER, "u1", "anon:a0"))).filter(
    lambda two: two[0] != two[1]), max_size=6)  # fmt: skip


@settings(deadline=None, max_examples=80)
@given(lives(), aliases, st.integers(1, 3), st.integers(0, 10**9), st.data())
def test_an_alias_joins_whoever_had_the_id_before_user_or_visitor_and_nobody_else(
    life: list[Event], said: list[tuple[str, str]], buckets: int, seed: int, data: st.DataObject
) -> None:
    """Whoever calls himself something new is heard under the new name; under the old one maybe later, or never."""
    choose, town, names = random.Random(seed), Town(buckets, HERE), (*BOTH, "u1", "anon:a0")
    who = data.draw(st.lists(st.sampled_from(names), min_size=len(life), max_size=len(life)))
    life = [of(name, event) for name, event in zip(who, life, strict=True)]
    told(town, life, [], choose)
    for earlier, name in said:
        town.alias(choose.choice(("events.a", "events.b")), earlier, name)
    shuffled(town, choose)
    town.run(choose, crashes=choose.randint(0, 3))
    did = {name: [event for event in life if event.profile == name] for name in names}
    claims = [(f"anon:{earlier}", name) for earlier, name in said]
    claims += [(earlier, f"anon:{earlier}") for earlier, _ in said if did[earlier]]
    assert town.groups(names) == united(claims, names)
    judged(town, did, names)


@settings(deadline=None, max_examples=60)
@given(lives(), pairs, pairs, st.integers(0, 10**9), st.data())
def test_parting_gives_both_sides_what_never_having_met_gives(
    life: list[Event],
    claims: list[tuple[str, str]],
    later: list[tuple[str, str]],
    seed: int,
    data: st.DataObject,
) -> None:
    """Also if events, claims and crashes come in between; whoever is one customer in the end knows what its ids did."""
    choose, town, life = random.Random(seed), Town(2, HERE), dealt(life, data)
    middle = choose.randint(0, len(life))
    told(town, life[:middle], claims, choose)
    shuffled(town, choose)
    town.run(choose, crashes=choose.randint(0, 2))
    for name in choose.sample(IDS, len(IDS)):
        if choose.random() < 0.6:
            town.split(name)
        if choose.random() < 0.5:
            town.run(choose, crashes=choose.randint(0, 1))
    second = {source: sum(1 for e in life[:middle] if (sum(e.profile.encode()) % 2 == 0) == (source == "events.a"))
              for source in ("events.a", "events.b")}  # fmt: skip
    for event in life[middle:]:
        source = "events.a" if sum(event.profile.encode()) % 2 == 0 else "events.b"
        town.events(source, [event], second[source])
        second[source] += 1
    for a, b in later:
        town.claim("events.a", a, b, explicit=choose.random() < 0.3)
    shuffled(town, choose)
    town.run(choose, crashes=choose.randint(0, 3))
    did: dict[str, list[Event]] = {}
    for event in life:
        did.setdefault(event.profile, []).append(event)
    judged(town, did)


def test_parted_ids_are_not_joined_again_by_what_joined_them() -> None:
    """Somebody said that they are two; only somebody who says otherwise makes them one again."""
    town = Town(2, HERE)
    town.claim("events.a", "u1", "phone:p1")
    town.claim("events.a", "u2", "phone:p1")
    town.run()
    assert town.root("u2") == town.root("phone:p1") == "u1"
    assert town.split("u2")
    town.run()
    town.claim("events.a", "u2", "phone:p1")
    town.claim("events.a", "u1", "u2")
    town.run()
    assert town.root("u2") == "u2"
    assert [refusal.reason for name in ("u1", "u2") if (node := town.node(name)) for refusal in node.refused] != []
    town.claim("operator", "u1", "u2", explicit=True)
    town.run()
    assert town.root("u2") == "u1"


@pytest.mark.parametrize("seed", range(6))
def test_what_was_parted_stays_parted_when_all_of_it_is_said_again(seed: int) -> None:
    """The store of each bucket comes back as it was before anything, one after the other."""
    choose, town = random.Random(seed), Town(2, HERE)
    buckets = {town.bucket("u1"), town.bucket("anon:a0")}
    assert len(buckets) == 2, "they have to be told over the way"
    life = [of(name, one) for name, one in zip(("anon:a0", "u1", "anon:a0"), _three(), strict=True)]
    town.events("events.a", life[:1], 0)
    town.claim("events.a", "u1", "anon:a0")
    town.run(choose)
    town.events("events.a", life[1:], 1)
    town.run(choose)
    assert town.root("anon:a0") == "u1"
    town.split("anon:a0")
    town.run(choose)
    for bucket in sorted(buckets, reverse=seed % 2 == 0):
        town.states[bucket] = deepcopy(town.saved[bucket][0])
        town.run(choose)
    assert town.root("anon:a0") == "anon:a0"
    judged(town, {"u1": [life[1]], "anon:a0": [life[0], life[2]]})


def test_what_came_through_an_id_that_knew_nothing_goes_with_it() -> None:
    """It was joined before it did anything; the root's own facts are kept apart only from then on."""
    town, life = Town(2, HERE), [of(name, one) for name, one in zip(("u1", "anon:a0", "u1"), _three(), strict=True)]
    town.claim("events.a", "u1", "anon:a0")
    town.run()
    town.events("events.a", life, 0)
    town.run()
    town.split("anon:a0")
    town.run()
    judged(town, {"u1": [life[0], life[2]], "anon:a0": [life[1]]})


def _three() -> list[Event]:
    return keyed([Event("", Kind.VIEW, END - i * DAY) for i in range(3)])


def test_a_customer_has_one_of_a_kind_and_not_too_many_ids() -> None:
    town = Town(3, HERE, Limits(ids=4))
    for a, b in (("u1", "phone:p"), ("u2", "phone:p"), ("crm:7", "phone:p"), ("crm:8", "u1")):
        town.claim("events.a", a, b)
        town.run()
    assert town.groups(("u1", "u2", "crm:7", "crm:8", "phone:p")) == {
        "u1": {"u1", "crm:7", "phone:p"}, "u2": {"u2"}, "crm:8": {"crm:8"},
    }  # fmt: skip
    for i in range(5):
        town.claim("events.a", "u1", f"anon:{i}")
        town.run()
    assert len(town.groups([f"anon:{i}" for i in range(5)])["u1"]) == 1
    node = town.node("u1")
    assert node is not None
    assert node.card.weight == 4


def test_two_that_are_joined_at_the_same_moment_to_one_are_not_both_taken() -> None:
    """Each offer was good when it was made; who comes second is given back."""
    town = Town(5, HERE)
    town.limits = Limits()
    for crm in ("crm:7", "crm:8"):
        town.claim(f"events.{crm}", "u1", crm)
    town.run()
    groups = town.groups(("u1", "crm:7", "crm:8"))
    assert sorted(map(len, groups.values())) == [1, 2]
    alone = town.node(next(name for name, members in groups.items() if members == {name}))
    assert alone is not None
    assert [refusal.reason for refusal in alone.refused] == ["two_of_a_kind"]


@pytest.mark.parametrize("shape", ["star", "chain", "backwards"])
def test_a_storm_of_ten_thousand_ids_passes_in_seconds(shape: str) -> None:
    names = [name_of("anon", f"{i:05}") for i in range(3_000 if shape == "backwards" else 10_000)]
    claims = [(names[0 if shape == "star" else i - 1], names[i]) for i in range(1, len(names))]
    town, start = Town(8, HERE), perf_counter()
    for a, b in reversed(claims) if shape == "backwards" else claims:
        town.claim("events.a", a, b)
    town.run()
    roots = town.groups(names)
    assert set(roots) == {names[0]}
    assert perf_counter() - start < 60
    assert town.done < 40 * len(names)
    assert not np.any(town.row(names[0]))

"""One contract, two stores: what holds in memory holds in a real Valkey.  Each test runs against both."""

from __future__ import annotations

import asyncio

import pytest

from profiles.clock import NEVER
from profiles.errors import Stale
from profiles.store.base import TIMELINE_KEPT, Checkpoint, Commit, Entry, Message, ProfileStore
from tests.store.parts import ODD, Opener, dump, everybody, full, holds


def test_a_new_bucket_is_empty(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        assert await store.checkpoint(3) == Checkpoint()
        assert await store.load(3, ["nobody", "else"]) == [None, None]
        assert await store.load(3, []) == []
        assert await store.sidecars(3, []) == []
        assert await store.due(3, NEVER, 10) == []
        assert await store.roster(3, 0, 10) == (0, [])
        assert await store.members(3, "big", 0, 10) == (0, [])
        assert await store.outbox(3, 10) == []
        assert await store.timeline(3, "nobody", 10) == []
        assert await store.counts(3) == {}
        await store.published(3, 100)

    holds(opened, check)


def test_a_commit_is_there_with_everything(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        assert await store.commit(full()) == 1
        assert await store.load(0, [*ODD, "nobody"]) == [b"blob \x00\xff " + name.encode() for name in ODD] + [None]
        assert await store.sidecars(0, ["hh-1", "a b"]) == [b"\x81\xa1a\x01", None]
        assert await store.timeline(0, "hh-1", 10) == [b"second", b"first"]
        assert await store.counts(0) == {"tag:big": 2, "tag:new": 1, "tier:high": 1}
        assert await everybody(lambda cursor: store.members(0, "big", cursor, 10)) == {"hh-1", "张伟🐼"}
        assert await everybody(lambda cursor: store.roster(0, cursor, 10)) == set(ODD)
        assert await store.outbox(0, 10) == [(2, list(full().messages))]
        found = await store.checkpoint(0)
        assert (found.version, found.next, found.seq, found.applied, found.duplicates) == (1, 7, 2, 3, 1)
        assert found.offsets == {"events.orders/1": 41}
        assert found.clocks == {"events.orders/1": NEVER}

    holds(opened, check)


def test_buckets_do_not_see_each_other(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        await store.commit(full(bucket=1))
        before = await dump(store, ODD, ["big"], 1)
        await store.commit(full(bucket=11))
        assert await dump(store, ODD, ["big"], 1) == before
        assert await store.checkpoint(0) == Checkpoint()

    holds(opened, check)


def test_counters_add_up_and_fields_are_replaced(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        await store.commit(full())
        await store.commit(Commit(0, 1, counts={"tag:big": -2, "tag:new": 4}, set={"next": 9}, add={"applied": 10}))
        found = await store.checkpoint(0)
        assert (found.version, found.next, found.applied, found.duplicates, found.seq) == (2, 9, 13, 1, 2)
        assert (await store.counts(0))["tag:new"] == 5
        assert (await store.counts(0)).get("tag:big", 0) == 0

    holds(opened, check)


@pytest.mark.parametrize("expect", [0, 2, -1, 10**12])
def test_a_stale_commit_is_refused_and_writes_nothing(opened: Opener, expect: int) -> None:
    """A worker that lost its bucket, or remembers a future that the store has forgotten."""

    async def check(store: ProfileStore) -> None:
        await store.commit(full())
        before = await dump(store, [*ODD, "new"], ["big", "new", "other"])
        late = Commit(
            0, expect, [Entry("new", b"x", 1), Entry("hh-1", b"y", 1)], [("new", b"x")],
            [("other", "new", True), ("big", "hh-1", False)], {"tag:big": 5}, [("hh-1", b"lie")],
            [Message("transitions", b"k", b"lie")], 99, {"next": 99, "seq": 99}, {"applied": 99},
        )  # fmt: skip
        with pytest.raises(Stale) as refused:
            await store.commit(late)
        assert (refused.value.bucket, refused.value.expected, refused.value.stored) == (0, expect, 1)
        assert await dump(store, [*ODD, "new"], ["big", "new", "other"]) == before

    holds(opened, check)


def test_of_two_writers_at_once_one_wins(opened: Opener) -> None:
    """Whoever loses has written nothing; whoever wins, everything."""

    async def check(store: ProfileStore) -> None:
        for version in range(20):
            rivals = [
                Commit(0, version, [Entry("hh-1", who, 1)], messages=[Message("t", b"k", who)], seq=version + 1,
                       add={"applied": 1}) for who in (b"a", b"b", b"c")
            ]  # fmt: skip
            ends = await asyncio.gather(*(store.commit(each) for each in rivals), return_exceptions=True)
            winners = [i for i, end in enumerate(ends) if end == version + 1]
            assert len(winners) == 1
            assert sum(isinstance(end, Stale) for end in ends) == 2
            winner = rivals[winners[0]].entries[0].blob
            assert await store.load(0, ["hh-1"]) == [winner]
            assert (await store.outbox(0, 100))[-1] == (version + 1, [Message("t", b"k", winner)])
        assert (await store.checkpoint(0)).applied == 20

    holds(opened, check)


def test_the_longest_due_come_first(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        due = {"late": 300, "b": 200, "a": 200, "early": 100, "never": NEVER}
        await store.commit(Commit(0, 0, [Entry(name, b"x", at) for name, at in due.items()]))
        assert await store.due(0, 99, 10) == []
        assert await store.due(0, 100, 10) == ["early"]
        assert await store.due(0, 300, 10) == ["early", "a", "b", "late"]
        assert await store.due(0, 300, 2) == ["early", "a"]
        await store.commit(Commit(0, 1, [Entry("early", b"x", 250)]))
        assert await store.due(0, 300, 10) == ["a", "b", "early", "late"]
        assert (await store.due(0, NEVER, 10))[-1] == "never"
        await store.commit(Commit(0, 2, [Entry("early", b"y", None)]))
        assert await store.due(0, 300, 10) == ["a", "b", "early", "late"]
        assert await store.load(0, ["early"]) == [b"y"]

    holds(opened, check)


def test_the_outbox_keeps_order_until_it_is_published(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        for version in range(5):
            messages = [Message("t", b"k", b"%d" % n) for n in range(version + 1)] if version != 2 else []
            await store.commit(Commit(0, version, messages=messages, seq=10 * (version + 1)))
        assert [seq for seq, _ in await store.outbox(0, 100)] == [10, 20, 40, 50]
        assert [seq for seq, _ in await store.outbox(0, 2)] == [10, 20]
        assert [message.value for message in (await store.outbox(0, 100))[3][1]] == [b"0", b"1", b"2", b"3", b"4"]
        await store.published(0, 20)
        await store.published(0, 5)  # an older word changes nothing
        assert [seq for seq, _ in await store.outbox(0, 100)] == [40, 50]
        await store.published(0, 50)
        assert await store.outbox(0, 100) == []
        await store.commit(Commit(0, 5, messages=[Message("t", b"k", b"next")], seq=51))
        assert await store.outbox(0, 100) == [(51, [Message("t", b"k", b"next")])]

    holds(opened, check)


def test_a_timeline_is_newest_first_and_bounded(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        notes = [b"%03d" % n for n in range(TIMELINE_KEPT + 30)]
        await store.commit(Commit(0, 0, timeline=[("a", note) for note in notes[:20]]))
        await store.commit(Commit(0, 1, timeline=[("a", note) for note in notes[20:]] + [("b", b"other")]))
        assert await store.timeline(0, "a", 1000) == notes[::-1][:TIMELINE_KEPT]
        assert await store.timeline(0, "a", 3) == notes[::-1][:3]
        assert await store.timeline(0, "b", 1000) == [b"other"]

    holds(opened, check)


def test_a_tag_entered_and_left_in_one_commit_is_left(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        held = [("big", "a", True), ("big", "a", False), ("big", "b", False), ("big", "b", True), ("big", "b", True)]
        await store.commit(Commit(0, 0, held=held))
        assert await everybody(lambda cursor: store.members(0, "big", cursor, 10)) == {"b"}

    holds(opened, check)


def test_a_walk_leaves_out_nobody_who_stays(opened: Opener) -> None:
    """3000 holders of a tag; while they are read page by page, some leave and others come."""

    async def check(store: ProfileStore) -> None:
        names = [f"hh-{n}" for n in range(3000)]
        await store.commit(
            Commit(0, 0, [Entry(name, b"x", 1) for name in names], held=[("big", name, True) for name in names])
        )
        stay = set(names[::2])
        found: set[str] = set()
        enlisted: set[str] = set()
        version = 1
        cursor = place = 0
        while True:
            cursor, page = await store.members(0, "big", cursor, 100)
            found.update(page)
            place, listed = await store.roster(0, place, 100) if place or not enlisted else (0, [])
            enlisted.update(listed)
            if cursor == 0 and place == 0:
                break
            gone = names[1::2][60 * version : 60 * (version + 1)]
            come = [f"new-{version}-{n}" for n in range(30)]
            await store.commit(
                Commit(0, version, [Entry(name, b"x", 1) for name in come],
                       held=[("big", name, False) for name in gone] + [("big", name, True) for name in come])
            )  # fmt: skip
            version += 1
        assert stay <= found
        assert set(names) <= enlisted, "the roster never shrinks"

    holds(opened, check)


def test_names_are_learned_once_and_for_all(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        await store.learn_names({})
        await store.learn_names({1: "乳品", 2**40 - 1: "🐼", 3: ""})
        await store.learn_names({1: "乳品", 5: "x"})
        assert await store.names([5, 1, 4, 2**40 - 1, 3]) == ["x", "乳品", None, "🐼", ""]
        assert await store.names([]) == []

    holds(opened, check)


def test_a_beat_is_no_commit(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        await store.commit(full())
        await store.beat(0, 123)
        found = await store.checkpoint(0)
        assert (found.version, found.beat) == (1, 123)
        assert await store.commit(full(1, 3)) == 2

    holds(opened, check)


def test_a_commit_of_two_thousand_customers_is_one_commit(opened: Opener) -> None:
    async def check(store: ProfileStore) -> None:
        entries = [Entry(f"hh-{n}", bytes(300), n) for n in range(2000)]
        timeline = [(f"hh-{n}", b"note") for n in range(2000)]
        held = [(f"tag-{n % 50}", f"hh-{n}", True) for n in range(2000)]
        assert await store.commit(Commit(0, 0, entries, [], held, {}, timeline)) == 1
        assert len(await store.due(0, NEVER, 5000)) == 2000
        assert await store.load(0, ["hh-1999"]) == [bytes(300)]

    holds(opened, check)

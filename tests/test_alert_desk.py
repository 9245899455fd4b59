"""Transitions become alerts, each once, and screens can read them; on a real Valkey."""

from __future__ import annotations

import asyncio
from collections import Counter

import msgspec
import pytest
from redis.crc import key_slot

from profiles.clock import DAY, HOUR, MINUTE, ManualClock
from profiles.store import keys
from profiles.store.client import Client
from profiles.store.desk import Desk
from profiles.store.desk_reads import BadCursor, DeskReads
from streams.alerts import SLICE, AlertDesk, Handled
from tests.alert_parts import NOW, Open, lapse, outcomes, recovery
from tests.hook_receiver import receiving

pytest_plugins = ["tests.alert_fixtures"]
pytestmark = pytest.mark.anyio


# --- transitions become alerts, each once ------------------------------------------------------------------------------


async def test_a_lapse_is_an_alert_in_the_list_the_feed_and_the_counts(opened: Open, reads: DeskReads) -> None:
    assert await opened().handle(0, [lapse(1, risk=0.8)]) == Handled(raised=1)

    [alert] = (await reads.alerts()).alerts
    [event] = await reads.feed("0-0")
    assert (alert.profile, alert.policy, alert.state, alert.risk) == ("hh-1", "churn_rescue", "open", 0.8)
    assert (event.type, msgspec.json.decode(event.data)["id"]) == ("churn_rescue.alert.raised", alert.id)
    assert await reads.counts() == {"raised": 1}
    assert await reads.alert(alert.id) == alert
    assert await reads.alert("nobody") is None


async def test_the_same_batch_again_and_batches_that_overlap_change_nothing(opened: Open, reads: DeskReads) -> None:
    desk, batch = opened(), [lapse(1, "a"), lapse(2, "b"), recovery(3, "a", clock=NOW + HOUR), lapse(4, "c")]

    assert await desk.handle(0, batch[:2]) == Handled(raised=2)
    assert await desk.handle(0, batch[:2]) == Handled(skipped=2)
    assert await desk.handle(0, batch) == Handled(raised=1, resolved=1, skipped=2)
    assert await opened().handle(0, batch) == Handled(skipped=4)

    states = {alert.profile: alert.state for alert in (await reads.alerts()).alerts}
    assert states == {"a": "resolved", "b": "open", "c": "open"}
    assert len(await reads.feed("0-0")) == 4
    assert await desk.cursor(0) == 4


async def test_two_workers_on_one_bucket_raise_each_alert_once(opened: Open, reads: DeskReads) -> None:
    batch = [lapse(seq, f"hh-{seq}") for seq in range(1, 41)]
    zombies = [opened() for _ in range(4)]

    async def work(desk: AlertDesk, cut: int) -> None:
        for start in range(0, len(batch), cut):
            await desk.handle(0, batch[start : start + cut])

    await asyncio.gather(*(work(desk, cut) for desk, cut in zip(zombies, (3, 5, 7, 40), strict=True)))

    page = await reads.alerts(limit=100)
    assert Counter(alert.profile for alert in page.alerts) == Counter(f"hh-{seq}" for seq in range(1, 41))
    assert len(await reads.feed("0-0")) == 40
    assert (await reads.counts())["raised"] == 40


async def test_buckets_keep_their_places_apart(opened: Open) -> None:
    desk = opened()
    await desk.handle(0, [lapse(7, "a")])
    await desk.handle(3, [lapse(2, "b", bucket=3)])
    assert [await desk.cursor(bucket) for bucket in (0, 1, 3)] == [7, 0, 2]


async def test_a_batch_larger_than_one_commit_is_whole(opened: Open, reads: DeskReads) -> None:
    many = SLICE * 2 + 10
    assert (await opened().handle(0, [lapse(seq, f"hh-{seq}") for seq in range(1, many + 1)])).raised == many
    assert (await reads.counts())["raised"] == many


async def test_an_alert_that_a_replay_finds_again_under_new_numbers_is_not_doubled(
    opened: Open, reads: DeskReads
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1), recovery(2)])
    assert await desk.handle(0, [lapse(8)]) == Handled(refused={"already_raised": 1})
    assert (await reads.counts())["raised"] == 1


async def test_every_refusal_is_in_the_ledger_with_its_reason(opened: Open, reads: DeskReads) -> None:
    handled = await opened().handle(
        0,
        [
            lapse(1, "a", origin="backfill"),
            lapse(2, "b", origin="reconcile"),
            lapse(3, "c", at=NOW - 2 * DAY),
            lapse(4, "d"),
            lapse(5, "d", at=NOW + 1),
        ],
    )

    assert handled.refused == {"backfill": 1, "reconcile": 1, "stale": 1, "episode_open": 1}
    lines = list(reversed(await reads.ledger()))
    assert [(line.profile, line.reason) for line in lines] == [
        ("a", "backfill"),
        ("b", "reconcile"),
        ("c", "stale"),
        ("d", "episode_open"),
    ]
    assert {line.outcome for line in lines} == {"refused"}
    assert lines[3].alert == (await reads.alerts()).alerts[0].id
    assert (await reads.counts())["refused:stale"] == 1


async def test_a_change_of_rules_ends_an_alert_but_tells_nobody_and_says_so(
    opened: Open, reads: DeskReads, desk_clock: ManualClock
) -> None:
    with receiving() as receiver:
        desk = opened(webhook_urls=(receiver.url + "/",))
        await desk.handle(0, [lapse(1)])
        await desk.settled()
        await desk.handle(0, [recovery(2, origin="reconcile")])
        desk_clock.advance(DAY)
        await desk.settled()
        assert receiver.types() == ["churn_rescue.alert.raised"]

    assert (await reads.alerts()).alerts[0].state == "resolved"
    assert (await outcomes(reads))[-1] == "reconcile"


async def test_an_open_alert_that_somebody_deleted_by_hand_does_not_stop_the_bucket(
    opened: Open, reads: DeskReads, redis: Client
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    [alert] = (await reads.alerts()).alerts
    await redis.delete(keys.alert(alert.id))

    assert await desk.handle(0, [recovery(2), lapse(3, at=NOW + 1)]) == Handled(raised=1)
    assert [one.id for one in (await reads.alerts()).alerts] != [alert.id]


async def test_a_year_old_replay_raises_when_the_stream_has_its_own_time(opened: Open, desk_clock: ManualClock) -> None:
    desk_clock.advance(365 * DAY)
    assert (await opened().handle(0, [lapse(1)])).refused == {"stale": 1}
    assert (await opened(clock="stream").handle(1, [lapse(1, bucket=1)])).raised == 1


# --- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("newest_first", [True, False])
async def test_pages_show_every_alert_once_while_more_are_raised(
    opened: Open, reads: DeskReads, newest_first: bool
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(seq, f"hh-{seq}") for seq in range(1, 24)])
    seen: list[str] = []
    cursor, more = "", True
    while more:
        page = await reads.alerts(newest_first=newest_first, limit=5, cursor=cursor)
        seen += [alert.profile for alert in page.alerts]
        if len(seen) == 10:
            await desk.handle(0, [lapse(99, "late")])
        cursor, more = page.cursor, page.more

    expected = [f"hh-{seq}" for seq in range(1, 24)]
    assert seen == (expected[::-1] if newest_first else [*expected, "late"])
    assert (await reads.alerts(newest_first=newest_first, cursor=cursor)).alerts == ()


async def test_states_are_lists_of_their_own_and_acknowledging_moves_an_alert_once(
    opened: Open, reads: DeskReads, redis: Client
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1, "a"), lapse(2, "b"), lapse(3, "c"), recovery(4, "c")])
    a = (await reads.alerts(state="open", newest_first=False)).alerts[0]

    assert await Desk(redis).acknowledge(a, "小王", NOW + MINUTE)
    assert not await Desk(redis).acknowledge(a, "小李", NOW + HOUR)

    one = await reads.alert(a.id)
    assert one is not None
    assert (one.state, one.acknowledged_by, one.acknowledged_at) == ("acknowledged", "小王", NOW + MINUTE)
    for state, profile in (("acknowledged", "a"), ("open", "b"), ("resolved", "c")):
        page = await reads.alerts(state=state)  # type: ignore[arg-type]
        assert [alert.profile for alert in page.alerts] == [profile]
    assert (await reads.feed("0-0"))[-1].type == "churn_rescue.alert.acknowledged"

    await desk.handle(0, [recovery(5, "a")])
    one = await reads.alert(a.id)
    assert one is not None
    assert (one.state, one.acknowledged_by) == ("resolved", "小王")
    assert not await Desk(redis).acknowledge(a, "小李", NOW + HOUR)


@pytest.mark.parametrize("cursor", ["x", "!!", "YTE=;", "Yi0x", "YTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
async def test_a_cursor_that_was_never_given_out_is_refused(reads: DeskReads, cursor: str) -> None:
    with pytest.raises(BadCursor, match="start again"):
        await reads.alerts(cursor=cursor)


async def test_the_feed_resumes_after_any_event_and_waits_for_the_next(opened: Open, reads: DeskReads) -> None:
    desk = opened()
    assert (await reads.feed_end(), await reads.feed_start()) == ("0-0", "0-0")
    await desk.handle(0, [lapse(1, "a"), lapse(2, "b")])
    first, second = await reads.feed("0-0")
    assert await reads.feed(first.id) == [second]
    assert (await reads.feed_start(), await reads.feed_end()) == (first.id, second.id)
    assert await reads.feed(second.id, wait_ms=20) == []

    waiting = asyncio.create_task(reads.feed(second.id, wait_ms=10_000))
    await desk.handle(0, [lapse(3, "c")])
    [third] = await waiting
    assert msgspec.json.decode(third.data)["profile"] == "c"


def test_all_keys_of_the_desk_live_in_one_slot_of_a_cluster() -> None:
    fixed = [value for name, value in vars(keys).items() if name.startswith("ALERT")]
    made = [keys.alert("x"), keys.delivery("y"), keys.alerts_in("open"), keys.due_deliveries("sms")]
    assert len({key_slot(key.encode()) for key in [*fixed, *made]}) == 1

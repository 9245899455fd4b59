"""Deliveries go to one worker each, and an SMS leaves at most once; on a real Valkey."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from profiles.clock import DAY, MINUTE, SECOND, ManualClock
from profiles.deliveries import LADDER, SMS, lane_of
from profiles.reasons import REASONS
from profiles.store import keys
from profiles.store.client import Client
from profiles.store.desk import Desk, Verdict
from profiles.store.desk_reads import DeskReads
from streams.lanes import LEASE
from streams.sms import Message, NotAccepted, Receipt
from tests.alert_parts import NOW, Open, complaint, lapse, outcomes, recovery, sent

pytest_plugins = ["tests.alert_fixtures"]
pytestmark = pytest.mark.anyio


# --- deliveries are handed out, each to one worker ---------------------------------------------------------------------


async def test_a_claimed_delivery_is_nobody_else_s_until_the_lease_ends(
    opened: Open, redis: Client, desk_clock: ManualClock
) -> None:
    desk = Desk(redis)
    await opened().handle(0, [lapse(seq, f"hh-{seq}") for seq in range(1, 31)])

    hands = await asyncio.gather(*(desk.claim(SMS, NOW, LEASE, 8) for _ in range(6)))
    while more := await desk.claim(SMS, NOW, LEASE, 8):
        hands.append(more)
    assert Counter(one.id for hand in hands for one in hand).most_common(1)[0][1] == 1
    assert sum(map(len, hands)) == 30

    assert await desk.claim(SMS, NOW + LEASE - 1, LEASE, 8) == []
    [again, *_] = await desk.claim(SMS, NOW + LEASE, LEASE, 8)
    assert again.attempts == 2


async def test_bad_news_from_a_worker_that_lost_its_lease_is_ignored_and_good_news_is_not(
    opened: Open, redis: Client, reads: DeskReads
) -> None:
    desk = Desk(redis)
    await opened().handle(0, [lapse(1)])
    [slow] = await desk.claim(SMS, NOW, LEASE, 8)
    [quick] = await desk.claim(SMS, NOW + LEASE, LEASE, 8)

    assert not await desk.retry(slow, NOW, "no_answer", "", NOW)
    assert not await desk.finish(slow, Verdict("dead", "no_answer"), NOW)
    assert not await desk.begin(slow)
    assert await desk.begin(quick)
    assert not await desk.begin(quick)
    assert await desk.finish(slow, Verdict("sent"), NOW)
    assert not await desk.finish(quick, Verdict("unknown", "outcome_unknown"), NOW)
    assert await outcomes(reads) == ["sent"]
    assert await desk.claim(SMS, NOW + DAY, LEASE, 8) == []


async def test_a_worker_that_dies_in_every_attempt_does_not_do_so_for_ever(
    opened: Open, redis: Client, reads: DeskReads, desk_clock: ManualClock
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    for _ in LADDER:
        assert await Desk(redis).claim(SMS, desk_clock(), LEASE, 8)
        desk_clock.advance(LEASE)
    assert await desk.settled() == {"sms:dead:interrupted": 1}
    assert await outcomes(reads) == ["interrupted"]


async def test_the_end_of_an_alert_waits_for_its_beginning_that_is_on_the_wire(
    opened: Open, redis: Client, desk_clock: ManualClock
) -> None:
    url = "http://127.0.0.1:1/"
    desk = opened(webhook_urls=(url,))
    await desk.handle(0, [lapse(1)])
    [beginning] = await Desk(redis).claim(lane_of(url), NOW, LEASE, 8)
    desk_clock.advance(SECOND)
    await desk.handle(0, [recovery(2)])

    assert await Desk(redis).claim(lane_of(url), NOW + LEASE - 1, LEASE, 8) == []
    [end] = await Desk(redis).claim(lane_of(url), NOW + LEASE, LEASE, 8)
    assert (beginning.verb, end.verb) == ("raised", "resolved")


@pytest.mark.parametrize(("went_back", "told"), [(False, []), (True, ["resolved"])])
async def test_who_may_have_heard_of_an_alert_hears_of_its_end(
    opened: Open, redis: Client, *, went_back: bool, told: list[str]
) -> None:
    """A store that came back older takes what was delivered for never tried."""
    url = "http://127.0.0.1:1/"
    desk = opened(webhook_urls=(url,))
    await desk.handle(0, [], then=7)
    if went_back:
        await desk.handle(0, [lapse(1)], then=8)
        await redis.delete(*[key async for key in redis.scan_iter(f"{keys.ALERTS}*")])
        assert await desk.gone_back([0]) == {0: 0}
    await desk.handle(0, [lapse(1)], then=8)
    await desk.handle(0, [recovery(2)], then=9)
    assert [one.verb for one in await Desk(redis).claim(lane_of(url), NOW + LEASE, LEASE, 8)] == told


# --- SMS: at most once -------------------------------------------------------------------------------------------------


@dataclass
class Provider:
    """A provider that does what it is told, in turn, and then delivers."""

    moods: list[Exception] = field(default_factory=list)
    got: list[Message] = field(default_factory=list)

    async def send(self, message: Message) -> Receipt:
        self.got.append(message)
        if self.moods:
            raise self.moods.pop(0)
        return Receipt("ref-1")


async def test_the_customer_gets_one_sms_that_tells_how_to_refuse(
    opened: Open, reads: DeskReads, tmp_path: Path
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    assert await desk.settled() == {"sms:sent": 1}

    [message] = sent(tmp_path)
    assert message["text"].endswith("拒收请回复R")
    assert (message["profile"], message["phone"], message["parts"]) == ("hh-1", None, 1)
    assert (tmp_path / "sms.log").stat().st_mode & 0o077 == 0, "nobody else reads it"
    [line] = await reads.ledger()
    assert (line.outcome, line.channel, line.alert) == ("sent", "sms", message["alert"])


@pytest.mark.parametrize("fault", [RuntimeError("connection reset"), TimeoutError()])
async def test_an_sms_whose_outcome_nobody_knows_is_never_sent_again(
    opened: Open, reads: DeskReads, desk_clock: ManualClock, fault: Exception
) -> None:
    provider = Provider([fault])
    desk = opened(provider)
    await desk.handle(0, [lapse(1)])
    for _ in range(5):
        await desk.settled()
        desk_clock.advance(DAY)
    assert len(provider.got) == 1
    assert await outcomes(reads) == ["outcome_unknown"]


async def test_an_sms_the_provider_certainly_did_not_take_is_tried_again_under_the_same_reference(
    opened: Open, reads: DeskReads, desk_clock: ManualClock
) -> None:
    provider = Provider([NotAccepted("throttled", retry_after=MINUTE), NotAccepted("busy")])
    desk = opened(provider)
    await desk.handle(0, [lapse(1)])
    for _ in range(3):
        await desk.settled()
        desk_clock.advance(6 * MINUTE)
    assert len({message.id for message in provider.got}) == 1
    assert await outcomes(reads) == ["not_accepted", "not_accepted", "sent"]


async def test_an_sms_the_provider_will_never_take_is_a_dead_letter(opened: Open, reads: DeskReads) -> None:
    desk = opened(Provider([NotAccepted("on the blacklist", retry_after=None)]))
    await desk.handle(0, [lapse(1)])
    await desk.settled()
    [dead] = await reads.dead()
    assert (dead["reason"], dead["detail"]) == ("not_accepted", "on the blacklist")
    assert "拒收请回复R" in dead["payload"]


async def test_a_crash_while_an_sms_is_being_sent_makes_it_unknown_and_it_is_not_sent_again(
    opened: Open, redis: Client, reads: DeskReads, desk_clock: ManualClock, tmp_path: Path
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    [one] = await Desk(redis).claim(SMS, desk_clock(), LEASE, 8)
    assert await Desk(redis).begin(one)  # ... and here the worker dies

    desk_clock.advance(LEASE)
    assert await desk.settled() == {"sms:unknown:outcome_unknown": 1}
    [line] = await reads.ledger()
    assert (line.outcome, line.profile, line.policy) == ("unknown", "hh-1", "churn_rescue")
    assert sent(tmp_path) == []
    assert [delivery.state for delivery in await reads.deliveries(one.alert)] == ["unknown"]


async def test_a_crash_just_before_an_sms_left_costs_nothing(
    opened: Open, redis: Client, desk_clock: ManualClock, tmp_path: Path
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    assert await Desk(redis).claim(SMS, desk_clock(), LEASE, 8)  # ... and here the worker dies

    desk_clock.advance(LEASE)
    await desk.settled()
    assert len(sent(tmp_path)) == 1


async def test_a_customer_who_recovered_in_time_gets_no_sms(
    opened: Open, redis: Client, reads: DeskReads, tmp_path: Path
) -> None:
    desk = opened()
    await desk.handle(0, [lapse(1)])
    [in_hand] = await Desk(redis).claim(SMS, NOW, LEASE, 8)
    await desk.handle(0, [recovery(2)])

    assert not await Desk(redis).begin(in_hand)
    await desk.settled()
    assert sent(tmp_path) == []
    assert await outcomes(reads) == ["already_recovered"]


async def test_gates_that_shut_an_sms_are_named(opened: Open, reads: DeskReads, desk_clock: ManualClock) -> None:
    off, provider = opened(None), Provider()
    await off.handle(0, [lapse(1, "a")])
    await off.settled()
    on = opened(provider)
    await on.handle(0, [complaint(2, "b")])
    await on.settled()
    await on.handle(0, [lapse(3, "c")])
    desk_clock.advance(DAY + 1)
    await on.settled()

    assert provider.got == []
    assert await outcomes(reads) == ["sms_off", "no_template", "stale"]
    assert set(await outcomes(reads)) <= set(REASONS)

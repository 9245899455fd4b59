"""What is left of a customer who was erased, and whether they stay so."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import httpx2
import pytest

from profiles import erasure, inputs
from profiles.clock import DAY, ManualClock
from profiles.dialects.parcel import Ready, Unfit, ready
from profiles.erasure import Done, Report
from profiles.errors import Stale
from profiles.inputs import Draft
from profiles.intake import Intake
from profiles.landing import Landing
from profiles.stable import bucket_of
from profiles.store import keys
from profiles.store.base import Commit, Erasure
from profiles.store.desk_reads import DeskReads
from profiles.store.erasure import Regulations
from profiles.suppressed import Doorkeeper, Suppressed
from profiles.vault.blind import Blind
from profiles.vault.ring import new_entry
from profiles.wire import Transition, decode_transition
from streams.alerts import AlertDesk
from streams.intake import IntakeHop
from streams.sms import ConsoleProvider
from tests.api_shop import BUCKETS, NOW, RULES, Shop, order, page

RING: Final = new_entry("k")
WHO: Final = "erika-mustermann"
PHONE: Final = "13912345678"
TRAITS: Final = {"phone": PHONE, "name": "李雷雷", "city": "上海"}


@pytest.fixture
def shop(redis_url: str) -> Iterator[Shop]:
    with Shop(redis_url, ManualClock(NOW), pii_keys=RING) as opened:
        yield opened.open()


def live(shop: Shop, *who: str) -> None:
    """Some events of each."""
    for name in who:
        shop.tell({"type": "identify", "userId": name, "traits": TRAITS}, page(name), order(name, f"o-{name}", 512.4))


def relayed(shop: Shop) -> list[tuple[int, Transition]]:
    """What the outboxes say, taken out of them, as the relay does."""
    found = []
    for bucket in range(BUCKETS):
        for seq, messages in shop.run(shop.store.outbox(bucket, 10_000)):
            found += [(bucket, decode_transition(each.value)) for each in messages if each.topic == "transitions"]
            shop.run(shop.store.published(bucket, seq))
    return found


def dumped(shop: Shop) -> bytes:
    """Names and raw values of every key in Redis."""

    async def every() -> bytes:
        client: Any = shop.client
        names = [name async for name in client.scan_iter(count=1000)]
        return b"\n".join([part for name in names for part in (name, await _raw(client, name))])

    return shop.run(every())


async def _raw(client: Any, name: bytes) -> bytes:
    """A value as it is read, and as a dump holds it, which compresses long ones."""
    read = {
        "string": client.get,
        "hash": client.hgetall,
        "list": lambda key: client.lrange(key, 0, -1),
        "set": client.smembers,
        "zset": lambda key: client.zrange(key, 0, -1),
        "stream": client.xrange,
    }[(await client.type(name)).decode()]
    dump: bytes = await client.dump(name)
    return repr(await read(name)).encode() + dump


def counts(shop: Shop) -> dict[str, int]:
    """How many hold each tag or stand on each rung, without what is nobody."""
    found: dict[str, int] = {}
    for bucket in range(BUCKETS):
        for name, count in shop.run(shop.store.counts(bucket)).items():
            if not name.startswith(("path:", "retention:")):
                found[name] = found.get(name, 0) + count
    return {name: count for name, count in found.items() if count}


def desk(shop: Shop) -> AlertDesk:
    return AlertDesk(shop.settings, shop.client, shop.clock, RULES, httpx2.AsyncClient(), ConsoleProvider())


def reported(shop: Shop, regulation: erasure.Regulation) -> Report:
    found = shop.run(Regulations(shop.client).report(regulation.id))
    assert found is not None
    return found


def test_of_an_erased_customer_nothing_is_in_redis_and_the_others_are_as_they_were(shop: Shop) -> None:
    live(shop, "u-1", "u-2")
    alone, counted = {}, counts(shop)
    for name in ("u-1", "u-2"):
        bucket = bucket_of(name, BUCKETS)
        alone[name] = shop.run(shop.store.load(bucket, [name])), shop.run(shop.store.sidecars(bucket, [name]))
    live(shop, WHO)
    shop.lapse(WHO)
    relayed(shop)
    assert WHO.encode() in dumped(shop)
    assert PHONE.encode() not in dumped(shop)

    regulation = shop.order("DELETE_ONLY", WHO)
    told = relayed(shop)
    for bucket in range(BUCKETS):
        some = [transition for number, transition in told if number == bucket]
        if some:
            shop.run(desk(shop).handle(bucket, some, 10))

    assert WHO.encode() not in dumped(shop)
    assert counts(shop) == counted
    for name, before in alone.items():
        bucket = bucket_of(name, BUCKETS)
        assert before == (shop.run(shop.store.load(bucket, [name])), shop.run(shop.store.sidecars(bucket, [name])))
    (receipt,) = reported(shop, regulation).receipts
    assert (receipt.state, receipt.subject) == ("done", shop.vault.field_of(WHO))
    assert receipt.gone["redis"] == {
        "profile": 1, "traits": 1, "timeline": receipt.gone["redis"]["timeline"], "parts": 0, "due": 1, "key": 1,
        "tags": receipt.gone["redis"]["tags"],
    }  # fmt: skip
    assert receipt.gone["redis"]["timeline"] > 0
    assert receipt.gone["alerts"] == {"alerts": 1, "deliveries": 0, "lines": 1}


def test_whoever_is_suppressed_does_not_come_back_and_their_neighbours_pass(shop: Shop) -> None:
    """The record was under way: intake had let it through, the bucket does not."""
    live(shop, WHO)
    shop.order("SUPPRESS_WITH_DELETE", WHO)
    bucket = bucket_of(WHO, BUCKETS)
    other = next(name for name in (f"v-{n}" for n in range(50)) if bucket_of(name, BUCKETS) == bucket)

    shop.run(shop.apply(bucket, batch(shop, WHO, other, WHO)))

    assert shop.run(shop.store.load(bucket, [WHO])) == [None]
    assert shop.run(shop.store.load(bucket, [other])) != [None]
    with Shop(shop.settings.redis, shop.clock, pii_keys=RING) as again:  # another worker, with nothing in memory
        again.open().run(again.apply(bucket, batch(shop, WHO)))
        assert again.run(again.store.load(bucket, [WHO])) == [None]
        again.order("UNSUPPRESS", WHO)
        again.run(again.apply(bucket, batch(shop, WHO, at=100)))
        assert again.run(again.store.load(bucket, [WHO])) != [None]


def batch(shop: Shop, *who: str, at: int = 50) -> bytes:
    """One record of profile-inputs with a page view of each."""
    intake, draft = Intake("CNY", "Asia/Shanghai"), Draft()
    for number, name in enumerate(who):
        raw = b'{"type":"page","userId":"%s","timestamp":%d}' % (name.encode(), shop.clock() + number)
        draft.add(intake.read(raw, shop.clock() + DAY), at + number)
    return inputs.encode(draft.batch("events.late", 0, NOW, NOW))


def test_intake_takes_nothing_of_whoever_is_suppressed_and_makes_no_key_for_them(shop: Shop) -> None:
    regulation = shop.order("SUPPRESS", WHO)
    sent: list[bytes] = []

    class Sender:
        async def send_and_wait(self, _topic: str, value: bytes, **_: object) -> None:
            sent.append(value)

    async def through() -> None:
        known = Suppressed(Regulations(shop.client), shop.vault, BUCKETS)
        await known.refresh()
        hop = IntakeHop(
            Landing(Intake("CNY", "Asia/Shanghai", seals=True)), BUCKETS, Sender(),  # type: ignore[arg-type]
            vault=shop.vault, suppressed=known,
        )  # fmt: skip
        await hop.handle([Raw(0, WHO), Raw(1, "u-1"), Raw(2, WHO)])

    shop.run(through())
    (record,) = map(inputs.decode, sent)
    assert isinstance(record, inputs.Batch)
    assert record.profiles == ["u-1"]
    assert shop.run(shop.vault.find([WHO])) == {}
    assert reported(shop, regulation).overall_status == "FINISHED"


class Raw:
    """A record as Kafka hands it out."""

    topic, partition, timestamp, headers = "events.late", 0, NOW, ()

    def __init__(self, offset: int, who: str) -> None:
        self.offset = offset
        self.value = b'{"type":"identify","userId":"%s","traits":{"phone":"%s"}}' % (who.encode(), PHONE.encode())


def test_an_order_that_comes_too_late_destroys_nothing(shop: Shop) -> None:
    """A worker that was replaced may still hold one; as with any commit the store knows better."""
    live(shop, WHO)
    bucket, before = bucket_of(WHO, BUCKETS), dumped(shop)
    gone = Erasure("r", {WHO: shop.vault.field_of(WHO)}, delete=True, suppress=True, tags=[], at=NOW)

    with pytest.raises(Stale):
        shop.run(shop.store.commit(Commit(bucket, 0, erasure=gone)))

    assert dumped(shop) == before


def test_an_order_read_twice_is_obeyed_once(shop: Shop) -> None:
    """After a crash the record is read again, and by then the customer may have come back of their own will."""
    live(shop, WHO)
    regulation = shop.order("DELETE_ONLY", WHO)
    first = reported(shop, regulation).receipts[0].gone
    bucket = bucket_of(WHO, BUCKETS)
    checkpoint = shop.run(shop.store.checkpoint(bucket))

    again = dict(erasure.orders(regulation, erasure.subjects([WHO], BUCKETS, shop.vault.field_of)))[bucket]
    shop.run(shop.apply(bucket, inputs.encode(again)))

    assert shop.run(shop.store.checkpoint(bucket)).version == checkpoint.version + 1
    assert reported(shop, regulation).receipts[0].gone == first


def test_an_older_store_that_comes_back_obeys_again(shop: Shop) -> None:
    """The order is in the log, so reading on from the older checkpoint comes to it."""
    live(shop, WHO)
    relayed(shop)
    bucket, client = bucket_of(WHO, BUCKETS), shop.client
    before = shop.run(snapshot(client))
    regulation = shop.order("SUPPRESS_WITH_DELETE", WHO)
    (order,) = erasure.orders(regulation, erasure.subjects([WHO], BUCKETS, shop.vault.field_of))

    shop.run(restored(client, before))
    assert shop.run(shop.store.load(bucket, [WHO])) != [None]
    shop.run(shop.reopen(bucket))
    shop.run(shop.apply(bucket, inputs.encode(order[1])))
    shop.run(shop.apply(bucket, batch(shop, WHO)))

    assert shop.run(shop.store.load(bucket, [WHO])) == [None]
    assert shop.run(shop.vault.find([WHO])) == {}


async def snapshot(client: Any) -> dict[bytes, bytes]:
    return {name: await client.dump(name) async for name in client.scan_iter(count=1000)}


async def restored(client: Any, kept: dict[bytes, bytes]) -> None:
    for name in [name async for name in client.scan_iter(count=1000)]:
        await client.delete(name)
    for name, value in kept.items():
        await client.restore(name, 0, value)


def test_the_desk_forgets_after_all_that_was_said_before_and_nothing_that_is_said_later(shop: Shop) -> None:
    """Whether all of it comes in one batch or in many."""
    for cut in (1, 2, 5):
        name = f"{WHO}-{cut}"
        said = [
            moved(1 + 10 * cut, name, "churn_warning", "general"), moved(2 + 10 * cut, "u-9", "churn_warning", "x"),
            erasure.told(0, 3 + 10 * cut, name, f"r-{cut}|h", NOW, 1), moved(4 + 10 * cut, name, "churn_warning", "x"),
            moved(5 + 10 * cut, "u-9", "x", "churn_warning"),
        ]  # fmt: skip
        hand = desk(shop)
        for start in range(0, len(said), cut):
            shop.run(hand.handle(0, said[start : start + cut]))
        shop.run(hand.handle(0, said))  # read again after a crash: known by then
        mine = [one for one in shop.run(DeskReads(shop.client).alerts()).alerts if one.profile == name]
        assert [(one.at, one.state) for one in mine] == [(said[3].at, "open")]
        gone = forgotten(shop, f"r-{cut}|h").gone
        assert (gone["alerts"], gone["deliveries"]) == (1, 1)


def moved(seq: int, profile: str, to: str, was: str) -> Transition:
    return Transition(0, seq, profile, "tier", to, "moved", NOW + seq, NOW + seq, "live", 1, was)


def forgotten(shop: Shop, place: str) -> Done:
    raw: Any = shop.client
    return erasure.decode_done(shop.run(raw.hget(keys.ALERT_FORGOTTEN, place)))


def test_the_collector_turns_away_what_is_surely_theirs_and_reads_nothing_while_nobody_is_suppressed() -> None:
    """A key that is somebody's, a phone that a visitor without a name shows, and what cannot be read but has the key."""
    ids = Blind(bytes(32))
    theirs: set[str] = set()

    class Copy:
        """A list of suppressed customers, as it was last read."""

        __bool__ = lambda _: bool(theirs)  # noqa: E731 - a special method
        __call__ = lambda _, name: name in theirs  # noqa: E731 - a special method

    class Reads(Landing):
        """Counts."""

        times = 0

        def read(self, *args: Any) -> Any:
            self.times += 1
            return super().read(*args)

    landing = Reads(Intake("CNY", "UTC", blind=ids))
    door = Doorkeeper(Copy(), landing)  # type: ignore[arg-type]  # what it asks is all there

    def away(**event: Any) -> bool:
        item = ready({"type": "track", "event": "Seen", **event}, b"")
        assert isinstance(item, Ready)
        return door(item, "events.behavior", [], NOW)

    visitor: dict[str, Any] = {"type": "identify", "anonymousId": "d7f3", "traits": {"phone": PHONE}}
    assert not away(userId=WHO)
    assert not away(**visitor)
    assert landing.times == 0
    theirs |= {WHO, "phone:" + ids("phone", "+86" + PHONE)}
    assert away(userId=WHO)
    assert away(**visitor)
    assert away(userId=WHO, event="Order Completed", properties={"revenue": 1, "currency": "XXX"}), "a dead letter else"
    assert not away(**{**visitor, "userId": "a-neighbour"}), "a telephone may be two people's"
    assert not away(anonymousId=WHO), "another customer, of whom only the id looks the same"
    assert door(Unfit("bad_value", "", b'{"distinct_id": "%b"}' % WHO.encode()), "dead-letters", [], NOW)
    assert not door(Unfit("invalid_json", "", b"{"), "dead-letters", [], NOW)
    seen = landing.times
    assert not away(userId="a-neighbour")
    assert landing.times == seen, "the key says enough"

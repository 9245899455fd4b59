"""One stack, used as apps, screens and hooks use it."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from kafka import KafkaAdminClient, KafkaConsumer, KafkaProducer
from standardwebhooks import Webhook

from profiles.clock import iso, system_clock
from profiles.settings import as_environ
from streams.commands.doctor import doctor
from streams.commands.operate import topics as provision
from streams.publisher import Publisher
from streams.webhooks import new_secret
from tests.e2e.stacks import Stack, stack
from tests.hook_receiver import Receiver
from tests.processes import eventually

SECRET = new_secret()


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, hook: Receiver) -> Iterator[Stack]:
    """A stack with one webhook."""
    folder = tmp_path_factory.mktemp("live")
    with stack(folder, webhook_urls=(hook.url,), webhook_secret=SECRET, webhook_private=True) as started:
        yield started


def order(customer: str, number: str, revenue: float) -> dict[str, Any]:
    """An order as an app would send it."""
    return {
        "type": "track",
        "event": "Order Completed",
        "userId": customer,
        "messageId": f"m-{number}",
        "timestamp": iso(system_clock()),
        "properties": {"order_id": number, "revenue": revenue, "currency": "CNY"},
    }


def listen(shop: Stack, path: str, heard: list[tuple[str, Any]]) -> None:
    """Follow a live stream in the background until the stack stops; returns once it is open."""
    opened = threading.Event()

    def follow() -> None:
        try:
            with shop.http.stream("GET", path, timeout=60.0) as answer:
                event = ""
                for line in answer.iter_lines():
                    opened.set()
                    if line.startswith("event:"):
                        event = line.removeprefix("event:").strip()
                    elif line.startswith("data:"):
                        heard.append((event, msgspec.json.decode(line.removeprefix("data:"))))
        except httpx2.HTTPError:
            return

    threading.Thread(target=follow, daemon=True).start()
    assert opened.wait(10), f"{path} did not open"


def test_an_order_is_read_streamed_and_its_silence_raises_an_alert_that_leaves(shop: Stack, hook: Receiver) -> None:
    """From a produce to the HTTP answer, the live stream, the alert, the verified webhook and the text."""
    heard: list[tuple[str, Any]] = []
    alerts: list[tuple[str, Any]] = []
    listen(shop, "/v1/stream/profiles/u-张三", heard)
    listen(shop, "/v1/stream/alerts", alerts)
    with Publisher(shop.broker) as publisher:
        publisher.send("events.orders", order("u-张三", "o-1", 512.4))
        publisher.flush()
        sent = time.monotonic()
    eventually(lambda: shop.profile("u-张三") is not None, "the profile can be read")
    view = shop.profile("u-张三")
    assert view is not None
    tags = {tag["name"]: tag for tag in view["tags"]}
    assert set(tags) == {"buyer", "big_spender"}
    assert tags["big_spender"]["because"] == [
        {"feature": "spend_365d", "compare": ">=", "value": 512.4, "limit": 500.0}
    ]
    assert view["features"]["revenue"] == 512.4
    eventually(lambda: any(event == "profile" and data["id"] == "u-张三" for event, data in heard), "the screen moves")
    eventually(
        lambda: any(event == "transition" and data.get("name") == "churn_warning" for event, data in heard), "why"
    )
    eventually(lambda: "churn_rescue.alert.raised" in hook.types(), "the hook hears of it", seconds=20)
    assert time.monotonic() - sent < 3.456 + 2 + 5  # the rule's silence, the sweep's promise, the way to the hook
    request = hook.got[0]
    verified = Webhook(SECRET).verify(request.body, request.headers)
    assert verified["data"]["profile"] == "u-张三"
    eventually(lambda: any(data["alert"]["profile"] == "u-张三" for _, data in alerts), "the desk hears of it")
    listed = shop.http.get("/v1/alerts", params={"state": "open"}).json()["alerts"]
    assert [alert["profile"] for alert in listed] == ["u-张三"]
    texts = shop.running.settings.data_dir / "sms.log"
    eventually(lambda: texts.exists() and "u-张三" in texts.read_text(encoding="utf-8"), "the text was written")


def test_silence_is_felt_within_two_seconds(shop: Stack) -> None:
    """The rung is entered at its exact moment and told at most 2 s later."""
    with Publisher(shop.broker) as publisher:
        publisher.send("events.orders", order("u-silent", "o-2", 5.0))
        publisher.flush()
    eventually(
        lambda: (shop.profile("u-silent") or {}).get("tier", {}).get("name") == "churn_warning", "warned", seconds=10
    )
    notes = shop.http.get("/v1/profiles/u-silent/timeline").json()["entries"]
    warned = next(note for note in notes if note.get("name") == "churn_warning")
    ordered = next(note for note in notes if note.get("event") == "order")
    assert warned["at"] - ordered["at"] == 3456  # 0.00004 days
    assert warned["clock"] - warned["at"] <= 2000
    assert warned["origin"] == "sweep"


def hostile() -> list[tuple[bytes, str | None]]:
    """Records as the world sends them, and what they must become: a reason to refuse, or None for an update."""
    now = iso(system_clock())

    def event(**changed: object) -> bytes:
        usual = {"type": "track", "event": "Order Completed", "userId": "u-hostile", "timestamp": now,
                 "properties": {"order_id": "x", "revenue": 1}}  # fmt: skip
        return msgspec.json.encode({**usual, **changed})

    return [
        (b"", "invalid_json"),
        (b"{", "invalid_json"),
        (b"\xff\xfe\x00", "invalid_json"),
        (b"[1,2]", "wrong_type"),
        (b"null", "wrong_type"),
        (b'{"type":"track","event":"Order Completed","userId":"a","properties":{"revenue":NaN}}', "invalid_json"),
        (b'{"type":"track","event":"Order Completed","userId":"a","properties":{"revenue":1e999}}', "wrong_type"),
        (event(userId=[1]), "wrong_type"),
        (event(properties={"revenue": "Infinity"}), "not_a_number"),
        (event(properties={"revenue": -5}), "negative_amount"),
        (event(properties={"revenue": 1e14}), "amount_too_large"),
        (event(userId=""), "missing_id"),
        (event(userId="null"), "missing_id"),
        (event(userId="x" * 10_000), "id_too_long"),
        (event(timestamp="1970-01-01T00:00:00Z"), "time_implausible"),
        (event(padding="x" * 1_000_000), "event_too_large"),
        (event(event=""), "missing_event"),
        (event(timestamp="2099-01-01T00:00:00Z"), None),
        (event(event="Something Nobody Declared"), None),
        (event(userId="用户😀𠮷"), None),
        (event(userId=12345), None),
    ]


def test_whatever_comes_in_becomes_an_update_or_one_dead_letter_and_the_worker_stays(shop: Stack) -> None:
    """Each bad record is kept whole with where it came from and why; the good ones around it count."""
    worker, applied = shop.pid("worker"), shop.counted()[0]
    records = hostile()
    producer = KafkaProducer(bootstrap_servers=shop.broker, max_request_size=2_000_000)
    places = {}
    for raw, reason in records:
        done = producer.send("events.behavior", raw).get(timeout=10)
        places["events.behavior", done.partition, done.offset] = (raw, reason)
    producer.close()
    good = sum(reason is None for _, reason in records)
    eventually(lambda: shop.counted()[0] == applied + good, f"{good} good ones are applied")
    letters = dead_letters(shop.broker, len(records) - good)
    assert letters == {place: said for place, said in places.items() if said[1] is not None}
    assert shop.pid("worker") == worker
    os.kill(worker, 0)
    assert shop.profile("用户😀𠮷") is not None


def dead_letters(broker: str, wanted: int) -> dict[tuple[str, int, int], tuple[bytes, str]]:
    """Where each dead letter came from -> its bytes and the reason."""
    consumer = KafkaConsumer("dead-letters", bootstrap_servers=broker, auto_offset_reset="earliest")
    found: dict[tuple[str, int, int], tuple[bytes, str]] = {}
    deadline = time.monotonic() + 15
    while len(found) < wanted and time.monotonic() < deadline:
        for records in consumer.poll(timeout_ms=200).values():
            for record in records:
                said = {name: value.decode() for name, value in record.headers}
                found[said["topic"], int(said["partition"]), int(said["offset"])] = (record.value, said["reason"])
    consumer.close()
    return found


def test_a_topic_that_nobody_declared_is_read_as_well(shop: Stack) -> None:
    """The worker notices it and starts again to read it."""
    admin = KafkaAdminClient(bootstrap_servers=shop.broker)
    admin.create_topics({"events.new-app": {"num_partitions": 2, "replication_factor": 1}})
    admin.close()
    producer = KafkaProducer(bootstrap_servers=shop.broker)
    producer.send("events.new-app", msgspec.json.encode(order("u-new", "o-new", 7.0))).get(timeout=10)
    producer.close()
    eventually(lambda: shop.profile("u-new") is not None, "events of the new topic are read", seconds=120)


@pytest.mark.parametrize("part", ["store", "broker"])
def test_a_part_that_is_away_delays_and_loses_nothing(shop: Stack, part: str) -> None:
    """Work waits and goes on."""
    before = shop.counted()[0]
    producer = KafkaProducer(bootstrap_servers=shop.broker, linger_ms=5)
    for number in range(50):
        producer.send("events.orders", msgspec.json.encode(order(f"u-{part}-{number}", f"{part}-{number}", 1.0)))
    producer.flush()
    with shop.away(part):
        time.sleep(30)  # longer than every single time-out, and than the group's patience with a member
    for number in range(50, 100):
        producer.send("events.orders", msgspec.json.encode(order(f"u-{part}-{number}", f"{part}-{number}", 1.0)))
    producer.flush()
    producer.close()
    eventually(lambda: shop.counted()[0] == before + 100, "all hundred are applied, once", seconds=90)


def test_faulty_rules_are_refused_with_their_place_and_the_old_ones_stay(shop: Stack, tmp_path: Path) -> None:
    """A publisher is told what is wrong and what was probably meant."""
    from profiles.rules import RuleErrors
    from streams.commands.tags import publish_file
    from tests.e2e.stacks import TAGS

    faulty = tmp_path / "tags.yaml"
    faulty.write_text(
        TAGS.read_text(encoding="utf-8").replace("orders >= 1\n    owner", "ordrs >= 1\n    owner"), encoding="utf-8"
    )
    settings = shop.running.settings
    os.environ |= {"MIEN_BROKER": settings.broker, "MIEN_REDIS": settings.redis}
    try:
        before = shop.http.get("/v1/tags").raise_for_status().json()["version"]
        assert publish_file(faulty) == 1
        assert shop.http.get("/v1/tags").raise_for_status().json()["version"] == before
        from profiles.rules import load

        with pytest.raises(RuleErrors, match=r"tags.yaml:7:\d+: .*ordrs.*orders"):
            load(faulty.read_text(encoding="utf-8"), str(faulty))
    finally:
        del os.environ["MIEN_BROKER"], os.environ["MIEN_REDIS"]


def test_new_rules_are_live_at_once_and_change_everybody_without_any_alert(shop: Stack, tmp_path: Path) -> None:
    """A published version decides everybody anew; the transitions say ``reconcile``."""
    from streams.commands.tags import publish_file
    from tests.e2e.stacks import TAGS

    with Publisher(shop.broker) as publisher:
        publisher.send("events.orders", order("u-rules", "o-rules", 400.0))
        publisher.flush()
    eventually(lambda: shop.profile("u-rules") is not None, "the profile can be read")
    file = tmp_path / "tags.yaml"
    text = TAGS.read_text(encoding="utf-8").replace("enter: spend_365d >= 500", "enter: spend_365d >= 350")
    file.write_text(text, encoding="utf-8")
    settings = shop.running.settings
    os.environ |= {"MIEN_BROKER": settings.broker, "MIEN_REDIS": settings.redis}
    try:
        assert publish_file(file) == 0
    finally:
        del os.environ["MIEN_BROKER"], os.environ["MIEN_REDIS"]

    def held() -> bool:
        return "big_spender" in {tag["name"] for tag in (shop.profile("u-rules") or {}).get("tags", [])}

    eventually(held, "the new rule holds for a silent customer", seconds=20)
    notes = shop.http.get("/v1/profiles/u-rules/timeline").json()["entries"]
    assert next(note["origin"] for note in notes if note.get("name") == "big_spender") == "reconcile"


def test_topics_and_doctor_say_that_a_running_stack_is_well(
    shop: Stack, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """``mien topics`` finds nothing to do and ``mien doctor`` nothing to cure, on whatever servers this lane has."""
    for name, value in as_environ(shop.running.settings).items():
        monkeypatch.setenv(name, value)

    assert provision(show_only=False) == 0
    assert doctor(quiet=False) == 0
    said = " ".join(capsys.readouterr().out.split())
    assert "all topics fit" in said
    assert f"{len(shop.buckets)} of {len(shop.buckets)} buckets are tended" in said

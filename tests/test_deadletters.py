"""What was refused can be looked at, mended and sent again: each letter once, however often, and whoever is killed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kafka import KafkaConsumer, KafkaProducer
from typer.testing import CliRunner, Result

from profiles.settings import as_environ
from profiles.store import keys
from profiles.store.audit import AuditLog
from profiles.store.client import ask
from profiles.store.redrives import Busy, Sent
from streams.cli import app
from streams.deadletters.letters import letters
from streams.deadletters.veil import veiled
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

AT = 1_795_000_000_000
MENDING = """
version: 1
sources:
  - {name: crm, shape: segment, events: {SubmitOrder: Order Completed}}
"""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("stack"), tags=None) as running:
        yield running


@pytest.fixture
def mien(shop: Stack, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Runs ``mien deadletters ...``."""
    for name, value in as_environ(shop.running.settings).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "300")

    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["deadletters", *words])

    return run


def order(who: str, number: int, revenue: object, **more: object) -> dict[str, Any]:
    return {
        "type": "track", "event": "Order Completed", "userId": who, "messageId": f"{who}-{number}", "timestamp": AT + number,
        "properties": {"order_id": f"{who}-{number}", "revenue": revenue}, **more,
    }  # fmt: skip


def publish(shop: Stack, *events: dict[str, Any] | bytes) -> None:
    producer = KafkaProducer(bootstrap_servers=shop.broker, enable_idempotence=False)
    for event in events:
        value = event if isinstance(event, bytes) else json.dumps(event).encode()
        producer.send("events.orders", value, partition=1, headers=[("source", b"k-crm"), ("secret", b"x")])
    producer.close()


def refused(shop: Stack, who: str) -> int:
    return sum(who.encode() in letter.value for letter in letters(shop.running.settings))


def orders_of(shop: Stack, who: str) -> tuple[int, int]:
    found = shop.profile(who)
    return (found["features"]["orders"], found["features"]["revenue"]) if found else (0, 0)


def test_letters_are_listed_shown_and_counted_without_personal_data(shop: Stack, mien: Any) -> None:
    whom = {"traits": {"phone": "13812341234", "name": "张伟"}, "note": "写信到 li.lei@example.com"}
    publish(shop, order("look", 1, "lots", **whom), b'{"userId": "look", "call": "13812341234"')
    eventually(lambda: refused(shop, "look") == 2, "two letters")
    rows = [json.loads(line) for line in mien("list", "--source", "k-crm", "--json").output.splitlines()]
    mine = {row["reason"]: row for row in rows if "look" in row["sent"]}
    assert mine.keys() == {"not_a_number", "invalid_json"}
    shown = mien("show", mine["not_a_number"]["id"]).output
    assert "138****1234" in shown
    for secret in ("13812341234", "张伟", "li.lei@"):
        assert not any(secret in json.dumps(row, ensure_ascii=False) for row in rows)
        assert secret not in shown
    raw = ("show", mine["invalid_json"]["id"], "--raw")
    assert "say why with --reason" in str(mien(*raw).exception)
    assert "13812341234" in mien(*raw, "--reason", "网站 13812341234 报错").output
    (look,) = ask(shop.running.settings.redis, lambda client: AuditLog(client).latest(5))
    assert (look.act.action, look.act.fields) == ("letter", (mine["invalid_json"]["id"],))
    assert (look.act.by, look.act.reason, look.act.outcome) == ("cli", "网站 138****1234 报错", "done")
    counted = {row["reason"]: row["letters"] for row in json.loads(mien("count", "--json").output)}
    assert counted == {"not_a_number": 1, "invalid_json": 1}
    assert mien("count", "--json", "--reason", "missing_id").output.strip() == "[]"
    assert mien("show", "events.orders/0/999").exception is not None


def test_a_mended_letter_counts_once_however_often_it_is_sent(shop: Stack, mien: Any, tmp_path: Path) -> None:
    """With the time it first came, and its source; what cannot be mended stays, with its reason."""
    mapping = tmp_path / "mend.yaml"
    mapping.write_text(MENDING, encoding="utf-8")
    timeless = {key: value for key, value in order("mend", 3, "￥1,000.00").items() if key != "timestamp"}
    publish(shop, order("mend", 1, "￥2,000.50"), order("mend", 2, "many"), timeless, order("mend", 4, 5))
    eventually(lambda: refused(shop, "mend") == 3, "three letters")
    eventually(lambda: orders_of(shop, "mend") == (1, 5), "one order")
    narrowed = ["redrive", "--reason", "not_a_number", "--mapping", str(mapping)]
    before = mien(*narrowed).exit_code, shop.counted()
    again = mien(*narrowed)
    assert "already" in again.output
    eventually(lambda: orders_of(shop, "mend") == (3, 3005.5), "the mended orders, and only those")
    assert before[0] == again.exit_code == 1
    assert "not_an_amount" in again.output


def test_a_killed_command_goes_on_and_sends_no_letter_twice(shop: Stack, mien: Any, tmp_path: Path) -> None:
    """Killed as soon as some are noted, so some are on their way; the next one looks for those in the topic."""
    many = 3000
    mapping = tmp_path / "mend.yaml"
    mapping.write_text(MENDING, encoding="utf-8")
    publish(shop, *[order(f"kill-{number % 100}", number, "￥7") for number in range(many)])
    eventually(lambda: refused(shop, "kill-") == many, f"{many} letters", seconds=60)
    before = noted(shop)
    command = [sys.executable, "-m", "streams.cli", "deadletters", "redrive", "--mapping", str(mapping)]
    killed = subprocess.Popen(command, env={**os.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    eventually(lambda: len(noted(shop)) > len(before), "some are noted", seconds=60)
    killed.kill()
    killed.wait()
    on_their_way = [sent for sent in noted(shop).values() if not sent.sure]
    assert isinstance(mien("redrive", "--mapping", str(mapping)).exception, Busy)
    shop.redis.delete(keys.REDRIVE_LOCK)  # as a minute does
    assert mien("redrive", "--mapping", str(mapping), "--reason", "not_a_number").exit_code in (0, 1)
    went = [name for name in redriven(shop) if name not in before]
    assert len(went) == len(set(went)) == many, f"{len(on_their_way)} were on their way"
    assert all(sent.sure for sent in noted(shop).values())
    eventually(lambda: orders_of(shop, "kill-99") == (many // 100, 7 * many // 100), "every order, once")


def test_what_was_refused_is_counted_for_its_source(shop: Stack) -> None:
    """After everything above: as many as there are letters, by reason."""
    told = Counter(letter.reason for letter in letters(shop.running.settings) if letter.topic == "events.orders")

    def counted() -> dict[str, int]:
        found = shop.http.get("/v1/sources/quality", params={"source": "events.orders|k-crm"}).json()["sources"]
        return {each["code"]: each["events"] for source in found for each in source["refusals"]}

    eventually(lambda: counted() == told, "the same counts")


def noted(shop: Stack) -> dict[str, Sent]:
    return {name.decode(): Sent.read(text.decode()) for name, text in shop.redis.hgetall(keys.REDRIVEN).items()}


def redriven(shop: Stack) -> list[str]:
    """The letters that every record of the topic was sent again from."""
    reader = KafkaConsumer(
        "events.orders", bootstrap_servers=shop.broker, auto_offset_reset="earliest", consumer_timeout_ms=2000
    )
    try:
        headers = [dict(record.headers) for record in reader]
    finally:
        reader.close()
    return [said["redrive"].decode() for said in headers if "redrive" in said]


def test_bytes_of_any_kind_can_be_shown() -> None:
    for raw in (b"", b"\xff\x00\x1b[2J", b"[" * 5000, b'{"a":' * 200 + b"1" + b"}" * 200, b'{"age": 13812341234}'):
        shown = veiled(raw)
        assert "\x1b" not in shown
        assert "13812341234" not in shown

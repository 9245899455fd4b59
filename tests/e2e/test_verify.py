"""``mien verify`` on a real stack: nothing to report while everything is well, and every kind of damage by its name."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from kafka import KafkaProducer
from rich.console import Console
from rich.progress import Progress

from profiles import inputs
from profiles.clock import iso, system_clock
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.settings import as_environ
from profiles.stable import bucket_of
from profiles.store import keys
from profiles.verify.report import Report
from streams.evidence.case import Asked
from streams.evidence.run import Verification
from streams.lookback import Lookback
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS
from tests.e2e.crowd import Shoppers
from tests.e2e.damage import DAMAGES, victim
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually


@pytest.fixture(scope="module")
def sent(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the first crowd has sent, as a file."""
    return tmp_path_factory.mktemp("sent") / "events.jsonl"


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, sent: Path) -> Iterator[Stack]:
    """A shop with some history."""
    with stack(tmp_path_factory.mktemp("verify")) as started:
        crowd = Shoppers(started.broker, seed=3)
        crowd.shop(600)
        sent.write_bytes(b"\n".join(crowd.lines))
        settled(started, crowd.good)
        yield started


def settled(shop: Stack, events: int) -> None:
    """All are applied, and the seconds are over after which silence raises alerts."""
    eventually(lambda: sum(shop.counted()) == events, f"{events} events are applied", seconds=90)
    seen: list[list[bytes | None]] = []

    def quiet() -> bool:
        seen.append([shop.redis.hget(keys.checkpoint(bucket), "v") for bucket in shop.buckets])
        cursors = shop.redis.hgetall(keys.ALERT_CURSOR)
        time.sleep(4.0)  # longer than the rules' shortest silence
        return seen[-1] == [shop.redis.hget(keys.checkpoint(bucket), "v") for bucket in shop.buckets] and (
            cursors == shop.redis.hgetall(keys.ALERT_CURSOR)
        )

    eventually(quiet, "nothing moves any more", seconds=90)


def judged(shop: Stack, oracle: int | None = 0) -> Report:
    """One verification in this process."""
    with Progress(console=Console(quiet=True)) as progress:
        return asyncio.run(Verification(shop.running.settings, Asked(oracle=oracle), progress).run())


def command(shop: Stack, *arguments: str, **changed: str) -> tuple[int, dict[str, Any]]:
    """``mien verify --json``: its exit code and what it says."""
    env = {**os.environ, **as_environ(shop.running.settings), **changed}
    call = [sys.executable, "-m", "streams.cli", "verify", "--json", *arguments]
    done = subprocess.run(call, env=env, capture_output=True, text=True, timeout=240, check=False)
    said: dict[str, Any] = msgspec.json.decode(done.stdout)
    return done.returncode, said


def test_a_shop_that_is_well_shows_no_difference_and_everything_was_looked_at(shop: Stack) -> None:
    code, said = command(shop, "--oracle", "all")
    assert said["by_kind"] == {}, said["examples"]
    assert (code, said["verdict"], said["differences"], said["cannot_judge"]) == (0, "equal", 0, [])
    assert said["left_out"] == {}
    compared = said["compared"]
    applied, duplicates = shop.counted()
    assert compared["accepted records"] == compared["events"] == applied + duplicates
    assert compared["customers"] == compared["customers recomputed with pandas"] == 40
    for what in ("refused records", "transitions that concern an alert", "deliveries that arrived", "sidecars",
                 "names behind codes", "notes of timelines", "conditions asked of pandas' numbers"):  # fmt: skip
        assert compared[what] > 10, what


def test_a_few_customers_can_be_asked_for(shop: Stack) -> None:
    code, said = command(shop, "--profiles", "8", "--oracle", "0")
    assert (code, said["differences"]) == (0, 0)
    assert said["compared"]["customers"] == 8


def test_files_may_stand_for_the_raw_topics(shop: Stack, sent: Path, tmp_path: Path) -> None:
    """The same events, one a line; a line that is missing there, or that nobody applied, is found."""
    code, said = command(shop, str(sent), "--oracle", "all")
    assert (code, said["by_kind"]) == (0, {}), said["examples"]
    assert said["compared"]["lines of files"] == sum(shop.counted())
    assert said["compared"]["customers recomputed with pandas"] == 40
    lines = sent.read_bytes().split(b"\n")
    other, event = tmp_path / "other.jsonl", msgspec.json.decode(lines[0]) | {"messageId": "never sent"}
    other.write_bytes(b"\n".join([msgspec.json.encode(event), *lines[1:]]))
    code, said = command(shop, str(other), "--oracle", "0")
    assert (code, said["by_kind"]) == (1, {"lost": 1, "made_up": 1})


def test_another_shops_store_cannot_be_judged_and_the_fix_is_named(shop: Stack) -> None:
    code, said = command(shop, MIEN_BUCKETS="4")
    assert (code, said["verdict"]) == (2, "cannot judge")
    assert said["cannot_judge"] == ["the store has buckets=8: set MIEN_BUCKETS=8"]


# --- damage made on purpose, found by name and undone ----------------------------------------------------------------


@pytest.fixture
def still(shop: Stack) -> Iterator[Stack]:
    """The worker stands still, so that nothing repairs or overwrites what a test does."""
    pid = shop.pid("worker")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield shop
    finally:
        os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("what", DAMAGES)
def test_damage_is_found_by_its_name_and_nothing_else_is(still: Stack, what: str) -> None:
    damage, kinds = DAMAGES[what]
    with damage(still, *victim(still)):
        found = judged(still)
    assert set(found.by_kind) == kinds, found.examples
    assert found.code == 1


def test_after_all_that_the_shop_is_well(still: Stack) -> None:
    """Every test has undone what it did, so what they found was theirs."""
    assert judged(still).by_kind == {}


# --- a running shop -------------------------------------------------------------------------------------------------------


def test_a_shop_at_work_is_judged_without_stopping_it(shop: Stack) -> None:
    """Events come in, silence is felt and alerts leave while it looks."""
    crowd, before = Shoppers(shop.broker, seed=4), sum(shop.counted())
    busy = threading.Thread(target=crowd.shop, args=(1500, 0.02))
    busy.start()
    reports = []
    while busy.is_alive():
        reports.append(judged(shop))
    busy.join()
    assert len(reports) > 1
    assert [report.by_kind for report in reports] == [{}] * len(reports), [report.examples for report in reports]
    settled(shop, before + crowd.good)
    assert judged(shop, oracle=None).by_kind == {}


def test_a_record_that_a_checkpoint_was_moved_past_is_found(shop: Stack) -> None:
    """An input is skipped: nobody notices but the judge, and it says whose it was."""
    bucket, producer = 5, KafkaProducer(bootstrap_servers=shop.broker, enable_idempotence=False)
    lost, later = names_in(bucket, 2)
    pid, place = shop.pid("worker"), keys.checkpoint(bucket)
    os.kill(pid, signal.SIGSTOP)
    try:
        skipped = int(shop.redis.hget(place, "next")) + 1
        shop.redis.hset(place, "next", skipped)
        shop.redis.hincrby(place, "v", 1)  # whoever has it in mind reads it again
    finally:
        os.kill(pid, signal.SIGCONT)
    for name in (lost, later):
        visit = {"type": "page", "userId": name, "messageId": name, "timestamp": iso(system_clock())}
        producer.send("events.behavior", msgspec.json.encode(visit), key=b"one partition").get(timeout=10)
        eventually(lambda: records_in(shop, bucket) >= skipped, "the input is in the log", seconds=60)
    producer.close()
    eventually(lambda: shop.redis.get(keys.profile(bucket, later)) is not None, "the next is applied", seconds=60)
    found = judged(shop)
    assert [(one.kind, one.where) for one in found.examples["profile"]] == [("profile", lost)]
    assert found.by_kind["position"] >= 1


def names_in(bucket: int, many: int) -> list[str]:
    """Customers of a bucket."""
    return [name for name in map("lost-{}".format, range(1000)) if bucket_of(name, 8) == bucket][:many]


def records_in(shop: Stack, bucket: int) -> int:
    """How many records the log of a bucket has."""
    with Lookback(shop.running.settings) as look:
        return sum(1 for _ in look.read(PROFILE_INPUTS, bucket, 0))


def test_inputs_and_dead_letters_that_no_record_explains_are_found(shop: Stack) -> None:
    """Somebody else writes into topics of ours; what is in a topic stays there, so this test comes last."""
    producer = KafkaProducer(bootstrap_servers=shop.broker, enable_idempotence=False)
    before = judged(shop)
    bucket = bucket_of("intruder", 8)
    draft = inputs.Draft()
    draft.add(Event("intruder", Kind.VISIT, system_clock(), key=77), 10**6)
    batch = draft.batch("events.behavior", 0, system_clock(), system_clock())
    producer.send(PROFILE_INPUTS, inputs.encode(batch), partition=bucket).get(timeout=10)
    headers = {"topic": "events.behavior", "partition": "0", "offset": "0", "reason": "invalid_json", "detail": ""}
    letter = [(name, value.encode()) for name, value in headers.items()]
    producer.send(DEAD_LETTERS, b"{", headers=letter).get(timeout=10)
    producer.close()
    eventually(lambda: shop.redis.get(keys.profile(bucket, "intruder")) is not None, "it is applied", seconds=30)
    found = judged(shop)
    assert found.by_kind["dead_letter"] == before.by_kind["dead_letter"] + 1
    assert found.by_kind["made_up"] == before.by_kind["made_up"] + 1

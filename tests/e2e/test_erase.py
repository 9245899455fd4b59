"""From an order to erase to a search for what is left, with an SDK that sends everything again."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import msgspec
import pytest
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from rich.console import Console
from rich.progress import Progress
from segment.analytics.client import Client
from typer.testing import CliRunner, Result

from profiles.settings import as_environ
from profiles.store import keys
from profiles.topics import DEAD_LETTERS, PROFILE_INPUTS
from streams.cli import app
from streams.embedded import HOST
from streams.evidence.case import Asked
from streams.evidence.run import Verification
from streams.ports import pick_port
from streams.topics import SAMPLES, TRANSITIONS, USUAL_EVENTS, describe
from tests.e2e.stacks import Stack, stack
from tests.lanes.stores import cannot
from tests.processes import eventually
from tests.sdk.collecting import APPS, finished

WHO = "erika-mustermann"
TOLD = {"phone": "13912345678", "email": "erika@example.com", "name": "李雷雷", "address": "世纪大道 4711 号"}


@pytest.fixture(scope="module")
def port() -> int:
    """Where the worker tells its numbers."""
    return pick_port(0, HOST)[0]


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[Stack]:
    """One stack; the tests follow each other."""
    with stack(tmp_path_factory.mktemp("shop"), metrics_port=port) as running:
        yield running


def test_an_erased_customer_is_nowhere_and_stays_so(shop: Stack, port: int) -> None:
    identify(shop, WHO)
    sent(shop, WHO)
    eventually(lambda: orders(shop) == 1, "the journey is a profile")
    assert shop.profile(WHO)["traits"]["phone"] == "139****5678"  # type: ignore[index]
    wish = {"fields": list(TOLD), "reason": "客户来电核对"}
    assert shop.http.post(f"/v1/profiles/{WHO}/reveal", json=wish).json()["fields"] == TOLD
    assert found(everything(shop), WHO) == [WHO]
    knows_all_that_is_kept(shop)
    identify(shop, "a-neighbour", {})
    sent(shop, "a-neighbour")
    before = locked_keys(shop)

    report = erase(shop, "SUPPRESS_WITH_DELETE")
    assert report["receipts"][0]["gone"]["redis"]["key"] == 1
    assert {each["store"] for each in report["kept"] if each["scrubbed"]} == set(), "nothing was scrubbed yet"
    nothing_is_left(shop)

    eventually(lambda: _is_turned_away(shop), "the collector knows it within a second")
    comes_again(shop)
    published(shop, msgspec.json.encode({"type": "identify", "userId": WHO, "traits": TOLD}))
    identify(shop, "the-last", {})
    eventually(lambda: shop.profile("the-last") is not None, "what came after is a profile")
    eventually(lambda: turned_away(port) >= 1, "intake turns away what never saw the collector")
    nothing_is_left(shop)
    written = on_disk(shop)
    assert found(b"\n".join(written.values()), *TOLD.values()) == []
    assert found(b"\n".join(value for path, value in written.items() if path.suffix == ".log"), WHO) == []
    assert found(told(shop, PROFILE_INPUTS, TRANSITIONS, SAMPLES), *TOLD.values()) == []
    judged(shop)

    assert "orders since the last scrub: 1" in doctor(shop)
    (destroyed,) = before - locked_keys(shop)
    assert any(destroyed in value for value in on_disk(shop).values()), "the append-only file still has the key"
    ended = scrub(shop)
    assert f"append-only file of {'127' if shop.servers.store.cluster else 'the store'}" in ended.output
    eventually(lambda: not any(destroyed in value for value in on_disk(shop).values()), "the key is nowhere")
    if shop.servers.embedded:
        assert ended.exit_code == 1
        assert "the private broker cannot cut its topics: it keeps them in memory" in ended.output
    assert scrubbed(shop, report) == ({"dumps"} if shop.servers.embedded else {"dumps", "events.*"})
    assert "since the last scrub" not in doctor(shop)


def test_what_apps_wrote_is_gone_from_every_topic_and_work_goes_on(shop: Stack) -> None:
    if shop.servers.embedded:
        cannot("the private broker cannot cut a topic: run with KAFKA=apache")
    assert found(told(shop, *all_topics(shop)), *TOLD.values()) == []
    report = asyncio.run(verified(shop))
    assert (report["verdict"], report["differences"]) == ("cannot judge", 0), report
    assert all("or `mien scrub`" in why for why in report["cannot_judge"])

    comes_again(shop)
    assert found(told(shop, *all_topics(shop)), *TOLD.values()) == []
    nothing_is_left(shop)
    sent(shop, "a-newcomer")
    eventually(lambda: orders(shop, "a-newcomer") == 1, "work goes on")
    shop.kill("worker")
    sent(shop, "and-another")
    eventually(lambda: orders(shop, "and-another") == 1, "it does after a restart", seconds=60)
    published(shop, b'{"broken": "13912345678"', transactional_id="till")
    eventually(lambda: found(told(shop, DEAD_LETTERS), TOLD["phone"]) != [], "a dead letter, in plain")
    with frozen(shop, "worker"):
        published(shop, b"{}")
        stuck = scrub(shop, "--wait", "5")
    assert "Is a worker running" in str(stuck.exception)
    would = scrub(shop, "--letters", "--dry-run")
    kept = scrub(shop, "--letters")
    assert would.exit_code == 0
    assert re.search(r"dead-letters +2 records", would.output), would.output
    assert "2 dead letters were not sent again and would be lost" in str(kept.exception)
    assert found(told(shop, *all_topics(shop)), TOLD["phone"]) == [TOLD["phone"]], "nothing was cut"
    again = scrub(shop, "--letters", "--yes")
    assert again.exit_code == 0, again.output
    assert found(told(shop, *all_topics(shop)), TOLD["phone"]) == []
    assert [orders(shop, who) for who in ("a-neighbour", "a-newcomer", "and-another")] == [1, 1, 1]


def test_whoever_comes_back_of_their_own_will_is_a_new_customer(shop: Stack) -> None:
    back = erase(shop, "UNSUPPRESS")
    assert len(back["receipts"]) == 3, "the telephone and the e-mail address too"
    eventually(lambda: _again(shop), "whoever comes back of their own will is a new customer")
    assert orders(shop) == 0


def comes_again(shop: Stack) -> None:
    """With the SDK that sent everything before; nothing of it reaches a topic."""
    before, known = told(shop, *all_topics(shop)).count(TOLD["email"].encode()), turned_away_at_the_door(shop)
    client = Client(shop.running.key, host=shop.running.url, max_retries=1)
    client.identify(WHO, TOLD)
    client.shutdown()
    sent(shop, WHO)
    assert turned_away_at_the_door(shop) - known == 7
    assert told(shop, *all_topics(shop)).count(TOLD["email"].encode()) == before


def published(shop: Stack, value: bytes, **more: Any) -> None:
    """Past the collector, as an app does that knows Kafka; with transactions the log ends with a marker, and no record."""
    producer = KafkaProducer(bootstrap_servers=shop.broker, enable_idempotence=not shop.servers.embedded, **more)
    if more:
        producer.init_transactions()
        producer.begin_transaction()
    producer.send(USUAL_EVENTS[0], value)
    if more:
        producer.commit_transaction()
    producer.flush()
    producer.close()


@contextmanager
def frozen(shop: Stack, name: str) -> Iterator[None]:
    """A process of ours that does nothing for a moment."""
    pid = shop.pid(name)
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def _is_turned_away(shop: Stack) -> bool:
    shop.http.post("/v1/track", json={"event": "Ping", "userId": WHO}).raise_for_status()
    return turned_away_at_the_door(shop) > 0


def turned_away_at_the_door(shop: Stack) -> float:
    """How many events the collector wrote nothing of."""
    counted = re.findall(r"^mien_collect_suppressed_total{.*} (\S+)", shop.http.get("/metrics").text, re.MULTILINE)
    return sum(map(float, counted))


def _again(shop: Stack) -> bool:
    """Intake hears of it within a second."""
    identify(shop, WHO)
    return shop.profile(WHO) is not None


def knows_all_that_is_kept(shop: Stack) -> None:
    """What a customer may ask for: consents as they were changed just now, and one document with everything."""
    where = f"/v1/profiles/{WHO}"
    assert shop.http.put(f"{where}/consents", json={"consents": {"sms": False}}).status_code == 202
    eventually(lambda: shop.http.get(f"{where}/consents").json()["consents"] != {}, "the word is applied")
    masked = shop.http.get(f"{where}/export").raise_for_status().json()
    assert masked["profile"]["traits"]["phone"] == "139****5678"
    assert (masked["personal"], masked["consents"]["sms"]["given"], masked["suppressed"]) == (None, False, False)
    assert {"order", "refund"} <= {entry.get("event") for entry in masked["timeline"]}
    plain = shop.http.get(f"{where}/export", params={"reason": "客户要求导出"}).raise_for_status().json()
    assert {name: plain["personal"][name] for name in TOLD} == TOLD


def judged(shop: Stack) -> None:
    """`mien verify` finds all others as they should be, and says whom it left out."""
    report = asyncio.run(verified(shop))
    assert report["verdict"] == "equal", report
    assert report["left_out"]["ids about which there was an order to suppress or erase"] == 3
    assert report["compared"]["customers recomputed with pandas"] == report["compared"]["customers"] > 0


async def verified(shop: Stack) -> dict[str, Any]:
    with Progress(console=Console(quiet=True)) as progress:
        return (await Verification(shop.running.settings, Asked(), progress).run()).as_dict()


def scrub(shop: Stack, *options: str) -> Result:
    """`mien scrub`, as an operator calls it."""
    return CliRunner().invoke(app, ["scrub", *options], env={**as_environ(shop.running.settings), "COLUMNS": "200"})


def doctor(shop: Stack) -> str:
    """What `mien doctor` says."""
    return CliRunner().invoke(app, ["doctor"], env={**as_environ(shop.running.settings), "COLUMNS": "200"}).output


def scrubbed(shop: Stack, report: dict[str, Any]) -> set[str]:
    """Where, by the receipt, nothing is left that was there when the customer was erased."""
    said = shop.http.get(f"/v1/regulations/{report['id']}").raise_for_status().json()
    return {each["store"] for each in said["kept"] if each["scrubbed"]}


def locked_keys(shop: Stack) -> set[bytes]:
    """The keys that customers' traits are sealed with, as they are stored."""
    return {key for bucket in shop.buckets for key in shop.redis.hvals(keys.data_keys(bucket))}


def all_topics(shop: Stack) -> tuple[str, ...]:
    return tuple(each.name for each in describe(shop.running.settings))


def identify(shop: Stack, who: str, traits: dict[str, str] = TOLD) -> None:
    body = {"type": "identify", "userId": who, "traits": traits}
    shop.http.post("/v1/identify", json=body).raise_for_status()


def sent(shop: Stack, who: str) -> None:
    ran = [sys.executable, str(APPS / "send_segment.py"), shop.running.url, shop.running.key, who, "1"]
    assert finished(ran) == ""


def orders(shop: Stack, who: str = WHO) -> float | None:
    value: float | None = (shop.profile(who) or {"features": {}})["features"].get("orders")
    return value


def erase(shop: Stack, kind: str) -> dict[str, Any]:
    wish = {"regulationType": kind, "subjectType": "userId", "subjectIds": [WHO]}
    answer = shop.http.post("/v1/regulations", json=wish)
    assert answer.status_code == 202, answer.text

    def report() -> dict[str, Any]:
        said: dict[str, Any] = shop.http.get(answer.json()["report"]).raise_for_status().json()
        return said

    eventually(lambda: report()["overall_status"] == "FINISHED", f"{kind} is obeyed everywhere")
    return report()


def nothing_is_left(shop: Stack) -> None:
    assert shop.profile(WHO) is None
    eventually(lambda: not found(everything(shop), WHO), "the outbox is empty")
    assert found(everything(shop), WHO, *TOLD.values()) == []


def everything(shop: Stack) -> bytes:
    """Names and values of every key, as a dump of Redis would hold them."""
    names = list(shop.redis.scan_iter(count=1000))
    return b"\n".join(part for name in names for part in (name, plain(shop, name)))


def plain(shop: Stack, name: bytes) -> bytes:
    """A value: DUMP compresses long texts, so hashes, streams and lists are read as well."""
    kind = shop.redis.type(name).decode()
    read = {
        "hash": "HGETALL",
        "stream": "XRANGE",
        "list": "LRANGE",
        "zset": "ZRANGE",
        "set": "SMEMBERS",
        "string": "GET",
    }
    ends = {"XRANGE": ("-", "+"), "LRANGE": (0, -1), "ZRANGE": (0, -1)}
    value = shop.redis.execute_command(read[kind], name, *ends.get(read[kind], ()))
    return raw(value) + (shop.redis.dump(name) or b"")


def raw(value: Any) -> bytes:
    """Every text in an answer, one after the other."""
    if isinstance(value, dict):
        value = [part for pair in value.items() for part in pair]
    if isinstance(value, bytes):
        return value
    return b" ".join(raw(part) for part in value) if isinstance(value, list | tuple | set) else str(value).encode()


def told(shop: Stack, *topics: str) -> bytes:
    """Every record of these topics."""
    reader = KafkaConsumer(bootstrap_servers=shop.broker, enable_auto_commit=False, auto_offset_reset="earliest")
    try:
        places = [TopicPartition(topic, part) for topic in topics for part in reader.partitions_for_topic(topic) or ()]
        reader.assign(places)
        reader.seek_to_beginning()
        ends, out = reader.end_offsets(places), [b""]
        while any(reader.position(place) < end for place, end in ends.items()):
            out += [each.value for some in reader.poll(timeout_ms=500).values() for each in some]
        return b"\n".join(out)
    finally:
        reader.close()


def turned_away(port: int) -> float:
    """How many events the worker took nothing of."""
    said = httpx2.get(f"http://{HOST}:{port}/metrics").text
    return float(re.findall(r"^mien_events_suppressed_total (\S+)", said, flags=re.MULTILINE)[0])


def on_disk(shop: Stack) -> dict[Path, bytes]:
    """All that processes have written on this machine, logs and what Redis keeps; of Kafka what it tells its readers
    counts, its files go by whole segments.
    """
    folder = shop.servers.data_dir
    files = {path for path in folder.rglob("*") if path.is_file() and folder / "kafka" not in path.parents}
    out = {}
    for path in files | {child.log for child in shop.running.stack.children}:
        with suppress(FileNotFoundError):  # a file that was written anew takes the place of its parts
            out[path] = path.read_bytes()
    return out


def found(where: bytes, *texts: str) -> list[str]:
    return [text for text in texts if text.encode() in where]

"""Imports into a real stack: killed, stopped and repeated, every row counts once and nobody is sent anything."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import pandas as pd
import pytest
from kafka import KafkaConsumer

from profiles.settings import as_environ
from profiles.wire import MAY_SEND, decode_transition
from streams.importing.position import Book, Position
from streams.topics import TRANSITIONS
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

CUSTOMERS: Final = 40
BUSY: Final = 4  #: rows out of five are of one customer, who has far more than a profile remembers


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    with stack(tmp_path_factory.mktemp("stack"), tags=None) as running:
        yield running


def orders(path: Path, prefix: str, rows: int, encoding: str = "utf-8") -> pd.DataFrame:
    """A file of orders, and the same as a table for the judge; every seventh line cannot be used."""
    with path.open("w", encoding=encoding, newline="") as stream:
        out = csv.writer(stream)
        out.writerow(["会员号", "下单时间", "订单号", "实付金额"])
        for i in range(rows):
            who = f"{prefix}-{0 if i % 5 < BUSY else i % CUSTOMERS}"
            when = f"2025/{i % 12 + 1}/{i % 28 + 1} {i % 24}:{i % 60:02d}:{i // 60 % 60:02d}"
            out.writerow([who if i % 7 else "", when, f"{prefix}{i}", f"￥{i % 900 + 100}.50"])
    table = pd.read_csv(path, encoding=encoding, dtype=str).dropna()
    return table.assign(cents=table["实付金额"].str.strip("￥").astype(float))


def command(shop: Stack, folder: Path, *words: str, **more: str) -> subprocess.Popen[str]:
    environ = {**os.environ, **as_environ(shop.running.settings), "MIEN_DATA_DIR": str(folder), **more}
    return subprocess.Popen(
        [sys.executable, "-m", "streams.cli", "import", *words], env=environ, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip


def imported(shop: Stack, folder: Path, *words: str, **more: str) -> str:
    done = command(shop, folder, *words, **more)
    said, _ = done.communicate(timeout=240)
    assert done.returncode == 0, said
    return said


def position(folder: Path) -> tuple[Path, Position] | None:
    for path in (folder / "imports").glob("*.json"):
        return path, msgspec.json.decode(path.read_bytes(), type=Position)
    return None


def told(shop: Stack, *sources: str) -> dict[str, tuple[int, int, int]]:
    """Rows, events and refusals of these sources, as the page of data quality has them."""
    found = {each["source"]: each["totals"] for each in shop.http.get("/v1/sources").json()["sources"]}
    return {name: (t["received"], t["accepted"], t["refused"]) for name, t in found.items() if name in sources}


def begun(folder: Path, rows: int) -> bool:
    found = position(folder)
    return found is not None and found[1].rows >= rows


def settled(shop: Stack, more: int, before: tuple[int, int]) -> None:
    eventually(lambda: shop.counted()[0] >= before[0] + more, f"{more} applied", seconds=240)
    time.sleep(2)  # whatever comes too much would come now
    assert shop.counted() == (before[0] + more, before[1])


def judged(shop: Stack, table: pd.DataFrame) -> None:
    """Orders and revenue of everybody, as pandas counts them."""
    for who, own in table.groupby("会员号"):
        profile = shop.profile(str(who))
        assert profile is not None
        features = profile["features"]
        assert (features["orders"], features["revenue"]) == (len(own), own["cents"].sum()), who


def origins(shop: Stack, prefix: str) -> set[str]:
    reader = KafkaConsumer(TRANSITIONS, bootstrap_servers=shop.broker, auto_offset_reset="earliest", group_id=None)
    try:
        found: set[str] = set()
        while records := reader.poll(timeout_ms=3000):
            told = (decode_transition(each.value) for some in records.values() for each in some)
            found |= {each.origin for each in told if each.profile.startswith(f"{prefix}-")}
        return found
    finally:
        reader.close()


def of_customers(shop: Stack, prefix: str) -> dict[str, Any]:
    return {key: value for key, value in shop.everything().items() if f":{prefix}-" in key}


def test_a_file_imported_twice_changes_nothing_and_nobody_is_sent_anything(shop: Stack, tmp_path: Path) -> None:
    """The second time under another name; the customers have more orders than a profile remembers."""
    table, before = orders(tmp_path / "订单.csv", "twice", 4000, "gb18030"), shop.counted()
    said = imported(shop, tmp_path, str(tmp_path / "订单.csv"))
    assert f"{len(table):,} events" in said
    assert "nobody is named" in said
    settled(shop, len(table), before)
    judged(shop, table)
    once, page = of_customers(shop, "twice"), told(shop, "import/orders")
    assert page == {"import/orders": (4000, len(table), 4000 - len(table))}
    (tmp_path / "订单.csv").rename(tmp_path / "renamed.csv")
    assert "imported before" in imported(shop, tmp_path, str(tmp_path / "renamed.csv"))
    settled(shop, len(table), before)
    assert of_customers(shop, "twice") == once
    assert told(shop, "import/orders") == page
    assert origins(shop, "twice")
    assert not origins(shop, "twice") & MAY_SEND
    assert shop.http.get("/v1/alerts").json()["alerts"] == []
    assert not (shop.running.settings.data_dir / "sms.log").exists()


def test_rows_that_cannot_be_used_stand_in_a_file_with_line_and_reason(shop: Stack, tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    path.write_text('user_id,time,order_id,amount\nr-1,2025-01-01,a,"x\ny"\n,2025-01-01,b,1\nr-1,2025-13-01,c,1\nr-1,2025-01-01,d,1,9\n'
                    "r-1,2025-01-02,e,5\n", encoding="utf-8")  # fmt: skip
    before = shop.counted()
    imported(shop, tmp_path, str(path))
    [rejects] = (tmp_path / "imports").glob("*.rejects.csv")
    assert rejects.stat().st_mode & 0o077 == 0, "rows hold phone numbers"
    with rejects.open(encoding="utf-8-sig", newline="") as stream:
        rows = [(row["line"], row["reason"]) for row in csv.DictReader(stream)]
    assert rows == [("2", "not_an_amount"), ("4", "missing_id"), ("5", "impossible_date"), ("6", "too_many_cells")]
    settled(shop, 1, before)


def test_verify_finds_every_import_as_the_log_has_it(shop: Stack) -> None:
    """Of those above: lives of history are told again, silence at any moment of the import included."""
    environ = {**os.environ, **as_environ(shop.running.settings)}
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "verify"], env=environ, text=True, capture_output=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_killed_in_the_middle_it_goes_on_and_every_row_counts_once(shop: Stack, tmp_path: Path) -> None:
    path, page = tmp_path / "large.csv", told(shop, "import/orders")["import/orders"]
    table, before = orders(path, "kill", 60_000), shop.counted()
    for share in (5_000, 25_000):
        running = command(shop, tmp_path, str(path))
        eventually(partial(begun, tmp_path, share), f"{share} rows done", seconds=120)
        running.send_signal(signal.SIGKILL)
        running.communicate()
    left = position(tmp_path)
    assert left is not None
    assert left[1].rows < 60_000, "it was killed too late to prove anything"
    imported(shop, tmp_path, str(path))
    settled(shop, len(table), before)
    judged(shop, table)
    with next((tmp_path / "imports").glob("*.rejects.csv")).open(encoding="utf-8-sig", newline="") as stream:
        lines = [int(row["line"]) for row in csv.DictReader(stream)]
    assert lines == [i + 2 for i in range(0, 60_000, 7)]
    sums = zip(page, (60_000, len(table), len(lines)), strict=True)
    assert told(shop, "import/orders") == {"import/orders": tuple(map(sum, sums))}


def test_a_store_that_is_away_stops_no_import_and_the_next_one_tells_of_both(shop: Stack, tmp_path: Path) -> None:
    """Of two files that are read as sources of their own, so that nothing else is in their numbers."""
    names, before = ("customers-away.csv", "customers-back.csv"), shop.counted()
    for name in names:
        (tmp_path / name).write_text(f"user_id,updated_at,phone\n{name},2025-01-01,x\n,2025-01-01,\n", encoding="utf-8")
    said = imported(shop, tmp_path, str(tmp_path / names[0]), MIEN_REDIS="redis://127.0.0.1:1/0")
    assert "is not in /v1/sources/quality yet" in said
    assert "is MIEN_REDIS right?" in said
    assert told(shop, "import/customers") == {}
    assert "quality yet" not in imported(shop, tmp_path, str(tmp_path / names[1]))
    assert told(shop, "import/customers") == {"import/customers": (4, 2, 2)}
    settled(shop, 2, before)


def test_what_was_sent_and_not_remembered_is_found_in_the_topic(shop: Stack, tmp_path: Path) -> None:
    """As after a kill between the broker's answer and the note of it, at the worst moment: nothing was noted."""
    path = tmp_path / "forgotten.csv"
    table, before = orders(path, "forget", 7000), shop.counted()
    imported(shop, tmp_path, str(path))
    settled(shop, len(table), before)
    found = position(tmp_path)
    assert found is not None
    note = msgspec.structs.replace(found[1], rows=0, base={}, counts={}, rejects_size=0, finished=0)
    found[0].write_bytes(msgspec.json.encode(note))
    imported(shop, tmp_path, str(path))
    settled(shop, len(table), before)
    again = position(tmp_path)
    assert again is not None
    assert (again[1].rows, again[1].counts) == (found[1].rows, found[1].counts)


def test_ctrl_c_ends_after_the_piece_at_hand_and_says_how_to_go_on(shop: Stack, tmp_path: Path) -> None:
    path = tmp_path / "stopped.csv"
    table, before = orders(path, "stop", 60_000), shop.counted()
    running = command(shop, tmp_path, str(path))
    eventually(lambda: begun(tmp_path, 5_000), "some rows done", seconds=120)
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=60)
    assert running.returncode == 130, said
    assert "the same command goes on from there" in said
    assert "Traceback" not in said
    imported(shop, tmp_path, str(path))
    settled(shop, len(table), before)


def test_two_imports_of_one_file_at_once_are_one_too_many(tmp_path: Path) -> None:
    book = Book(tmp_path)
    with book.alone("x"), pytest.raises(Exception, match="imported by another process"), book.alone("x"):
        pass


@pytest.mark.parametrize(
    ("words", "environ", "said"),
    [
        (["--topic", "events.orders"], {}, "no topic of history"),
        (["--topic", "old.history"], {}, "nobody reads old.history"),
        ([], {"MIEN_CLOCK": "stream"}, "MIEN_CLOCK=wall"),
        (["--source", "oders"], {}, "there is no source"),
        (["--source", "customers"], {}, "as --source orders it could be read"),
    ],
)
def test_what_could_send_alerts_or_be_read_by_nobody_is_refused_before_anything_is_sent(
    tmp_path: Path, words: list[str], environ: dict[str, str], said: str
) -> None:
    path = tmp_path / "orders.csv"
    path.write_text("user_id,time,order_id,amount\nu1,2025-01-01,a,1\n", encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "streams.cli", "import", str(path), *words],
        env={**os.environ, **environ, "MIEN_DATA_DIR": str(tmp_path)}, text=True, capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    assert said in done.stderr


def test_a_mapping_is_tried_on_a_sample_before_and_after_and_every_fault_is_told(tmp_path: Path) -> None:
    sample, mapping = tmp_path / "orders.csv", tmp_path / "sources.yaml"
    sample.write_text("会员编号,时间,金额\nu1,2025/1/1 8:05,￥5\nu1,2025-13-01,5\n", encoding="gb18030")
    mapping.write_text("version: 1\nsources:\n  - name: shop\n    files: ['*']\n    event: Order Completed\n    user: 会员号\n"
                       "    time: 时间\n    fields: {revenue: 金额}\n", encoding="utf-8")  # fmt: skip

    def check() -> tuple[int, str, str]:
        words = [sys.executable, "-m", "streams.cli", "sources", "check", str(mapping), "--sample", str(sample)]
        done = subprocess.run(words, text=True, capture_output=True, check=False)
        return done.returncode, done.stdout, done.stderr

    code, _, err = check()
    assert code == 1
    assert "sources.yaml:6:11" in err
    assert "did you mean 会员编号?" in err
    mapping.write_text(mapping.read_text(encoding="utf-8").replace("会员号", "会员编号"), encoding="utf-8")
    code, out, err = check()
    assert code == 1
    assert "line 3: when" in err
    assert '"revenue": 5.0' in out
    assert "2 rows as source 'shop': 1 events, 1 refused, 1 faults" in out
    sample.write_text("会员编号,时间,金额\nu1,2025/1/1 8:05,￥5\n", encoding="gb18030")
    assert check()[0] == 0

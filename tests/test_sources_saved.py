"""A sources.yaml that is saved is in force within seconds; one that cannot be used takes nothing down and is told of."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any, Final

import pytest
from kafka import KafkaProducer

from profiles.errors import MienError
from profiles.mapping.watched import Watched
from profiles.settings import Settings, as_environ
from tests.e2e.stacks import Stack, stack
from tests.processes import eventually

SOURCES: Final = """
version: 1
sources:
  - name: crm
    topics: [events.orders]
    user: 会员号
    time: 时间
    event: Order Completed
    fields: {{order_id: 单号, revenue: {{from: 金额, unit: {unit}}}}}
  - name: sensors
    shape: sensors
    events: {{XiaDan: {ours}}}
    fields: {{revenue: money, order_id: no}}
"""
YUAN: Final = SOURCES.format(unit="yuan", ours="keep")
FEN: Final = SOURCES.format(unit="fen", ours="Order Completed")
BROKEN: Final = YUAN.replace("user:", "usr:")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "sources.yaml").write_text(YUAN, encoding="utf-8")
    return Settings(sources=tmp_path / "sources.yaml", data_dir=tmp_path / "data")


def digits(watched: Watched) -> int:
    """Of the column 金额: 0 is yuan, 2 is fen."""
    crm = next(each for each in watched.sources if each.name == "crm")
    return next(column.minor_digits for column in crm.fields if column.target == "revenue")


def saved(settings: Settings, text: str | bytes) -> None:
    """As an editor does it: another file under the same name."""
    assert settings.sources is not None
    fresh = settings.sources.with_suffix(".new")
    fresh.write_bytes(text if isinstance(text, bytes) else text.encode())
    fresh.replace(settings.sources)


def test_what_is_saved_is_read_once_it_stands_still(settings: Settings) -> None:
    watched = Watched(settings)
    assert not watched.look()
    assert settings.sources is not None
    for part in (FEN[:200], FEN[:300], FEN):
        settings.sources.write_text(part, encoding="utf-8")
        assert not watched.look(), "it is still being written"
    assert digits(watched) == 0
    assert watched.look()
    assert digits(watched) == 2
    assert not watched.look()


@pytest.mark.parametrize("text", [BROKEN, "", "version: 1\nsources: [", b"\xff\xfe", None])
def test_what_cannot_be_used_changes_nothing_and_is_told_once(settings: Settings, text: str | bytes | None) -> None:
    watched = Watched(settings)
    assert settings.sources is not None
    settings.sources.unlink() if text is None else saved(settings, text)
    assert [watched.look() for _ in range(4)] == [False, True, False, False]
    assert digits(watched) == 0
    assert str(settings.sources) in watched.fault
    assert "mien sources check" in watched.fault
    saved(settings, FEN)
    assert [watched.look() for _ in range(3)] == [False, True, False]
    assert (digits(watched), watched.fault) == (2, "")


def test_a_file_that_was_away_for_a_while_is_in_force_again_as_it_was(settings: Settings) -> None:
    """Its time and size are what they were: a volume that was not mounted, a rename there and back."""
    watched, path = Watched(settings), settings.sources
    assert path is not None
    path.rename(path.with_suffix(".away"))
    assert [watched.look() for _ in range(3)] == [False, True, False]
    assert "cannot be read" in watched.fault
    path.with_suffix(".away").rename(path)
    assert [watched.look() for _ in range(3)] == [False, True, False]
    assert watched.fault == ""


def test_whoever_starts_beside_a_broken_file_goes_on_as_before_and_a_new_shop_is_refused(settings: Settings) -> None:
    Watched(settings)
    saved(settings, BROKEN)
    anew = Watched(settings)
    assert digits(anew) == 0
    assert "sources.yaml:6:5" in anew.fault
    saved(settings, FEN)
    assert [anew.look() for _ in range(2)] == [False, True]
    assert anew.fault == ""
    saved(settings, BROKEN)
    with pytest.raises(MienError, match=r"sources\.yaml:6:5"):
        Watched(settings.model_copy(update={"data_dir": settings.data_dir / "another"}))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    path = tmp_path_factory.mktemp("sources") / "sources.yaml"
    path.write_text(YUAN, encoding="utf-8")
    with stack(tmp_path_factory.mktemp("stack"), tags=None, sources=path) as running:
        yield running


NUMBERS: Final = count(1)


def paid(shop: Stack) -> float:
    """What an order of 金额 500 is worth that is sent now."""
    who = f"u-{next(NUMBERS)}"
    row = {"会员号": who, "时间": "2026-01-01 09:00:00", "单号": who, "金额": "500"}
    producer = KafkaProducer(bootstrap_servers=shop.broker, enable_idempotence=False)
    producer.send("events.orders", json.dumps(row).encode())
    producer.close()
    eventually(lambda: shop.profile(who) is not None, "an order is counted", seconds=60)
    found = shop.profile(who)
    assert found is not None
    return float(found["features"]["revenue"])


def orders_over_http(shop: Stack) -> int:
    """Whether 神策's XiaDan that is sent now is an order."""
    who = f"s-{next(NUMBERS)}"
    said = {"type": "track", "event": "XiaDan", "distinct_id": who, "time": 1_767_200_000_000,
            "properties": {"money": 5, "no": who}}  # fmt: skip
    data = base64.b64encode(json.dumps(said).encode()).decode()
    assert shop.http.post("/sa", data={"data": data}).status_code == 200
    eventually(lambda: shop.profile(who) is not None, "it is counted", seconds=60)
    found = shop.profile(who)
    assert found is not None
    return int(found["features"]["orders"])


def well(shop: Stack) -> bool:
    """Whether the API finds nothing wrong with the file."""
    return bool(checks(shop)["sources"]["ok"])


def ringing(shop: Stack) -> list[str]:
    """Alarms of workers; none are known while the store is slow to answer."""
    return list(checks(shop)["alarms"].get("seen", {}).get("ringing", []))


def checks(shop: Stack) -> dict[str, Any]:
    return dict(shop.http.get("/readyz", timeout=20.0).json()["checks"])


def test_workers_and_the_collector_follow_and_a_broken_file_stops_neither(shop: Stack) -> None:
    """Nobody is started anew for it, and whoever asks hears what is wrong."""
    settings = shop.running.settings
    assert (paid(shop), orders_over_http(shop)) == (500, 0)
    pids = shop.pid("worker"), shop.pid("api")
    saved(settings, FEN)
    eventually(lambda: paid(shop) == 5, "workers read fen", seconds=30)
    eventually(lambda: orders_over_http(shop) == 1, "the collector knows the new name", seconds=30)
    saved(settings, BROKEN)
    eventually(lambda: not well(shop), "the API says so", seconds=30)
    eventually(lambda: "sources" in ringing(shop), "workers say so", seconds=30)
    assert (paid(shop), orders_over_http(shop)) == (5, 1)
    environ = {**os.environ, **as_environ(settings), "COLUMNS": "300"}
    doctor = subprocess.run(
        [sys.executable, "-m", "streams.cli", "doctor"], env=environ, text=True, capture_output=True, check=False
    )
    assert doctor.returncode == 1
    assert "sources.yaml:6:5" in doctor.stdout
    saved(settings, YUAN)
    eventually(lambda: well(shop), "all is well again", seconds=30)
    eventually(lambda: paid(shop) == 500, "workers read yuan again", seconds=30)
    assert (shop.pid("worker"), shop.pid("api")) == pids

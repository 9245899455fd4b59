"""What an import repaired and refused is in the data-quality page, once, however often it is told, late or anew."""

from __future__ import annotations

import random
from collections import Counter
from copy import deepcopy
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from profiles.clock import DAY, iso
from profiles.imports import by_day, hoped_for
from profiles.mapping.document import SHIPPED, SourceMap, load
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.imports import ImportStore
from streams.importing.digest import Digester, Recipe
from streams.importing.files import look
from streams.importing.pieces import pieces
from streams.importing.position import Position
from streams.importing.tally import Tally, told
from tests.api_shop import NOW, Shop

pytest_plugins = ["tests.api_fixtures"]
ROWS = """会员号,下单时间,订单号,实付金额,手机,渠道
u1,2025/1/1 8:05,a,"￥1,250.00",138 1234 5678,web
u2,2025-01-02 09:00:00,b,5,12,web
,2025-01-02 09:00:00,c,5,,web
u3,2025-13-01 09:00:00,d,5,,
u4,2025-01-03 09:00:00,e,many,,app
"""


def of(name: str) -> SourceMap:
    return next(each for each in load(SHIPPED.read_text(encoding="utf-8")) if each.name == name)


def notes(path: Path, mark: str = "abc-1", started: int = NOW - 60_000) -> list[Position]:
    """The notes of an import as they were after each of its pieces of two rows."""
    source = of("orders")
    digest = Digester(Recipe(source, "Asia/Shanghai", "CNY", started, mark))
    fields = list(hoped_for(source))
    position = Position(str(path), "", "events.history", "orders", "", started, mark=mark, fields=fields)
    found = []
    for piece in pieces(look(path), size=2):
        done = digest(piece)
        position.counts = dict(Counter(position.counts) + done.counts)
        position.rows, position.at = done.last, started + done.last
        found.append(deepcopy(position))
    return found


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.csv"
    path.write_text(ROWS, encoding="utf-8")
    return path


def tell(shop: Shop, *positions: Position) -> None:
    """As ``mien import`` does it when it ends."""

    async def run() -> None:
        tally = Tally(shop.settings, shop.clock)
        tally.note(positions)
        async with tally:
            pass
        assert not tally.trouble

    shop.run(run())


def page(http: httpx.Client, source: str = "import/orders") -> dict[str, Any]:
    [found] = http.get("/v1/sources/quality", params={"source": source}).json()["sources"]
    return dict(found)


def test_repairs_refusals_and_filled_fields_of_an_import_are_told_in_both_languages(
    shop: Shop, http: httpx.Client, file: Path
) -> None:
    tell(shop, *notes(file))
    found = page(http)
    assert (found["kind"], found["topic"], found["key"]) == ("import", "", "")
    assert found["last_seen"] == iso(NOW - 60_000 + 5), "when a piece was noted, whenever that is told"
    assert found["totals"] == {
        "received": 5, "accepted": 2, "refused": 3, "skipped": 0, "repeated": 0, "valid": 0.4}  # fmt: skip
    assert {(each["field"], each["code"], each["zh"], each["events"]) for each in found["refusals"]} == {
        ("who", "missing_id", "缺少客户标识", 1), ("when", "impossible_date", "不存在的日期", 1),
        ("revenue", "not_an_amount", "不是金额", 1)}  # fmt: skip
    mended = {(each["field_zh"], each["zh"], each["en"]): each["events"] for each in found["repairs"]}
    assert mended["实付金额", "去除千分位", "thousands separators taken out"] == 1
    assert [(each["field_en"], each["en"]) for each in found["dropped"]] == [("phone", "a number that stands for none")]
    shares = {each["field"]: (each["present"], each["looked_at"]) for each in found["complete"]}
    assert shares["phone"] == (1, 2)
    assert shares["user_id"] == shares["revenue"] == shares["channel"] == (2, 2)
    assert shares["brand"] == (0, 2), "a field that the mapping could read and the file never says"
    assert [each["source"] for each in http.get("/v1/sources").json()["sources"]] == ["import/orders"]


def test_a_value_that_a_record_has_under_our_name_and_the_mapping_names_too_is_mended_once(tmp_path: Path) -> None:
    """A 神策 log says ``discount``, and so does the mapping of its shape: rows are counted, not looks at them."""
    path = tmp_path / "service.log"
    path.write_text('{"type": "track", "event": "SubmitOrder", "distinct_id": "u", "time": 1735700000000, "properties": '
                    '{"order_id": "o", "order_amount": 5, "discount": "1,000", "quantity": "many"}}\n', encoding="utf-8")  # fmt: skip
    digest = Digester(Recipe(of("sensors"), "Asia/Shanghai", "CNY", NOW, "m-1"))
    [done] = [digest(piece) for piece in pieces(look(path), shape="sensors")]
    counts = {name: n for name, n in done.counts.items() if name.endswith((":thousands", ":not_a_number"))}
    assert counts == {"repaired:discount:thousands": 1, "dropped:quantity:not_a_number": 1}


@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6))
def test_told_in_any_order_and_any_number_of_times_every_row_counts_once(shop: Shop, file: Path, seed: int) -> None:
    """Of processes that are killed anywhere some tellings never come, and those of the dead may come late."""
    chance, said = random.Random(seed), notes(file, f"{seed:x}-1")
    store, name = ImportStore(shop.client), f"{seed:x}"
    for position in chance.choices(said, k=chance.randrange(8)):
        shop.run(store.tell(name, told(position)))
    tell(shop, said[-1])
    for position in chance.sample(said, k=2):
        shop.run(store.tell(name, told(position)))
    one = shop.run(store.read())[name]
    assert (one.rows, one.counts) == (5, said[-1].counts)


def test_files_of_a_source_add_up_and_a_file_that_is_imported_again_counts_as_it_was_read_last(
    shop: Shop, http: httpx.Client, file: Path
) -> None:
    first = notes(file)[-1]
    tell(shop, first, notes(file, "def-1")[-1])
    assert page(http)["totals"]["received"] == 10
    tell(shop, notes(file, "abc-2", NOW - 50_000)[0])
    assert page(http)["totals"]["received"] == 7, "so far; what it came to the first time counts no more"
    tell(shop, notes(file, "abc-2", NOW - 50_000)[-1])
    tell(shop, first)
    assert page(http)["totals"]["received"] == 10


def test_imports_count_on_the_day_they_began_and_are_forgotten_after_a_month(shop: Shop, file: Path) -> None:
    store = ImportStore(shop.client)
    late, old = notes(file, "a-1", NOW - DAY)[-1], notes(file, "b-1", NOW - 33 * DAY)[-1]
    shop.run(store.tell("b", told(old)))
    shop.run(store.tell("a", told(late)))
    assert list(by_day(shop.run(store.read()).values(), "Asia/Shanghai")) == ["2025-10-08"]
    tell(shop, old)
    assert list(shop.run(store.read())) == ["a"], "a note of it may still lie in the folder"
    assert shop.run(shop.client.pttl(keys.IMPORTS)) > 31 * DAY


@pytest.mark.parametrize("redis", ["redis://127.0.0.1:1/0", "nonsense://x"])
def test_a_store_that_is_away_or_none_is_said_and_stops_nobody(file: Path, redis: str, shop: Shop) -> None:
    tally = Tally(Settings(redis=redis), shop.clock)

    async def run() -> None:
        async with tally:
            tally.note(notes(file))

    shop.run(run())
    assert tally.trouble

"""Tables are mapped column by column; the mapper, which looks at each row by itself, says what has to come out."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from random import Random
from textwrap import dedent
from typing import Final
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from profiles.cleaning.days import Moments
from profiles.cleaning.moments import Local, moment
from profiles.intake import EVENT_LIMIT
from profiles.mapping.apply import Mapper
from profiles.mapping.cells import SHELL
from profiles.mapping.document import SourceMap, load, shipped
from profiles.mapping.table import Table
from streams.importing.digest import Digest, Digester, Recipe, Reject, Value, digested, prepare
from streams.importing.pieces import Piece, Unfit

NOW: Final = 1_795_000_000_000
MINE: Final = """\
    version: 1
    sources:
      - name: till
        event_from: [动作, 事件]
        events: {下单: Order Completed, "退*": Order Refunded, 测试: skip, 资料: identify, "*": keep}
        timezone: America/New_York
        currency: USD
        user: [会员号, 手机]
        anonymous: 设备
        time: [时间, 日期]
        id: [流水号, 行]
        channel: web
        channel_from: 渠道
        fields:
          order_id: 流水号
          revenue: {from: [实付, 应付], unit: fen}
          discount: 优惠
          currency: 币种
          quantity: 数量
          category: 类目
        traits:
          name: 姓名
          phone: 手机
          age: {from: 年龄, as: age}
      - name: twice
        event: page
        anonymous: 设备
        time: 时间
        fields: {category: 类目}
        traits: {category: 品类, time: 城市}
    """
SOURCES: Final[dict[str, SourceMap]] = {each.name: each for each in (*shipped(), *load(dedent(MINE)))}
TABLES: Final = ("orders", "customers", "till", "twice")
WORDS: Final = (
    "", "-", "null", "0", " c-1 ", "c-1", "Ｃ－２", "17850.0", 'a"b\\c\x1f', "下单", "退款", "测试", "资料", "看 直播", "12", "-5", "￥1,234.50", "$5", "USD",
    "2025/1/3 8:05", "2025/1/3 8:06:07", "2025-01-03 08:05:06", "2025/1/3 下午 8:05", "2025-03-09 1:30", "2025-03-09 3:30",
    "2025-02-30 1:00", "2026-11-18 23:00", "2030-01-01 9:00", "138 1234 1234", "28岁", "x" * 60, "\ufffd", "web", "小　程序",
)  # fmt: skip
LIKELY: Final[dict[str, tuple[str, ...]]] = {
    "event_from": ("下单", "下单", "退款", "资料", "测试", "看 直播", ""),
    "user": ("c-1", " c-1 ", "c-2", "17850.0", ""),
    "anonymous": ("d-1", ""),
    "time": ("2025/1/3 8:05", "2025/1/3 8:06:07", "2025-01-03 08:05:06", "2025/1/3", ""),
    "revenue": ("￥1,234.50", "12", "12", "-0.5", ""),
    "currency": ("CNY", "", ""),
    "id": ("A1", "17.0", "", "x" * 99),
    "channel_from": ("web", "小　程序", ""),
}
TEXTS: Final = st.sampled_from(WORDS) | st.text(max_size=6)
TYPED: Final = TEXTS | st.none() | st.integers(-5, 2) | st.floats() | st.booleans() | st.datetimes() | st.just([1])


def judged(recipe: Recipe, piece: Piece) -> Digest:
    """The same, row by row."""
    mapper = Mapper(recipe.source, recipe.timezone, recipe.currency, recipe.now).narrowed(piece.columns)
    counts: Counter[str] = Counter(rows=len(piece.rows), events=0)
    values: list[Value] = []
    rejects: list[Reject] = []
    for at, cells in enumerate(piece.rows):
        row = cells if isinstance(cells, Unfit) else dict(zip(piece.columns, cells, strict=True))
        found = mapper.unreadable(table=True) if isinstance(row, Unfit) else mapper(row)
        counts.update(f"repaired:{field}:{code}" for field, code in set(found.repairs))
        counts.update(f"dropped:{field}:{code}" for field, code in set(found.dropped))
        if found.refused is not None:
            kind = "skipped" if found.refused.code == "skipped" else "refused"
            counts.update([kind, f"{kind}:{found.refused.field}:{found.refused.code}"])
            if kind == "refused":
                rejects.append(Reject(piece.lines[at], *found.refused, record=""))
            continue
        assert found.event is not None
        event = found.event
        parts = {*event, *event.get("properties", ()), *event.get("traits", ())}
        counts.update(f"filled:{part}" for part in parts - SHELL)
        event["context"] |= {"import": recipe.mark, "row": piece.first + at}
        key = str(event.get("userId") or event.get("anonymousId")).encode()
        values.append(Value(piece.first + at, key, msgspec.json.encode(event, enc_hook=str)))
    counts["events"] = len(values)
    return Digest(values, rejects, counts, piece.first + len(piece.rows) - 1, piece.at, piece.of)


def recipe_of(name: str) -> Recipe:
    return Recipe(SOURCES[name], "Asia/Shanghai", "CNY", NOW, "m-1")


@st.composite
def pieces(draw: st.DrawFn, name: str) -> Piece:
    """Rows under some of a source's columns, in any order; the usual cells, and now and then one that is not."""
    source, chance = SOURCES[name], Random(draw(st.integers()))
    asked = {column: each.target for each in source.columns for column in each.names}
    needed = [
        chance.choice(each.names) for each in (source.user or source.anonymous, source.time, source.event_from) if each
    ]
    more = chance.sample([*sorted(asked), "备注"], k=draw(st.integers(0, min(8, len(asked)))))
    columns = list(dict.fromkeys([*more, *needed]))
    odd = draw(st.lists(draw(st.sampled_from([TEXTS, TYPED])), min_size=1, max_size=6))
    pools = [LIKELY.get(asked.get(each, ""), ("k1", "k2", "")) for each in columns]
    rows: list[object] = [
        tuple(chance.choice(pool if chance.random() < 0.9 else odd) for pool in pools)
        for _ in range(draw(st.integers(0, 20)))
    ]
    if draw(st.booleans()):
        rows.insert(len(rows) // 2, Unfit("a|b"))
    return Piece(7, [2 * at + 3 for at in range(len(rows))], columns, rows, 0, 0)


@pytest.mark.parametrize("name", TABLES)
@given(data=st.data())
def test_a_table_gives_what_the_mapper_gives_for_each_of_its_rows(name: str, data: st.DataObject) -> None:
    """Events to the byte, refusals and their lines, and every count; again too, when values are remembered."""
    recipe = recipe_of(name)
    digest = Digester(recipe)
    for piece in (data.draw(pieces(name)), data.draw(pieces(name))):
        found = digest(piece)
        assert found._replace(rejects=[each._replace(record="") for each in found.rejects]) == judged(recipe, piece)
        assert digest(piece) == found


def test_plain_rows_of_the_usual_headers_are_not_left_to_the_mapper() -> None:
    """Otherwise the test above would compare the mapper with itself."""
    columns = ["会员号", "下单时间", "订单号", "实付金额", "手机", "备注"]
    mapper = Mapper(SOURCES["orders"], "Asia/Shanghai", "CNY", NOW).narrowed(columns)
    table = Table.of(mapper, columns, {"import": "m-1"})
    assert table is not None
    good, bad = ["c-1", "2025/1/3 8:05", "o1", "￥1,234.50", "none", ""], ["", "2025/1/3 8:05", "o2", "5", "", ""]
    laid = table([good, bad, good], [5, 6, 7])
    assert (laid.numbers, laid.keys, laid.left) == ([5, 7], [b"c-1", b"c-1"], [1])
    assert laid.counts["repaired:revenue:thousands"] == 2


def test_a_row_keeps_the_message_id_that_it_had_in_every_version() -> None:
    """What was imported before is imported again by another version, and nothing changes."""
    columns, row = (
        ["会员号", "下单时间", "订单号", "实付金额", "商品编号", "类目"],
        ["c-0", "2025/1/1 0:00:00", "o0", "￥1,100.50", "p0", "k0"],
    )
    [value] = Digester(recipe_of("orders"))(Piece(1, [2], columns, [row], 0, 0)).values
    assert value.value == (
        b'{"type":"track","messageId":"orders:adefc05b8bb8e01b642e9d38af803054","context":{"origin":"backfill",'
        b'"source":"orders","import":"m-1","row":1},"event":"Order Completed","timestamp":1735660800000,"userId":"c-0",'
        b'"properties":{"order_id":"o0","revenue":1100.5,"product_id":"p0","category":"k0"}}'
    )


def test_a_row_that_is_too_large_is_refused_among_others() -> None:
    columns = ["会员号", "下单时间", "订单号", "实付金额", "城市"]
    rows = [["c-1", "2025-01-01", "o1", "5", "x" * size] for size in (3, EVENT_LIMIT, 3)]
    found = Digester(recipe_of("orders"))(Piece(1, [2, 3, 4], columns, rows, 0, 0))
    assert [value.row for value in found.values] == [1, 3]
    assert [(each.line, each.code) for each in found.rejects] == [(3, "event_too_large")]


def test_a_digest_of_another_process_is_the_same() -> None:
    """Large files of records are digested there."""
    recipe = recipe_of("segment")
    call = {"type": "track", "event": "看 直播", "userId": "u1", "messageId": "m1", "timestamp": "2026-01-03T00:05:00Z"}
    piece = Piece(1, [1, 2, 3], (), [call, Unfit("{broken"), call | {"userId": ""}], 0, 0)
    with ProcessPoolExecutor(1, get_context("spawn"), prepare, (recipe,)) as pool:
        assert pool.submit(digested, piece).result(timeout=120) == Digester(recipe)(piece)


DATES: Final = st.sampled_from(
    ["2025/1/3", "2025-01-03", "2025-1-3", " 2025/1/3 ", "2025年1月3日", "3 Jan 2025", "03/04/2025", "2025-03-09", "2025-11-02", "2026-11-18",
     "2025/1/3 下午", "2025/1/3 上午", "2025/1/3T", "1970-01-01", "1999-12-31", "9999-12-31", "45000", "", "２０２５/1/3"]
) | st.dates().map(str)  # fmt: skip
CLOCKS: Final = st.from_regex(r"[0-2]?[0-9]:[0-6]?[0-9](:[0-6]?[0-9])?", fullmatch=True) | st.sampled_from(
    ["8:05 pm", "08:05Z", "８:05", ""]
)


@given(
    st.lists(st.builds("{} {}".format, DATES, CLOCKS), max_size=12),
    st.sampled_from(["Asia/Shanghai", "America/New_York", "Africa/Casablanca"]),
)
@example(["2025-03-09 1:30", "2025-03-09 3:30", "2025-03-09 2:30"], "America/New_York")
@example(["2025/1/3 下午 8:05", "2025/1/3 下午 12:05", "2025/1/3 上午 12:05"], "Asia/Shanghai")
def test_a_time_of_a_day_that_came_before_is_what_it_is_by_itself(texts: list[str], zone: str) -> None:
    local = Local(ZoneInfo(zone))
    moments = Moments(local, NOW)
    assert [moments(text) for text in texts] == [moment(text, local, NOW) for text in texts]

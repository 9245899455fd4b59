"""``mien evaluate`` on files as people have them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from streams.cli import app
from streams.commands.evaluate import CannotEvaluate, days
from streams.orderlog import BadLog, Columns, read
from tests.models.shop import orders

KEYS = {"auc_all", "auc_active", "brier_active", "ece_active", "lift10_active"}


def table(customers: int = 250, weeks: int = 40) -> pd.DataFrame:
    made = orders(customers, weeks, 3)
    return pd.DataFrame(
        {
            "who": [made.customers[i] for i in made.who],
            "when": pd.to_datetime(made.at, unit="ms"),
            "worth": made.cents / 100,
            "order": made.order,
        }
    )


def ran(*args: str) -> tuple[int, str, str, BaseException | None]:
    result = CliRunner().invoke(app, ["evaluate", *args])
    return result.exit_code, result.stdout, result.stderr, result.exception


def written(path: Path, frame: pd.DataFrame, **how: object) -> Path:
    frame.to_csv(path, index=False, **how)  # type: ignore[call-overload]
    return path


def test_a_csv_with_chinese_columns_gives_one_json_object(tmp_path: Path) -> None:
    frame = table().rename(columns={"who": "会员编号", "when": "下单时间", "worth": "实付金额", "order": "订单号"})
    code, out, _, _ = ran(
        str(written(tmp_path / "orders.csv", frame, encoding="gb18030")), "--horizon", "28d", "--json"
    )
    assert code == 0
    told = json.loads(out)
    assert {"recency", "bgnbd", "learner", "blend", "alerts", "n"} <= set(told)
    for name in ("bgnbd", "learner", "blend"):
        assert set(told[name]) >= KEYS
        assert all(isinstance(told[name][key], float) for key in KEYS)
    assert told["recency"]["brier_active"] is None
    assert told["n"] > 1000
    assert told["alerts"]["blend"]["alerts"] <= told["alerts"]["rule"]["alerts"]


def test_parquet_and_csv_with_named_columns_are_the_same_log(tmp_path: Path) -> None:
    frame = table()
    csv, parquet = written(tmp_path / "a.csv", frame, sep=";"), tmp_path / "a.parquet"
    frame.to_parquet(parquet)
    named = ("--customer", "who", "--time", "when", "--amount", "worth", "--horizon", "4w", "--json")
    assert ran(str(csv), *named)[1] == ran(str(parquet), *named)[1] != ""


def test_people_get_tables(tmp_path: Path) -> None:
    frame = table().rename(columns={"who": "customer_id", "when": "date", "worth": "amount"})
    code, out, _, _ = ran(str(written(tmp_path / "a.csv", frame)), "--horizon", "28", "--rule", "21d")
    assert code == 0
    for word in ("BG/NBD", "learner", "blend", "silent for 21 days", "customer_id"):
        assert word in out


def test_lines_of_an_order_are_summed_and_what_was_paid_back_is_a_refund(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {
            "CustomerID": [17850.0, 17850.0, 17850.0, None, 12.0],
            "InvoiceNo": ["1", "1", "C2", "3", "4"],
            "InvoiceDate": [
                "12/1/2010 8:26",
                "12/1/2010 8:26",
                "12/13/2010 9:00",
                "12/14/2010 9:00",
                "12/15/2010 10:00",
            ],
            "Quantity": [6, 2, -1, 3, 1],
            "UnitPrice": [2.5, 1.0, 2.5, 9.0, 4.0],
        }
    )
    found = read(written(tmp_path / "retail.csv", frame), Columns())
    told = found.orders
    assert told.customers == ["12", "17850"] or sorted(told.customers) == ["12.0", "17850.0"]
    assert sorted(told.cents.tolist()) == [-250, 400, 1700]
    assert "1 of 5 lines left out" in " ".join(found.notes)


def test_lines_of_a_day_are_one_order_if_there_is_no_order_id(tmp_path: Path) -> None:
    path = tmp_path / "cdnow.txt"
    path.write_text(
        " 00002 0002 19970112  1   12.00\n 00002 0002 19970112  5   77.00\n 00003 0003 19970102  2   20.76\n"
    )
    told = read(path, Columns(customer="1", time="3", amount="5")).orders
    assert told.customers == ["00002", "00003"]
    assert told.cents.tolist() == [8900, 2076]
    assert np.diff(told.at).tolist() == [-10 * 86_400_000]


@pytest.mark.parametrize(
    ("stamps", "first"),
    [
        (["1997-01-01T08:00:00+08:00"], 852_076_800_000),
        ([852_076_800], 852_076_800_000),
        ([852_076_800_000], 852_076_800_000),
    ],
)
def test_times_may_have_a_zone_or_be_numbers(tmp_path: Path, stamps: list[object], first: int) -> None:
    frame = pd.DataFrame({"user": ["a"], "time": stamps, "amount": ["¥1,234.50"]})
    told = read(written(tmp_path / "a.csv", frame), Columns()).orders
    assert (told.at.tolist(), told.cents.tolist()) == ([first], [123_450])


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ({"who": ["a"], "time": ["2024-01-01"], "amount": [1]}, "--customer. Its columns: who, time, amount"),
        ({"user": ["a"], "time": ["soon"], "amount": [1]}, "'time' holds no dates; the first is 'soon'"),
        ({"user": ["a"], "time": [3], "amount": [1]}, "numbers that are no dates"),
        ({"user": ["a"], "time": ["2024-01-01"], "amount": ["much"]}, "'amount' holds no numbers; the first is 'much'"),
        ({"user": [""], "time": ["2024-01-01"], "amount": [1]}, "most lack 'who'"),
    ],
)
def test_a_bad_column_is_named_with_what_to_do(tmp_path: Path, columns: dict[str, list[object]], said: str) -> None:
    with pytest.raises(BadLog) as error:
        read(written(tmp_path / "a.csv", pd.DataFrame(columns)), Columns())
    assert said in str(error.value)


def test_a_column_that_is_not_there_is_answered_with_the_nearest(tmp_path: Path) -> None:
    path = written(tmp_path / "a.csv", pd.DataFrame({"buyer": ["a"], "time": ["2024-01-01"], "amount": [1]}))
    with pytest.raises(BadLog, match=r"Did you mean 'buyer'\? Its columns: buyer, time, amount"):
        read(path, Columns(customer="buyr"))


def test_a_log_that_is_too_short_says_how_long_it_should_be(tmp_path: Path) -> None:
    frame = table(20, 6).rename(columns={"who": "customer", "when": "time", "worth": "amount"})
    with pytest.raises(CannotEvaluate, match="needs about 252 days"):
        raise ran(str(written(tmp_path / "a.csv", frame)))[3] or AssertionError


def test_horizons_are_whole_weeks(tmp_path: Path) -> None:
    assert [days(told, "--horizon") for told in ("63d", "9w", "63", " 9 W")] == [63] * 4
    path = written(tmp_path / "a.csv", table(5, 4))
    with pytest.raises(CannotEvaluate, match="try 63d"):
        raise ran(str(path), "--horizon", "60d")[3] or AssertionError
    with pytest.raises(CannotEvaluate, match="write 63d or 9w"):
        raise ran(str(path), "--horizon", "soon")[3] or AssertionError

"""A file of orders, whoever wrote it, as columns.

Finds the columns by their usual names, Chinese ones too, sums the lines of an order and turns what was paid back into a
refund.  Knows: files, spellings, formats of dates and money.  Must not know: what is done with orders.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd

from profiles.errors import MienError
from profiles.stable import code_of
from streams.backtest import Orders

NAMES: Final[dict[str, str]] = {
    "customer": "customer customerid custid customerno client clientid user userid uid member memberid memberno household"
    " householdid buyer buyerid shopper shopperid account accountid consumerid masterid"
    " 客户 客户id 客户编号 客户号 会员 会员id 会员编号 会员号 会员卡号 用户 用户id 用户编号 顾客 顾客id 顾客编号 买家 买家id 买家会员名",
    "time": "time timestamp datetime date day at orderdate ordertime orderedat orderdatetime invoicedate purchasedate"
    " purchasetime purchasedat transactiondate transactiontime transactiontimestamp createdat createtime paidat paytime"
    " 时间 日期 下单时间 下单日期 订单时间 订单日期 付款时间 支付时间 购买时间 购买日期 消费时间 消费日期 交易时间 交易日期 成交时间 创建时间",
    "amount": "amount total value revenue sales salesvalue dollarvalue dollars spend money paid payment sum gmv monetary"
    " ordertotal ordervalue orderamount totalamount totalprice grandtotal netamount linetotal monetaryvalue"
    " 金额 订单金额 实付金额 支付金额 付款金额 消费金额 交易金额 成交金额 总金额 总价 实付款 实付 销售额 消费额",
    "order": "order orderid orderno ordernumber invoice invoiceno invoiceid basket basketid transaction transactionid"
    " receipt receiptid ticket ticketid 订单 订单号 订单编号 订单id 交易号 交易编号 小票号 流水号 单号",
    "price": "unitprice price 单价 价格",
    "quantity": "quantity qty units 数量 件数",
}  # fmt: skip
_EXPLAINED: Final = {"customer": "who ordered", "time": "when", "amount": "for how much"}
_UNKNOWN: Final = frozenset({"", "nan", "none", "null", "na", "n/a", "<na>", "nat"})


class BadLog(MienError):
    """A file that cannot be read as orders; the message names its columns and what would help."""


@dataclass(frozen=True)
class Columns:
    """Which column is what, as far as the caller knows."""

    customer: str | None = None
    time: str | None = None
    amount: str | None = None
    order: str | None = None


@dataclass(frozen=True)
class Read:
    """Orders, and what a reader of the result should know about how they were read."""

    orders: Orders
    notes: tuple[str, ...]


def read(path: Path, columns: Columns) -> Read:
    """The orders of a CSV or Parquet file.

    Raises:
        BadLog: it is no such file, or a column cannot be found or understood.
    """
    table = _table(path)
    if table.empty:
        raise BadLog(f"{path.name} has no lines")
    chosen = _chosen(table, columns, path.name)
    notes = ["columns: " + ", ".join(f"{what} = {name}" for what, name in chosen.items())]
    lines = pd.DataFrame({"who": _ids(table[chosen["customer"]]), "at": _times(table[chosen["time"]], chosen["time"])})
    lines["cents"] = _cents(table, chosen)
    lines["order"] = _ids(table[chosen["order"]]) if "order" in chosen else lines["at"].astype(str)
    sound = ~lines.isna().any(axis=1)
    if not sound.any():
        worst = lines.isna().sum().idxmax()
        raise BadLog(f"no line of {path.name} has all of customer, time and amount; most lack '{worst}'. {notes[0]}")
    if not sound.all():
        notes.append(f"{int((~sound).sum()):,} of {len(lines):,} lines left out: no customer, time or amount")
    return Read(_orders(lines[sound]), tuple(notes))


def _orders(lines: pd.DataFrame) -> Orders:
    """Lines of one order of one customer, summed."""
    summed = lines.groupby(["who", "order"], sort=True, observed=True).agg(at=("at", "min"), cents=("cents", "sum"))
    keys = summed.index.to_frame(index=False)
    who, names = pd.factorize(keys["who"], sort=True)
    return Orders(
        customers=[str(name) for name in names],
        who=who.astype(np.int64),
        at=summed["at"].to_numpy(np.int64),
        cents=summed["cents"].to_numpy(np.int64),
        order=np.array([code_of(str(order)) for order in keys["order"]], np.int64),
    )


def _table(path: Path) -> pd.DataFrame:
    if path.suffix.lower() in (".parquet", ".pq"):
        try:
            return pd.read_parquet(path)
        except (OSError, ValueError) as error:
            raise BadLog(f"{path.name} is no Parquet file: {error}") from error
    raw = path.read_bytes()
    if raw[:4] == b"PAR1":
        return pd.read_parquet(path)
    encoding = _encoding(raw)
    first = raw.decode(encoding, "replace").lstrip("\r\n").partition("\n")[0].strip()
    separator = max(",;\t|", key=first.count)
    separator = separator if separator in first else r"\s+"
    fields = [
        field.strip(" \"'") for field in re.split(re.escape(separator) if len(separator) == 1 else separator, first)
    ]
    named = not all(re.fullmatch(r"[-+.:/\d ]*", field) for field in fields)
    try:
        table = pd.read_csv(
            path, sep=separator, dtype=str, encoding=encoding, header=0 if named else None, skipinitialspace=True
        )
    except (ValueError, OSError) as error:
        raise BadLog(f"{path.name} cannot be read as a table: {error}") from error
    table.columns = pd.Index([str(name).strip() if named else str(i + 1) for i, name in enumerate(table.columns)])
    return table


def _encoding(raw: bytes) -> str:
    for encoding in ("utf-8-sig", "gb18030"):
        try:
            raw.decode(encoding)
        except UnicodeDecodeError:
            continue
        return encoding
    return "latin-1"


def _chosen(table: pd.DataFrame, columns: Columns, file: str) -> dict[str, str]:
    """Column of each part; ``amount`` may be missing if there are ``price`` and ``quantity``."""
    there = [str(name) for name in table.columns]
    chosen: dict[str, str] = {}
    for what, wish in vars(columns).items():
        if wish is not None and wish not in there:
            close = difflib.get_close_matches(wish, there, 1)
            hint = f" Did you mean '{close[0]}'?" if close else ""
            raise BadLog(f"{file} has no column '{wish}' for --{what}.{hint} Its columns: {', '.join(there)}")
        found = wish or _guessed(what, there)
        if found is not None:
            chosen[what] = found
    if "amount" not in chosen and (price := _guessed("price", there)) is not None:
        quantity = _guessed("quantity", there)
        chosen |= {"price": price} | ({"quantity": quantity} if quantity else {})
    for what, meaning in _EXPLAINED.items():
        if what not in chosen and not (what == "amount" and "price" in chosen):
            raise BadLog(
                f"cannot tell which column of {file} says {meaning}: name it with --{what}. Its columns: {', '.join(there)}"
            )
    return chosen


def _guessed(what: str, there: Sequence[str]) -> str | None:
    plain = {re.sub(r"[\W_]+", "", name).lower(): name for name in reversed(there)}
    return next((plain[name] for name in NAMES[what].split() if name in plain), None)


def _ids(column: pd.Series[Any]) -> pd.Series[Any]:
    """Ids as text; 17850.0 is 17850, and what stands for nobody is missing."""
    if pd.api.types.is_float_dtype(column):
        whole = column.dropna()
        column = column.astype("Int64") if (whole == whole.round()).all() else column
    text = column.astype("string").str.strip()
    return text.mask(text.str.lower().isin(_UNKNOWN)).astype(object)


def _cents(table: pd.DataFrame, chosen: dict[str, str]) -> pd.Series[Any]:
    if "amount" in chosen:
        amount = _numbers(table[chosen["amount"]], chosen["amount"])
    else:
        amount = _numbers(table[chosen["price"]], chosen["price"])
        if "quantity" in chosen:
            amount = amount * _numbers(table[chosen["quantity"]], chosen["quantity"])
    return (amount.where(amount.abs() < 1e12) * 100).round()


def _numbers(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    first = str(column.iloc[0])
    if not pd.api.types.is_numeric_dtype(column):
        plain = column.astype("string").str.replace(r"[¥￥$€£,\s元]", "", regex=True)
        plain = plain.str.replace(r"^\((.*)\)$", r"-\1", regex=True)
        column = pd.to_numeric(plain, errors="coerce")
    numbers = column.astype("float64")
    if not np.isfinite(numbers).any():
        raise BadLog(f"column '{name}' holds no numbers; the first is {first!r}. Choose another with --amount")
    return numbers.where(np.isfinite(numbers))


def _times(column: pd.Series[Any], name: str) -> pd.Series[Any]:
    """UTC milliseconds; a date is its midnight."""
    numbers = pd.to_numeric(column, errors="coerce") if not pd.api.types.is_datetime64_any_dtype(column) else None
    if numbers is not None and numbers.notna().mean() > 0.9:
        return _numbered(numbers, name)
    tries: list[dict[str, Any]] = [{}, {"dayfirst": True}, {"format": "mixed"}]
    found = None
    for how in tries:
        try:
            parsed = pd.to_datetime(column, errors="coerce", utc=True, **how)
        except (ValueError, TypeError):
            continue
        if found is None or parsed.notna().sum() > found.notna().sum():
            found = parsed
        if found.notna().sum() >= column.notna().sum():
            break
    if found is None or found.notna().sum() < 0.5 * len(column):
        raise BadLog(
            f"column '{name}' holds no dates; the first is {str(column.iloc[0])!r}. Choose another with --time"
        )
    return _millis(found)


def _numbered(numbers: pd.Series[Any], name: str) -> pd.Series[Any]:
    """19970101, or seconds or milliseconds since 1970."""
    middle = float(numbers.median())
    if 1.9e7 < middle < 2.2e7:
        return _millis(
            pd.to_datetime(numbers.astype("Int64").astype("string"), format="%Y%m%d", errors="coerce", utc=True)
        )
    for factor, low in ((1, 1e11), (1000, 1e8)):
        if middle > low:
            return (numbers * factor).round()
    raise BadLog(
        f"column '{name}' holds numbers that are no dates, such as {numbers.iloc[0]}. Choose another with --time"
    )


def _millis(stamps: pd.Series[Any]) -> pd.Series[Any]:
    plain = stamps.dt.tz_localize(None).astype("datetime64[ms]")
    millis: pd.Series[Any] = plain.astype("int64").where(plain.notna()).astype("float64")
    return millis

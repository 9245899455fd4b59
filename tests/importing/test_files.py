"""Real files in every form and encoding: the same rows come out, each with its line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook
from pyarrow import Table, parquet

from streams.importing.files import BadFile, File, look
from streams.importing.pieces import Unfit, pieces

HEADER: Final = ["会员号", "下单时间", "实付金额", "备注"]
ROWS: Final = [
    ["u1", "2026/1/3 8:05", "1,234.50", "好"],
    ["u2", "2026-01-04", "10", "两\n行"],
    ["u3", "20260105", "￥5", ""],
]


def written(delimiter: str = ",") -> str:
    text = io.StringIO()
    csv.writer(text, delimiter=delimiter).writerows([HEADER, *ROWS])
    return text.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_a_table_reads_the_same_in_every_encoding_and_with_every_delimiter(
    tmp_path: Path, encoding: str, delimiter: str
) -> None:
    path = tmp_path / "订单.csv"
    path.write_bytes(written(delimiter).encode(encoding))
    [piece] = pieces(look(path))
    assert (list(piece.columns), list(piece.rows), list(piece.lines)) == (HEADER, ROWS, [2, 3, 5])


def test_an_encoding_is_known_from_the_whole_file_and_not_from_its_beginning(tmp_path: Path) -> None:
    path = tmp_path / "late.csv"
    path.write_bytes(b"id,note\n" + b"1,plain\n" * 300_000 + "2,迟到\n".encode("gb18030"))
    assert look(path).encoding == "gb18030"
    assert [*pieces(look(path))][-1].rows[-1] == ["2", "迟到"]


def test_a_row_longer_than_the_header_is_no_row_and_a_shorter_one_is_filled_up(tmp_path: Path) -> None:
    path = tmp_path / "ragged.csv"
    path.write_text("a,b,c\n1,2\n\n1,2,3,4\n1,2,3,,\n", encoding="utf-8")
    [piece] = pieces(look(path))
    assert list(piece.rows) == [["1", "2", ""], Unfit("1|2|3|4"), ["1", "2", "3"]]
    assert list(piece.lines) == [2, 4, 5]


def test_a_quote_that_is_never_closed_stops_the_import_and_says_where(tmp_path: Path) -> None:
    path = tmp_path / "open.csv"
    path.write_text("a,b\n1,2\n" + '3,"4\n' + "5,6\n" * 5000, encoding="utf-8")
    with pytest.raises(BadFile, match="line 3"):
        list(pieces(look(path)))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.text(alphabet='ab,"\n\r\u2028 ', max_size=40), st.integers(1, 4))
@example('a,"b\n"\n1,2\n"', 2)
def test_rows_and_their_lines_are_those_of_a_reader_that_takes_them_one_by_one(
    tmp_path: Path, text: str, size: int
) -> None:
    """They are divided many at a time where each line is a row, and that is not always so."""
    path = tmp_path / "rows.csv"
    path.write_bytes(f"x,y\n{text}".encode())
    reader = csv.reader(io.StringIO(f"x,y\n{text}", newline=""))
    judged: list[tuple[int, object]] = []
    line = 1
    for cells in reader:
        if any(cells):
            judged.append((line, Unfit("|".join(cells)) if any(cells[2:]) else [*cells, ""][:2]))
        line = reader.line_num + 1
    found = list(pieces(File(path, "csv", 0, ""), size=size))
    assert [row for piece in found for row in zip(piece.lines, piece.rows, strict=True)] == judged[1:]
    assert [piece.first for piece in found] == [
        1 + sum(len(each.rows) for each in found[:at]) for at in range(len(found))
    ]


def excel(path: Path) -> None:
    book = Workbook()
    page = book.active
    assert page is not None
    page.append(HEADER)
    for row in ROWS:
        page.append(row)
    book.create_sheet("2025").append(["x"])
    book.save(path)


def columns(path: Path) -> None:
    parquet.write_table(Table.from_pylist([dict(zip(HEADER, row, strict=True)) for row in ROWS]), path)


def lines(path: Path) -> None:
    path.write_text("".join(json.dumps(dict(zip(HEADER, row, strict=True))) + "\n" for row in ROWS), encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "write"), [("a.xlsx", excel), ("a.parquet", columns), ("a.jsonl", lines), ("no-suffix", lines)]
)
def test_workbooks_parquet_and_json_lines_hold_the_same_rows(
    tmp_path: Path, name: str, write: Callable[[Path], None]
) -> None:
    write(tmp_path / name)
    [piece] = pieces(look(tmp_path / name))
    rows = [[row[each] for each in HEADER] if isinstance(row, dict) else list(row) for row in piece.rows]
    assert [["" if cell is None else cell for cell in row] for row in rows] == ROWS


def test_a_workbook_keeps_its_dates_and_says_which_sheets_it_has(tmp_path: Path) -> None:
    book = Workbook()
    page = book.active
    assert page is not None
    page.append(["id", "at"])
    page.append([17850, datetime(2026, 1, 3, 8, 5)])  # noqa: DTZ001 - a workbook knows no zones
    book.save(tmp_path / "a.xlsx")
    [piece] = pieces(look(tmp_path / "a.xlsx"))
    assert list(piece.rows) == [(17850, datetime(2026, 1, 3, 8, 5))]  # noqa: DTZ001
    with pytest.raises(BadFile, match="it has Sheet"):
        list(pieces(look(tmp_path / "a.xlsx"), sheet="2025"))


def test_a_line_that_is_no_record_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(b'{"a": {"b": 1}}\n\n{broken\n[1]\n{"a": 2}\n')
    [piece] = pieces(look(path))
    assert list(piece.rows) == [{"a.b": 1}, Unfit("{broken"), Unfit("[1]"), {"a": 2}]
    assert list(piece.lines) == [1, 3, 4, 5]


@pytest.mark.parametrize(("name", "raw", "said"), [("a.csv", b"", "empty"), ("a.xls", b"\xd0\xcf\x11\xe0rest", "save it as .xlsx"),
                                                   ("a.csv.gz", b"\x1f\x8brest", "gunzip"), ("a.parquet", b"id,x\n", "is none")])  # fmt: skip
def test_a_file_that_cannot_be_read_says_what_would_help(tmp_path: Path, name: str, raw: bytes, said: str) -> None:
    (tmp_path / name).write_bytes(raw)
    with pytest.raises(BadFile, match=said):
        look(tmp_path / name)

"""What a file is: its identity, its form, its encoding, how cells are divided.

Knows: bytes.  Must not know: what a row means.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from profiles.errors import MienError

BLOCK: Final = 1 << 20
DELIMITERS: Final = ",;\t|"
_BOMS: Final = ((codecs.BOM_UTF8, "utf-8-sig"), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))
_SUFFIXES: Final = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".xlsx": "xlsx", ".xlsm": "xlsx", ".parquet": "parquet",
    ".pq": "parquet", ".jsonl": "lines", ".ndjson": "lines", ".json": "lines",
}  # fmt: skip


class BadFile(MienError):
    """A file that cannot be imported; the message says where and what would help."""


@dataclass(frozen=True)
class File:
    """A file as it is now."""

    path: Path
    form: str  #: csv, xlsx, parquet or lines
    size: int
    sha256: str
    encoding: str = "utf-8"
    delimiter: str = ","


def look(path: Path) -> File:
    """Read a file once: what it holds has a name then, and its encoding is known and not guessed from its beginning.

    Raises:
        BadFile: it is empty, or of a form that cannot be read.
    """
    digest, decoder, utf8 = hashlib.sha256(), codecs.getincrementaldecoder("utf-8")(), True
    with path.open("rb") as stream:
        head = stream.read(BLOCK)
        if not head:
            raise BadFile(f"{path} is empty")
        block = head
        while block:
            digest.update(block)
            if utf8:
                utf8 = _decodes(decoder, block)
            block = stream.read(BLOCK)
    size = path.stat().st_size
    form = _form(path, head)
    if form in ("xlsx", "parquet"):
        return File(path, form, size, digest.hexdigest())
    encoding = next((name for bom, name in _BOMS if head.startswith(bom)), "utf-8" if utf8 else "gb18030")
    delimiter = _delimiter(head, encoding, path) if form == "csv" else ""
    return File(path, form, size, digest.hexdigest(), encoding, delimiter)


def _decodes(decoder: codecs.IncrementalDecoder, block: bytes) -> bool:
    try:
        decoder.decode(block)
    except UnicodeDecodeError:
        return False
    return True


def _form(path: Path, head: bytes) -> str:
    """By its first bytes where they say it, else by its name, else by how it looks."""
    if head.startswith(b"PAR1"):
        return "parquet"
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    if head.startswith(b"\xd0\xcf\x11\xe0"):
        raise BadFile(f"{path} is an old Excel file (.xls): save it as .xlsx or CSV")
    if head.startswith(b"\x1f\x8b"):
        raise BadFile(f"{path} is compressed: gunzip it first")
    form = _SUFFIXES.get(path.suffix.lower())
    if form in (None, "csv", "lines"):
        plain = head.removeprefix(codecs.BOM_UTF8).lstrip()
        form = "lines" if plain.startswith(b"{") else "csv" if form != "lines" else "lines"
    if form in ("xlsx", "parquet"):
        raise BadFile(f"{path} is called {path.suffix} and is none: look at how it was exported")
    return form or "csv"


def _delimiter(head: bytes, encoding: str, path: Path) -> str:
    """Whatever divides the header into most cells."""
    first = head.decode(encoding, "replace").lstrip("\r\n").splitlines()
    if not first:
        raise BadFile(f"{path} has no header")
    return max(DELIMITERS, key=lambda one: len(next(csv.reader([first[0]], delimiter=one), [])))

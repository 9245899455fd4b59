"""Rows that were refused, with line and reason, for a spreadsheet.

Knows: how they are written down.  Must not know: why something is refused.
"""

from __future__ import annotations

import csv
import io
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from profiles.cleaning.cell import REFUSALS
from streams.importing.digest import Reject

HEADER: Final = ("line", "field", "reason", "原因", "why", "record")


class Rejects:
    """The file beside an import; it is made when there is something to write."""

    def __init__(self, path: Path, size: int) -> None:
        """Go on after the first ``size`` bytes: what is behind them will come again."""
        self.path = path
        self.size = size
        if size and path.exists():
            with path.open("r+b") as stream:
                stream.truncate(size)
        else:
            self.size = 0
            path.unlink(missing_ok=True)

    def add(self, rejects: Sequence[Reject]) -> int:
        """Write them down; returns the size of the file."""
        if not rejects:
            return self.size
        text = io.StringIO()
        writer = csv.writer(text)
        if not self.size:
            text.write("\ufeff")  # Excel takes it for another encoding without
            writer.writerow(HEADER)
        for reject in rejects:
            zh, en = REFUSALS[reject.code]
            writer.writerow((reject.line, reject.field, reject.code, zh, en, reject.record))
        raw = text.getvalue().encode("utf-8", "replace")
        with open(os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "ab") as stream:  # noqa: PTH123
            stream.write(raw)  # rows hold phone numbers: nobody else may read them
        self.size += len(raw)
        return self.size

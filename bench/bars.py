"""What Mien set out to reach: the bars of its design, each with the figure that answers it.

Knows: names of figures.  Must not know: how they are measured.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class Bar:
    """A number to reach: at least, or at most."""

    what: str
    figure: str
    says: str
    limit: float
    most: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.limit if self.most else value >= self.limit


BARS: Final = (
    Bar("worker ÷ the same fold in a stock Faust agent, events per core", "peers.ratio_stock_faust", "≥ 10 ×", 10),
    Bar("update path, every event on another of 1 M customers", "update.uniform_1m", "≥ 30 000 /s per core", 30_000),
    Bar("update path, 1 000 busy customers", "update.busy", "≥ 80 000 /s per core", 80_000),
    Bar("event sent → tag readable, p99 at 2 000 events/s", "latency.p99_2000", "< 100 ms", 100, most=True),
    Bar("profile read at 1 000 requests/s, p99 on the server", "reads.server_p99", "< 5 ms", 5, most=True),
    Bar("a tag that silence must flip, latest", "sweep.latest", "≤ 2 000 ms late", 2000, most=True),
    Bar("rule edited → live", "rules.live", "≤ 1 000 ms", 1000, most=True),
    Bar("100 000 customers reconciled", "rules.reconciled", "< 60 s", 60, most=True),
    Bar("Redis bytes per customer, all keys, typical", "memory.typical", "≤ 1 024 bytes", 1024, most=True),
)

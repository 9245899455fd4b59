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
    unit: str = ""
    most: bool = False

    def reached(self, value: float) -> bool:
        return value <= self.limit if self.most else value >= self.limit


def _ms(what: str, figure: str, says: str, limit: float) -> Bar:
    return Bar(what, figure, says, limit, "ms", most=True)


BARS: Final = (
    Bar("worker ÷ the same fold in a stock Faust agent, events per core", "peers.ratio_stock_faust", "≥ 10", 10, "×"),
    Bar("update path, every event on another of 1 M customers", "update.uniform_1m", "≥ 30 000", 30_000, "/s per core"),
    Bar("update path, 1 000 busy customers", "update.busy", "≥ 80 000", 80_000, "/s per core"),
    _ms("event sent → tag readable, p99 at 2 000 events/s", "latency.p99_2000", "< 100 ms", 100),
    _ms("profile read at 1 000 requests/s, p99 on the server", "reads.server_p99", "< 5 ms", 5),
    _ms("a tag that silence must flip, latest", "sweep.latest", "≤ 2 000 ms late", 2000),
    _ms("rule edited → live", "rules.live", "≤ 1 000 ms", 1000),
    Bar("100 000 customers reconciled", "rules.reconciled", "< 60 s", 60, "s", most=True),
    Bar("Redis bytes per customer, all keys, typical", "memory.typical", "≤ 1 024", 1024, "B", most=True),
)

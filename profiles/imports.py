"""What ``mien import`` made of the rows of files, as counts of a source.

An import says how far it is in numbers that begin with its first row, so saying them once more changes nothing.
Knows: how an import counts, and how a source does.  Must not know: files, rows, where it is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from profiles.clock import Millis
from profiles.mapping.document import SourceMap
from profiles.worth import IMPORTED, Counts

_OURS: Final = {"userId": "user_id", "anonymousId": "anonymous_id", "timestamp": "time"}
_BESIDE: Final = frozenset({"rows", "events", "refused", "skipped"})  #: totals; the page makes its own


class Import(msgspec.Struct, frozen=True):
    """One file, as far as it is imported."""

    source: str  #: of the mapping that it is read by
    started: Millis  #: its counts are of this day
    at: Millis  #: when this was so
    rows: int
    counts: dict[str, int]  #: ``events``, ``refused:who:missing_id``, ``repaired:time:epoch``, ``filled:revenue`` ...
    fields: tuple[str, ...] = ()  #: that every row could have


def hoped_for(source: SourceMap) -> tuple[str, ...]:
    """What every row of a source could say, as ``filled`` names it."""
    own = ["userId", "timestamp"]
    own += ["anonymousId"] if source.anonymous else []
    own += ["channel"] if source.channel_from else []
    return tuple(dict.fromkeys([*own, *(column.target for column in (*source.fields, *source.traits))]))


def as_counts(one: Import) -> dict[str, int]:
    """An import in the words that records are counted in as they come."""
    events = one.counts.get("events", 0)
    found = Counter({"accepted": events, "last": one.at})
    found.update({f"of:{_OURS.get(field, field)}": events for field in one.fields})
    for name, n in one.counts.items():
        kind, _, rest = name.partition(":")
        if kind == "filled":
            field = _OURS.get(rest, rest)
            found[f"of:{field}"], found[f"has:{field}"] = events, n
        elif kind == "skipped" and rest:
            found["left_out"] += n
        elif kind == "dropped":
            found[name] += n - one.counts.get(f"refused:{rest}", 0)  # what a row was refused for was not left out
        elif name not in _BESIDE:
            found[name] += n
    return {name: n for name, n in found.items() if n or name.startswith("of:")}


def by_day(imports: Iterable[Import], timezone: str) -> dict[str, dict[str, Counts]]:
    """Imports by the day of the shop on which they began, those of one source added up."""
    zone, found = ZoneInfo(timezone), dict[str, dict[str, Counts]]()
    for one in imports:
        day = datetime.fromtimestamp(one.started / 1000, zone).date().isoformat()
        mine = found.setdefault(day, {})
        mine[IMPORTED + one.source] = _added(mine.get(IMPORTED + one.source, {}), as_counts(one))
    return found


def _added(some: Counts, more: Counts) -> Mapping[str, int]:
    """The sum; of the moment that something came last, the later."""
    both = Counter(some)
    both.update(more)
    return {**both, "last": max(some.get("last", 0), more.get("last", 0))}

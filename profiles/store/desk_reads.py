"""What screens and APIs read of the alert desk.

Knows: how to page through alerts, follow the feed, look into the ledger.
Must not know: HTTP, or how to change anything (``desk``).
"""

from __future__ import annotations

import re
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from profiles.alerts import Alert, State
from profiles.deliveries import Delivery, Lane, lane_of
from profiles.errors import MienError
from profiles.store import desk_rows as rows
from profiles.store import keys
from profiles.store.client import Client

MOST: Final = 500  #: entries in one answer
_decode_disabled: Final = msgspec.json.Decoder(rows.Disabled).decode


class BadCursor(MienError):
    """A cursor that no page of this list gave out."""


@dataclass(frozen=True)
class Page:
    """Some alerts; ``cursor`` continues after the last of them, also later, when there are ``more``."""

    alerts: tuple[Alert, ...]
    cursor: str
    more: bool


@dataclass(frozen=True)
class FeedEvent:
    """One line of the feed: its id (to resume after), its type, and the alert as JSON."""

    id: str
    type: str
    data: bytes


@dataclass(frozen=True)
class Endpoint:
    """A webhook URL or the SMS lane, what waits there, and whether it is disabled."""

    lane: Lane
    waiting: int
    disabled: rows.Disabled | None


class DeskReads:
    """All reads."""

    def __init__(self, redis: Client) -> None:
        self._redis: Any = redis  # its answers are typed bytes-or-text; ours are bytes

    async def alert(self, name: str) -> Alert | None:
        """One alert as it is now; None if there is, or is no longer, such an alert."""
        row: Any = await self._redis.hgetall(keys.alert(name))
        return rows.alert_of(row) if row else None

    async def alerts(
        self, *, state: State | None = None, newest_first: bool = True, limit: int = 50, cursor: str = ""
    ) -> Page:
        """Up to ``limit`` (at most 500) alerts in the order of raising, after ``cursor``.

        Alerts are numbered when they are raised, so nothing is skipped or shown twice while others are raised.

        Raises:
            BadCursor: ``cursor`` was not given out by this method.
        """
        index = keys.alerts_in(state) if state else keys.ALERT_ALL
        limit = max(1, min(limit, MOST))
        after = _number(cursor)
        found: Any
        if newest_first:
            top = f"({after}" if cursor else "+inf"
            found = await self._redis.zrevrangebyscore(index, top, "-inf", start=0, num=limit + 1, withscores=True)
        else:
            found = await self._redis.zrangebyscore(index, f"({after}", "+inf", start=0, num=limit + 1, withscores=True)
        shown = found[:limit]
        read = await rows.read_rows(self._redis, (keys.alert(name.decode()) for name, _ in shown))
        last = _cursor(int(shown[-1][1])) if shown else cursor
        alerts = tuple(rows.alert_of(row) for row in read if row)  # the index may outlive an alert
        if state:  # one may have changed since the index was read
            alerts = tuple(one for one in alerts if one.state == state)
        return Page(alerts, last, len(found) > limit)

    async def ranked(self, *, limit: int = 50) -> Page:
        """The alerts that are not resolved, where most is at stake first; it is a top list, so there is no next page."""
        limit = max(1, min(limit, MOST))
        found: Any = await self._redis.zrevrangebyscore(keys.ALERT_STAKES, "+inf", "-inf", start=0, num=limit + 1)
        read = await rows.read_rows(self._redis, (keys.alert(name.decode()) for name in found[:limit]))
        alerts = (rows.alert_of(row) for row in read if row)
        return Page(tuple(one for one in alerts if one.state != "resolved"), "", len(found) > limit)

    async def counts(self) -> Mapping[str, int]:
        """How often what happened: ``raised``, ``resolved``, ``refused:stale``, ``webhook:delivered`` ..."""
        found: Any = await self._redis.hgetall(keys.ALERT_COUNTS)
        return {name.decode(): int(count) for name, count in sorted(found.items())}

    async def feed(self, after: str, *, limit: int = 100, wait_ms: int = 0) -> list[FeedEvent]:
        """Alert events after an id, oldest first.  ``0-0`` is before the first, :meth:`feed_end` after the last.

        With ``wait_ms`` it waits that long for the first one; that occupies a connection.
        """
        found: Any
        if wait_ms:
            answer: Any = await self._redis.xread({keys.ALERT_FEED: after}, count=limit, block=wait_ms)
            found = answer[0][1] if answer else []
        else:
            found = await self._redis.xrange(keys.ALERT_FEED, min=f"({after}", max="+", count=limit)
        return [FeedEvent(name.decode(), row[b"type"].decode(), row[b"data"]) for name, row in found]

    async def feed_end(self) -> str:
        """The id of the latest event."""
        found: Any = await self._redis.xrevrange(keys.ALERT_FEED, count=1)
        return str(found[0][0].decode()) if found else "0-0"

    async def feed_start(self) -> str:
        """The id of the earliest event that is still kept; whoever resumes after an earlier one missed some."""
        found: Any = await self._redis.xrange(keys.ALERT_FEED, count=1)
        return str(found[0][0].decode()) if found else "0-0"

    async def ledger(self, *, before: str = "+", limit: int = 100) -> list[rows.LedgerLine]:
        """Sends, refusals and failures, the latest first; ``before`` continues before the id of a line."""
        top = before if before == "+" else f"({before}"
        found: Any = await self._redis.xrevrange(keys.ALERT_LEDGER, max=top, min="-", count=min(limit, MOST))
        return [rows.line_of(name, row) for name, row in found]

    async def dead(self, *, limit: int = 100) -> list[Mapping[str, str]]:
        """Deliveries that were given up, the latest first, with what was to be sent."""
        found: Any = await self._redis.xrevrange(keys.ALERT_DEAD, count=min(limit, MOST))
        return [{key.decode(): value.decode() for key, value in row.items()} for _, row in found]

    async def deliveries(self, alert: str) -> list[Delivery]:
        """The deliveries of one alert that are still kept: its beginning on every lane, then its end."""
        made: Any = await self._redis.hget(keys.alert(alert), "deliveries")
        names = made.decode().split() if made else []
        names += [name.replace("-raised", "-resolved") for name in names]
        read = await rows.read_rows(self._redis, map(keys.delivery, names))
        return [rows.delivery_of(name, row) for name, row in zip(names, read, strict=True) if row]

    async def endpoints(self, urls: tuple[str, ...] = ()) -> list[Endpoint]:
        """Every lane that was ever used, and those of ``urls``: how many deliveries wait, and which are disabled."""
        used: Any = await self._redis.hgetall(keys.ALERT_LANES)
        lanes = {lane.decode(): Lane(lane.decode(), url.decode()) for lane, url in used.items()}
        lanes |= {lane.id: lane for lane in map(lane_of, urls)}
        off: Any = await self._redis.hgetall(keys.ALERT_DISABLED)
        return [
            Endpoint(
                lane=lanes[name],
                waiting=int(await self._redis.zcard(keys.due_deliveries(name))),
                disabled=_decode_disabled(off[name.encode()]) if name.encode() in off else None,
            )
            for name in sorted(lanes)
        ]


def _cursor(number: int) -> str:
    return urlsafe_b64encode(f"a{number}".encode()).decode().rstrip("=")


def _number(cursor: str) -> int:
    if not cursor:
        return 0
    try:
        text = b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except ValueError:
        text = ""
    if not re.fullmatch(r"a[0-9]{1,15}", text):
        raise BadCursor(f"{cursor[:40]!r} is not a cursor of this list; start again without one")
    return int(text[1:])

"""The alert desk tells all it has about a customer, or forgets them: their alerts, what was to be sent, and every line about it.

Knows: where the desk names customers.  Must not know: why they are to be forgotten.
It looks through everything, since nothing else ever asks for a customer's alerts of long ago; that takes about a second
for a hundred thousand lines, and some customers at a time cost no more than one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import msgspec

from profiles.alerts import STATES, Alert
from profiles.deliveries import lane_id
from profiles.store import desk_rows as rows
from profiles.store import keys
from profiles.store.client import Client, Script, reaching

PAGE: Final = 1000
Gone = dict[str, Counter[str]]  #: customer -> what -> how many


class _Named(msgspec.Struct):
    profile: str


_decode: Final = msgspec.json.Decoder(_Named).decode


async def forget(client: Client, profiles: Iterable[str]) -> Gone:
    """Destroy all that the desk has about these customers; what is on the wire then ends without a word.

    Raises:
        StoreDown: the store does not answer; the same call may be made again.
    """
    whom = frozenset(profiles)
    gone: Gone = {profile: Counter(alerts=0, deliveries=0, lines=0) for profile in whom}
    redis: Any = client
    with reaching():
        for one, row in await _alerts(redis, whom):
            made = await _drop(redis, one, row)
            gone[one.profile].update(alerts=1, deliveries=made)
        for stream, profile_of in _STREAMS.items():
            await _lines(redis, stream, profile_of, gone)
    return gone


async def about(client: Client, whom: frozenset[str]) -> tuple[list[Alert], list[rows.LedgerLine]]:
    """All that the desk has about the ids of one customer: alerts, and every send and refusal, the first ones first.

    Raises:
        StoreDown: the store does not answer.
    """
    redis: Any = client
    with reaching():
        alerts = [one for one, _ in await _alerts(redis, whom)]
        lines, after = [], "-"
        while True:
            page = await redis.xrange(keys.ALERT_LEDGER, min=after, count=PAGE)
            lines += [rows.line_of(name, row) for name, row in page if _of_line(row) in whom]
            if len(page) < PAGE:
                return alerts, lines
            after = f"({page[-1][0].decode()}"


async def _alerts(redis: Any, whom: frozenset[str]) -> list[tuple[Alert, rows.Row]]:
    names = [name.decode() for name in await redis.zrange(keys.ALERT_ALL, 0, -1)]
    found = []
    for start in range(0, len(names), PAGE):
        read = await rows.read_rows(redis, map(keys.alert, names[start : start + PAGE]))
        found += [(rows.alert_of(row), row) for row in read if row and _decode(row[b"alert"]).profile in whom]
    return found


# KEYS: the five lists of alerts, open, causes, the alert, its deliveries, the queue of each.
# ARGV: alert, its field of open, how many causes, causes, deliveries.  Returns how many deliveries there were.
_DROP: Final = """
local id, causes, gone = ARGV[1], tonumber(ARGV[3]), 0
local made = #ARGV - 3 - causes
for i = 1, 5 do redis.call('ZREM', KEYS[i], id) end
if redis.call('HGET', KEYS[6], ARGV[2]) == id then redis.call('HDEL', KEYS[6], ARGV[2]) end
for i = 1, causes do redis.call('HDEL', KEYS[7], ARGV[3 + i]) end
redis.call('DEL', KEYS[8])
for i = 1, made do
  gone = gone + redis.call('DEL', KEYS[8 + i])
  redis.call('ZREM', KEYS[8 + made + i], ARGV[3 + causes + i])
end
return gone
"""


async def _drop(redis: Client, one: Alert, row: rows.Row) -> int:
    """One alert, with its deliveries and wherever it is listed, at once; how many deliveries there were."""
    begun = rows.delivery_ids_of(row)
    made = [*begun, *(name.replace("-raised", "-resolved") for name in begun)]
    causes = ["|".join((*cause, one.profile)) for cause in rows.episode_of(row).causes]
    named = [keys.ALERT_ALL, keys.ALERT_STAKES, *map(keys.alerts_in, STATES), keys.ALERT_OPEN, keys.ALERT_CAUSES]
    named += [keys.alert(one.id), *map(keys.delivery, made), *(keys.due_deliveries(lane_id(name)) for name in made)]
    return int(await Script(redis, _DROP)(named, [one.id, f"{one.policy}|{one.profile}", len(causes), *causes, *made]))


async def _lines(redis: Any, stream: str, profile_of: Callable[[rows.Row], str], gone: Gone) -> None:
    after = "-"
    while True:
        page = await redis.xrange(stream, min=after, count=PAGE)
        about = {name: profile_of(row) for name, row in page}
        mine = [name for name, profile in about.items() if profile in gone]
        if mine:
            await redis.xdel(stream, *mine)
        for name in mine:
            gone[about[name]].update(lines=1)
        if len(page) < PAGE:
            return
        after = f"({page[-1][0].decode()}"


def _of_line(row: rows.Row) -> str:
    return row.get(b"profile", b"").decode()


def _of_event(row: rows.Row) -> str:
    return _decode(row[b"data"]).profile


_STREAMS: Final[Mapping[str, Callable[[rows.Row], str]]] = {
    keys.ALERT_LEDGER: _of_line,
    keys.ALERT_DEAD: _of_line,
    keys.ALERT_FEED: _of_event,
}

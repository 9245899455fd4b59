"""The alert desk in Redis: where alerts are raised and deliveries are handed out, each exactly once.

Knows: that a batch of decisions, and each step of a delivery, is one atomic call (``desk.lua``).
Must not know: why something is decided (``profiles.alerts``), how anything is sent.  (Screens read with ``desk_reads``.)

Progress is kept per bucket beside the alerts it caused.  A worker that crashes, or one that does not know it was
replaced, can therefore neither lose nor double an alert: its commit happens whole, or its cursor is found moved.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

import msgspec

from profiles.alerts import STATES, Alert, Asked, Decision, Known, event_type
from profiles.clock import Millis
from profiles.deliveries import Delivery, Lane, Progress, lane_id
from profiles.store import desk_rows as rows
from profiles.store import keys
from profiles.store.client import Client, Script
from profiles.store.desk_plan import Plan

SCRIPT: Final = Path(__file__).with_name("desk.lua").read_text(encoding="utf-8")
_FIXED: Final = (
    keys.ALERT_CURSOR,
    keys.ALERT_COUNTS,
    keys.ALERT_FEED,
    keys.ALERT_LEDGER,
    keys.ALERT_DEAD,
    keys.ALERT_ALL,
    *(keys.alerts_in(state) for state in STATES),
    keys.ALERT_OPEN,
    keys.ALERT_CAUSES,
    keys.ALERT_LANES,
    keys.ALERT_DISABLED,
    keys.ALERT_STAKES,
)


@dataclass(frozen=True)
class Memory:
    """What the desk knew at ``cursor``: enough to decide about one batch of one bucket."""

    bucket: int
    cursor: int
    known: Known
    deliveries: dict[str, tuple[str, ...]]  #: alert id -> ids of the deliveries made for it
    spent: dict[int, int]  #: day -> ranked alerts raised on it, as ``known`` had it before anything was decided


@dataclass(frozen=True)
class Verdict:
    """How a delivery ended, or why it is tried again."""

    state: Progress
    reason: str = ""
    detail: str = ""
    payload: str = ""  #: what was to be sent, kept if it is dead
    disable: str = ""  #: not empty: why nothing more may be posted on this lane


class Desk:
    """All writes to the desk; every key of it is in one slot of a Cluster."""

    def __init__(self, redis: Client) -> None:
        self._redis: Any = redis  # its answers are typed bytes-or-text; ours are bytes
        self._script = Script(redis, SCRIPT)

    # --- transitions become alerts ---

    async def cursor(self, bucket: int) -> int:
        """The ``seq`` of the last transition of a bucket that was decided about; 0 before the first."""
        stored: Any = await self._redis.hget(keys.ALERT_CURSOR, str(bucket))
        return int(stored or 0)

    async def places(self, buckets: Sequence[int]) -> dict[int, int]:
        """Bucket -> offset at which its log of transitions is to be read on; those that were never read are left out."""
        if not buckets:
            return {}
        stored: Any = await self._redis.hmget(keys.ALERT_CURSOR, [f"{bucket}@" for bucket in buckets])
        return {bucket: int(place) for bucket, place in zip(buckets, stored, strict=True) if place is not None}

    async def doubt(self, now: Millis) -> None:
        """An older store came back: what it takes for never sent may have been."""
        await self._redis.hset(keys.ALERT_CURSOR, "older", str(now))

    async def recall(self, bucket: int, asked: Asked) -> Memory:
        """What is known of the profiles that a batch is about.

        Read without a lock: :meth:`commit` refuses a decision if the bucket's cursor has moved since, and nothing
        else opens or ends an episode of its profiles.
        """
        pipe: Any = self._redis.pipeline(transaction=False)
        pipe.hget(keys.ALERT_CURSOR, str(bucket))
        # The empty field is nobody's: HMGET wants at least one.
        pipe.hmget(keys.ALERT_CAUSES, ["", *("|".join(one) for one in asked.causes)])
        pipe.hmget(keys.ALERT_OPEN, ["", *("|".join(one) for one in asked.policies)])
        pipe.hmget(keys.ALERT_CURSOR, ["", *map(_day, asked.days)])
        for one in asked.ids:
            pipe.exists(keys.alert(one))
        cursor, causes, policies, days, *exist = await pipe.execute()
        spent = {day: int(many or 0) for day, many in zip(asked.days, days[1:], strict=True)}
        known = Known(
            of_cause={key: held.decode() for key, held in zip(asked.causes, causes[1:], strict=True) if held},
            of_policy={key: held.decode() for key, held in zip(asked.policies, policies[1:], strict=True) if held},
            raised={key for key, found in zip(asked.ids, exist, strict=True) if found},
            spent=spent,
        )
        deliveries = await self._recall_episodes(known)
        return Memory(bucket, int(cursor or 0), known, deliveries, dict(spent))

    async def _recall_episodes(self, known: Known) -> dict[str, tuple[str, ...]]:
        wanted = sorted({*known.of_cause.values(), *known.of_policy.values()})
        if not wanted:
            return {}
        read = await rows.read_rows(self._redis, map(keys.alert, wanted))
        found = {one: row for one, row in zip(wanted, read, strict=True) if row}
        if len(found) < len(wanted):  # somebody deleted an open alert by hand: as if it had never been
            known.of_cause = {place: one for place, one in known.of_cause.items() if one in found}
            known.of_policy = {place: one for place, one in known.of_policy.items() if one in found}
        for one, row in found.items():
            known.episodes[one] = rows.episode_of(row)
            alert = known.episodes[one].alert
            known.of_policy[alert.policy, alert.profile] = one
        return {one: rows.delivery_ids_of(row) for one, row in found.items()}

    async def commit(
        self,
        memory: Memory,
        upto: int,
        decisions: Sequence[Decision],
        lanes: Sequence[Lane],
        now: Millis,
        place: int | None = None,
    ) -> bool:
        """Everything that follows from a batch, and the new cursor, at once; ``place``: where the log is read on.

        False means that the cursor moved, or others spent of a day's budget, since ``memory`` was read, and nothing was
        written: recall and decide again.
        """
        plan = Plan(memory.deliveries, lanes, now, first_key=len(_FIXED) + 2)
        for one in decisions:
            plan.add(one)
        progress = (memory.bucket, memory.cursor, upto, "" if place is None else place, now)
        spent = [
            (_day(day), str(memory.spent.get(day, 0)), many)
            for day, many in memory.known.spent.items()
            if many != memory.spent.get(day, 0)
        ]
        told = (rows.as_json(plan.operations), rows.as_json(spent))
        return bool(await self._call("commit", keys.ALERT_CURSOR, plan.keys, *progress, *told))

    async def acknowledge(self, alert: Alert, by: str, at: Millis) -> bool:
        """Somebody has taken an open alert in hand; false if it was not open any more, then nothing changes."""
        after = msgspec.structs.replace(alert, state="acknowledged", acknowledged_at=at, acknowledged_by=by)
        event = event_type(alert.policy, "acknowledged")
        said = (alert.id, at, by, event, rows.as_json(after))
        return bool(await self._call("acknowledge", keys.ALERT_CURSOR, [keys.alert(alert.id)], *said))

    # --- deliveries leave ---

    async def lanes(self) -> tuple[Lane, ...]:
        """Every lane that ever had a delivery."""
        found: Any = await self._redis.hgetall(keys.ALERT_LANES)
        return tuple(Lane(lane.decode(), url.decode()) for lane, url in sorted(found.items()))

    async def disabled(self, lane: Lane) -> bool:
        """Whether the endpoint said that it is gone for good."""
        return bool(await self._redis.hexists(keys.ALERT_DISABLED, lane.id))

    async def enable(self, lane: Lane) -> None:
        """Post to a disabled endpoint again; what was refused meanwhile stays refused."""
        await self._redis.hdel(keys.ALERT_DISABLED, lane.id)

    async def claim(self, lane: Lane, now: Millis, lease: Millis, limit: int) -> list[Delivery]:
        """Take up to ``limit`` due deliveries of a lane, the longest due first, for ``lease`` milliseconds.

        Nobody else is given them in that time.  An SMS whose sender vanished half-way is returned with the state
        ``unknown``: it is in the ledger and off the queue; do not send it.
        """
        queue = keys.due_deliveries(lane.id)
        due: Any = await self._redis.zrangebyscore(queue, "-inf", now, start=0, num=limit)
        if not due:
            return []
        names = [one.decode() for one in due]
        hashes = [keys.delivery(name) for name in names]
        claimed = await self._call("claim", queue, hashes, now, now + lease, uuid4().hex, *names)
        return [rows.delivery_of(name.decode(), rows.pairs(row)) for name, row in claimed]

    async def begin(self, one: Delivery) -> bool:
        """The last step before an SMS leaves; false: it may not leave, it was withdrawn or the lease is lost."""
        return bool(await self._on(one, "begin", one.lease))

    async def finish(self, one: Delivery, verdict: Verdict, now: Millis) -> bool:
        """A delivery is over.  False if somebody else had already said so, or had taken it over."""
        state, reason = verdict.state, verdict.reason
        line = rows.line_about(one, now, state, reason, verdict.detail)
        why = rows.as_json(rows.Disabled(one.lane.url, now, verdict.disable)) if verdict.disable else ""
        dead = rows.as_json([*line, "url", one.lane.url, "payload", verdict.payload]) if state == "dead" else ""
        count = rows.counter(state, reason, one.lane.channel)
        lane = one.lane.id if verdict.disable else ""
        said = (one.lease, one.id, state, lane, why, count, rows.as_json(line), dead)
        return bool(await self._on(one, "finish", *said))

    async def retry(self, one: Delivery, at: Millis, reason: str, detail: str, now: Millis) -> bool:
        """It failed and is due again at ``at``.  False if this worker no longer holds it."""
        line = rows.as_json(rows.line_about(one, now, "failed", reason, detail))
        count = rows.counter("failed", reason, one.lane.channel)
        return bool(await self._on(one, "retry", one.lease, one.id, at, detail[:500], count, line))

    async def _on(self, one: Delivery, verb: str, *args: str | int) -> Any:
        queue = keys.due_deliveries(lane_id(one.id))
        return await self._call(verb, queue, [keys.delivery(one.id)], *args)

    async def _call(self, verb: str, queue: str, more: Sequence[str], *args: str | int) -> Any:
        return await self._script([*_FIXED, queue, *more], [verb, *args])


def _day(day: int) -> str:
    """The field that counts a day's ranked alerts, beside the cursors."""
    return f"day:{day}"

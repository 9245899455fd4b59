"""Whether this process can do its work, check by check.

Knows: what must be there to answer reads, what should be there for reads to be fresh.
Must not know: HTTP.
"""

from __future__ import annotations

from time import perf_counter
from typing import Any, Final

from api.house import House
from api.shapes import Check, Readiness
from profiles.clock import SECOND, Millis
from profiles.store import keys
from profiles.store.address import WrongStore
from profiles.store.alarms import WAITING
from profiles.store.base import Checkpoint
from profiles.store.client import abreast

BELIEVED: Final = SECOND  #: anybody may ask, so the store is asked once a second at most
SILENT: Final = 15 * SECOND  #: a bucket whose worker was not heard of for this long has none


class Health:
    """Asks, and remembers good news for a second."""

    def __init__(self, house: House) -> None:
        self._house = house
        self._known: tuple[Millis, Readiness] | None = None

    async def readiness(self) -> Readiness:
        """How things are."""
        now = self._house.clock()
        if self._known is not None and 0 <= now - self._known[0] < BELIEVED:
            return self._known[1]
        found = await self._look(now)
        self._known = None if found.status == "not_ready" else (now, found)
        return found

    async def _look(self, now: Millis) -> Readiness:
        checks = {"redis": await self._redis()}
        if checks["redis"].ok:
            checks["shop"] = await _guarded(self._shop())
            checks["rules"] = await _guarded(self._rules())
            checks["personal_data"] = await _guarded(self._personal_data(), required=False)
            checks["workers"] = await _guarded(self._workers(now), required=False)
            checks["sources"] = self._sources()
            checks["alarms"] = await _guarded(self._alarms(now), required=False)
        if any(check.required and not check.ok for check in checks.values()):
            return Readiness("not_ready", checks)
        return Readiness("ready" if all(check.ok for check in checks.values()) else "degraded", checks)

    async def _redis(self) -> Check:
        started = perf_counter()
        try:
            await self._house.ping()
        except WrongStore as fault:
            return Check(ok=False, message=str(fault))
        except Exception:
            return Check(ok=False, message="Redis does not answer; is MIEN_REDIS right, and does it run?")
        return Check(ok=True, seen={"answered_in_ms": round(1000 * (perf_counter() - started), 1)})

    async def _shop(self) -> Check:
        await self._house.reader()
        return Check(ok=True)

    async def _rules(self) -> Check:
        live = await self._house.registry.live(keys.RULES)
        if not live:
            return Check(ok=False, message="no rules were ever published; the first worker that starts does it")
        return Check(ok=True, seen={"version": live})

    async def _personal_data(self) -> Check:
        """To keep masks only is a choice; to have the wrong keys is not."""
        if (await self._house.vault()).seals:
            return Check(ok=True, required=False, message="sealed")
        return Check(ok=True, required=False, message="masks only: MIEN_PII_KEYS is not set")

    async def _workers(self, now: Millis) -> Check:
        buckets = range(self._house.settings.buckets)
        checkpoints = await abreast(self._house.store.checkpoint, buckets)
        without = [bucket for bucket, each in zip(buckets, checkpoints, strict=True) if now - each.beat > SILENT]
        seen: dict[str, Any] = {"buckets": len(buckets), "without_worker": without, "lag_ms": _lag(checkpoints)}
        if without:
            said = f"{len(without)} of {len(buckets)} buckets have no worker, so their profiles grow old: run `mien worker`"
            return Check(ok=False, required=False, message=said, seen=seen)
        return Check(ok=True, required=False, seen=seen)

    def _sources(self) -> Check:
        """Not what is wrong: anybody may ask."""
        if self._house.naming.fault:
            said = "MIEN_SOURCES cannot be used, and what it said before is in force; the log and `mien doctor` say why"
            return Check(ok=False, required=False, message=said)
        return Check(ok=True, required=False)

    async def _alarms(self, now: Millis) -> Check:
        """Names only: anybody may ask."""
        names = [alarm.name for alarm in await self._house.alarms.ringing(now)]
        if WAITING in names:
            said = "a worker waits for Kafka or Redis; `mien doctor` says more"
            return Check(ok=False, required=False, message=said, seen={"ringing": names})
        return Check(ok=True, required=False, seen={"ringing": names})


async def _guarded(looking: Any, *, required: bool = True) -> Check:
    try:
        check: Check = await looking
    except Exception as error:
        return Check(ok=False, required=required, message=str(error)[:300])
    return check


def _lag(checkpoints: list[Checkpoint]) -> Millis:
    """How late the latest batch of the slowest bucket was."""
    return max((max(each.at - each.received, 0) for each in checkpoints if each.received), default=0)

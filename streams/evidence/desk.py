"""The alert desk as it is, and the transitions that concern it.

Knows: where alerts, their ledger and their feed are.  Must not know: which alert there should be (``profiles.verify``).
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from profiles.alerts import Alert
from profiles.clock import HOUR, system_clock
from profiles.store.client import Client
from profiles.store.desk import Desk as DeskStore
from profiles.store.desk_reads import MOST, DeskReads
from profiles.store.desk_rows import LedgerLine
from profiles.store.redis import RedisStore
from profiles.verify.alerts import AlertJudge, Desk
from profiles.verify.history import Message, read_message
from profiles.wire import Transition
from streams.evidence.case import Case
from streams.topics import TRANSITIONS


class DeskSide:
    """The desk of one store."""

    def __init__(self, case: Case, client: Client) -> None:
        self._case = case
        self._store = RedisStore(client)
        self._desk = DeskStore(client)
        self._reads = DeskReads(client)

    def concerning(self, messages: Iterable[Message]) -> dict[int, Transition]:
        """What may enter or leave a cause of an alert under any version of the rules, by number."""
        causes = self._case.rulers.causes()
        return {each.seq: each for each in messages
                if isinstance(each, Transition) and each.profile not in self._case.heard.erased
                and {(each.what, each.name), (each.what, each.was or "")} & causes}  # fmt: skip

    async def judge(self) -> None:
        """Compare what was heard with what the desk has."""
        case, shop, heard = self._case, self._case.settings, self._case.heard.alarming
        if any(not case.topics.whole(TRANSITIONS, bucket) for bucket in heard):
            case.report.left_out["alerts, because transitions are no longer kept"] += 1
            return
        before = {bucket: await self._desk.cursor(bucket) for bucket in heard}
        desk = await self._desk_now(before)
        stale = int(shop.stale_hours * HOUR)
        judge = AlertJudge(desk, case.rulers.alert_rules(), stale, shop.clock == "stream", case.report)
        judge.taken_back(case.heard.taken_back)
        for bucket, known in heard.items():  # the desk may have gone on since: it has read what it has decided about
            more = (read_message(TRANSITIONS, each.value) for each in case.topics.more(TRANSITIONS, bucket))
            later = (*case.heard.later.get(bucket, ()), *more)
            stored = await self._store.checkpoint(bucket)
            known.update(self.concerning(each for each in later if not stored.took_back(each.seq)))
            judge.bucket(bucket, [known[seq] for seq in sorted(known)])
        judge.rest()

    async def _desk_now(self, before: dict[int, int]) -> Desk:
        """The whole desk; cursors are asked for before and after, so it is known what may have come in between."""
        counts = await self._reads.counts()  # first: whatever was counted is there when it is looked for
        alerts: dict[str, Alert] = {}
        cursor, more = "", True
        while more:
            page = await self._reads.alerts(newest_first=False, limit=MOST, cursor=cursor)
            alerts |= {one.id: one for one in page.alerts}
            cursor, more = page.cursor, page.more
        ledger: list[LedgerLine] = []
        last, seen = "+", "0-0"
        while lines := await self._reads.ledger(before=last, limit=MOST):
            ledger += lines
            last = lines[-1].id
        raised: list[str] = []
        while events := await self._reads.feed(seen, limit=MOST):
            raised += [_alert_of(event.data) for event in events if event.type.endswith(".raised")]
            seen = events[-1].id
        after = {bucket: await self._desk.cursor(bucket) for bucket in before}
        cursors = {bucket: (before[bucket], after[bucket]) for bucket in before}
        gone = self._case.heard.erased
        alerts = {name: one for name, one in alerts.items() if one.profile not in gone}
        ledger = [line for line in ledger if line.profile not in gone]
        return Desk(cursors, alerts, ledger[::-1], raised, counts, system_clock(), forgets=bool(gone))


def _alert_of(data: bytes) -> str:
    """The alert an event of the feed is about."""
    return str(msgspec.json.decode(data)["id"])

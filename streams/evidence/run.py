"""One look at everything, in an order that lets a running system be judged.

Knows: which part has to be read before which.
Must not know: how any of it is read, what is compared (``profiles.verify``), how findings are shown.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.progress import Progress

from profiles.clock import zone
from profiles.intake import exponent_of
from profiles.settings import Settings
from profiles.store.client import Client, connect
from profiles.store.pins import Pins
from profiles.store.redis import RedisStore
from profiles.store.registry import Registry
from profiles.verify.bucket import BucketJudge
from profiles.verify.history import Message
from profiles.verify.log import BucketLog, Inputs
from profiles.verify.position import position
from profiles.verify.report import Report
from profiles.verify.told import Told, gaps
from profiles.wire import Transition
from streams.evidence.case import Asked, Case
from streams.evidence.desk import DeskSide
from streams.evidence.families import Relatives
from streams.evidence.logs import can_judge, hear, hear_letters, read_log, unreadable
from streams.evidence.pinned import Pinned, without
from streams.evidence.raw import RawSide
from streams.evidence.rulers import KnownRulers
from streams.lookback import Lookback, Topics

NAMES = 2000  #: codes asked for at a time


class Verification:
    """One look at everything."""

    def __init__(self, settings: Settings, asked: Asked, progress: Progress) -> None:
        self._settings = settings
        self._asked = asked
        self._progress = progress
        self.report = Report()

    async def run(self) -> Report:
        """Read and compare.

        Raises:
            MienError: something is out of reach, or belongs to another shop.
        """
        client = connect(self._settings.redis)
        rulers = KnownRulers(Registry(client), self._settings)
        try:
            await rulers.open()
            with Lookback(self._settings) as look:
                topics = Topics(look)
                case = Case(self._settings, self._asked, self.report, self._progress, rulers, topics)
                await Looking(case, client).run()
        finally:
            await client.aclose()
        return self.report


class Looking:
    """The parts of one look, and bucket after bucket."""

    def __init__(self, case: Case, client: Client) -> None:
        self._case = case
        self._zone = zone(case.settings.timezone)
        self._store = RedisStore(client)
        self._pinned = Pinned(Pins(client), case.rulers, case.settings.buckets)
        self._relatives = Relatives(case, self._pinned)
        self._desk = DeskSide(case, client)

    async def run(self) -> None:
        """Everything, in order."""
        raw, case = RawSide(self._case), self._case
        for bucket in case.progress.track(range(case.settings.buckets), description="buckets"):
            await self._bucket(bucket, raw)
        await self._relatives.judge()
        hear_letters(case)
        raw.letters()
        await self._desk.judge()

    async def _bucket(self, bucket: int, raw: RawSide) -> None:
        case, report, heard = self._case, self._case.report, self._case.heard
        log, told = BucketLog(bucket, self._zone), Told(bucket)
        read_log(case, log)
        roster = await self._pinned.roster(bucket) | log.profiles
        names = self._pinned.sampled(roster - log.erased, case.asked.profiles)
        pins = await self._pinned.of(bucket, names)
        read_log(case, log, max(pin.checkpoint.next for pin in pins))
        later = [] if case.asked.profiles else sorted(log.profiles - roster)  # those of the erased are not in it
        if later:
            pins += await self._pinned.of(bucket, later)
            read_log(case, log, max(pin.checkpoint.next for pin in pins))
        pins = [without(pin, log.erased) for pin in pins]
        heard.erased |= log.erased
        whole, latest = hear(case, told, pins), max((pin.checkpoint for pin in pins), key=lambda each: each.version)
        self._forget(told.forget(latest))
        heard.alarming[bucket] = self._desk.concerning(told.by_seq.values())
        if not can_judge(case, log, pins):
            return
        judge = BucketJudge(log, told, case.rulers, case.rulers.layouts, case.settings.clock == "stream", report, whole)
        judge.set_aside = heard.aside()
        beside = raw.of_bucket(log)
        await case.rulers.learn(*judge.versions(pins))
        await self._names(log, min(pin.checkpoint.next for pin in pins))
        self._recounting(judge, beside, names)
        self._relatives.note(log, told if whole else None, gaps(told, latest, whole, report))
        unreadable(case, log, pins)
        for pin in pins:
            judge.judge(pin)
        report.left_out["ids about which there was an order to suppress or erase"] += len(log.erased)
        report.left_out["totals of buckets that such customers were part of"] += bool(log.erased)
        for pin in {pin.checkpoint.version: pin for pin in (pins[0], pins[-1]) if not log.erased}.values():
            position(judge, pin, sampled=case.asked.profiles is not None)
        report.left_out["repeats that came too late to be recognised, and count"] += judge.repeats - judge.duplicates

    def _forget(self, taken_back: Sequence[Message]) -> None:
        case = self._case
        case.report.left_out["messages that were taken back when an older Redis came back"] += len(taken_back)
        case.heard.taken_back += [each for each in taken_back if isinstance(each, Transition)]

    def _recounting(self, judge: BucketJudge, beside: Inputs, names: Sequence[str]) -> None:
        chosen = frozenset(self._pinned.sampled(set(names), self._case.asked.oracle))
        if chosen:
            from profiles.verify.recount import Recount  # noqa: PLC0415 - it needs pandas, so only who wants it pays

            shop = self._case.settings
            judge.recount = Recount(shop.timezone, exponent_of(shop.currency), chosen, beside, self._case.report)

    async def _names(self, log: BucketLog, upto: int) -> None:
        """Every code that came with its text is known by that text."""
        known, report = self._case.heard.names, self._case.report
        fresh = {code: name for code, name in log.names(upto).items() if code not in known}
        codes = sorted(fresh)
        for start in range(0, len(codes), NAMES):
            some = codes[start : start + NAMES]
            for code, stored in zip(some, await self._store.names(some), strict=True):
                if stored != fresh[code]:
                    report.differs("name", f"bucket {log.bucket}", f"code {code}", stored, fresh[code])
        known |= fresh
        report.compared["names behind codes"] += len(fresh)

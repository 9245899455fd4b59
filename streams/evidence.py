"""All that a verification needs, read in an order that lets a running system be judged.

Knows: topics, pins, which of them has to be read before which.
Must not know: what is compared (``profiles.verify``), how findings are shown.

First the pins, then the log up to the pins, then the raw topics up to the log: whatever something is compared with is
there by the time it is read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from pathlib import Path

import msgspec
from rich.progress import Progress

from profiles import inputs
from profiles.alerts import Alert
from profiles.clock import HOUR, system_clock, zone
from profiles.errors import LayoutError
from profiles.intake import exponent_of
from profiles.landing import Landing
from profiles.settings import Settings
from profiles.stable import bucket_of, code_of
from profiles.store import keys
from profiles.store.base import Checkpoint
from profiles.store.client import connect
from profiles.store.desk import Desk as DeskStore
from profiles.store.desk_reads import MOST, DeskReads
from profiles.store.desk_rows import LedgerLine
from profiles.store.pins import Pin, Pins, Stored
from profiles.store.redis import RedisStore
from profiles.store.registry import MetaMismatch, Registry
from profiles.store.worlds import CUTS, Worlds
from profiles.verify.alerts import AlertJudge, Desk
from profiles.verify.bucket import BucketJudge
from profiles.verify.families import Families, named
from profiles.verify.files import Lines, matched
from profiles.verify.history import Message, Rulers, read_message
from profiles.verify.letters import SET_ASIDE, Letter, letters
from profiles.verify.log import BucketLog, Inputs, Logged
from profiles.verify.position import position
from profiles.verify.report import Report
from profiles.verify.source import Partition, Record, Sources, handed_on
from profiles.verify.told import Told, gaps, missing
from profiles.wire import Lesson, Transition
from streams.lookback import Lookback, Topics
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS, SAMPLES, TRANSITIONS, event_topics

CHUNK = 200  #: customers of one pin
LOOKS, PAUSE = 8, 0.5  #: how often, and after how many seconds, it is asked again whether anything is under way
NAMES = 2000  #: codes asked for at a time


@dataclass(frozen=True)
class Asked:
    """How much is looked at."""

    files: tuple[Path, ...] = ()  #: events from files instead of the raw topics
    profiles: int | None = None  #: only so many customers; None: all
    oracle: int | None = 200  #: so many customers are recomputed with pandas; None: all
    topic: str = ""  #: that the events of files are of, or were


@dataclass
class Heard:
    """What was told so far and concerns more than one bucket."""

    samples: dict[int, list[Lesson]] = field(default_factory=dict)
    letters: list[Letter] = field(default_factory=list)
    alarming: dict[int, dict[int, Transition]] = field(default_factory=dict)  #: by bucket and number
    taken_back: list[Transition] = field(default_factory=list)  #: by an older store
    names: dict[int, str] = field(default_factory=dict)  #: codes that were looked up
    erased: frozenset[str] = frozenset()  #: about whom there was an order


class Verification:
    """One look at everything."""

    def __init__(self, settings: Settings, asked: Asked, progress: Progress) -> None:
        self._settings = settings
        self._asked = asked
        self._progress = progress
        self._zone = zone(settings.timezone)
        self._rulers: dict[tuple[int, int], Rulers] = {}
        self._heard = Heard()
        self._joined: dict[int, BucketLog] = {}  #: logs in which ids are joined
        self._untold: set[tuple[int, int]] = set()  #: numbers under which nothing was said to learners and alerts
        self.report = Report()

    async def run(self) -> Report:
        """Read and compare.

        Raises:
            MienError: something is out of reach, or belongs to another shop.
        """
        client = connect(self._settings.redis)
        registry = Registry(client)
        self._pins, self._store, self._worlds = Pins(client), RedisStore(client), Worlds(registry, self._settings)
        self._desk, self._reads = DeskStore(client), DeskReads(client)
        try:
            await self._open(registry)
            with Lookback(self._settings) as look:
                self._topics = Topics(look)
                raw = self._lines() if self._asked.files else self._sources()
                for bucket in self._progress.track(range(self._settings.buckets), description="buckets"):
                    await self._bucket(bucket, raw)
                await self._families()
                self._letters(raw)
                await self._alerts()
        finally:
            await client.aclose()
        return self.report

    async def _open(self, registry: Registry) -> None:
        shop = self._settings
        stored = await registry.facts()
        for name, value in (("buckets", str(shop.buckets)), ("timezone", shop.timezone), ("currency", shop.currency)):
            if name not in stored:
                raise MetaMismatch(f"nothing is stored at {shop.redis}: is MIEN_REDIS right?")
            if stored[name] != value:
                raise MetaMismatch(f"the store has {name}={stored[name]}: set MIEN_{name.upper()}={stored[name]}")
        self._layouts = self._worlds.layouts = await registry.layouts()
        await self._learn_rulers(await registry.live(keys.RULES), await registry.live(keys.params(CUTS)))

    async def _learn_rulers(self, rules: int, cuts: int) -> None:
        for r in range(1, rules + 1):
            for c in range(cuts + 1):
                if (r, c) not in self._rulers:
                    world, book = await self._worlds.world(r, c), await self._worlds.book(r)
                    self._rulers[r, c] = Rulers(world, book, await self._worlds.model(c))

    # --- the raw side ---

    def _lines(self) -> Lines:
        lines = Lines(Landing.of(self._settings), self._settings.buckets, system_clock(), self._asked.topic)
        for file in self._asked.files:
            with file.open("rb") as stream:
                lines.read(self._progress.track(stream, description=file.name, total=None))
        return lines

    def _sources(self) -> Sources:
        sources, look = Sources(Landing.of(self._settings), self._settings.buckets), self._topics.look
        for topic in event_topics(self._settings):
            for number in look.partitions(topic):
                handed = look.committed(topic, number)
                start, end = look.edges(topic, number)
                partition = Partition(topic, number, start, start, handed)
                sources.partitions[partition.name] = partition
                if start > 0:
                    self.report.cannot(
                        f"{partition.name} no longer has its first {start} records (retention, or `mien scrub`): what became "
                        "of them cannot be said; hand their events in as files: mien verify FILES"
                    )
                size = max(end, handed) - start
                records = self._progress.track(self._topics.more(topic, number), total=size, description=partition.name)
                sources.read(
                    partition, (Record(r.offset, r.timestamp, r.value or b"", r.headers or ()) for r in records)
                )
        return sources

    def _of_bucket(self, raw: Sources | Lines, log: BucketLog) -> Inputs:
        """The raw side of a bucket, laid beside the log."""
        if isinstance(raw, Lines):
            return matched(log.bucket, raw.bucket(log.bucket, self._zone, log.erased), log.inputs, self.report)
        self._catch_up(raw, log.inputs)
        mine = raw.bucket(log.bucket, self._zone, log.erased)
        handed_on(log.bucket, mine, log.inputs, raw, self.report)
        return mine

    def _catch_up(self, sources: Sources, logged: Inputs) -> None:
        """Read on where the log is ahead: a record whose input is in the log has been in its topic before."""
        for number, name in enumerate(logged.sources):
            partition = sources.partitions.get(name)
            if partition and int(logged.offset[logged.source == number].max(initial=-1)) >= partition.end:
                records = self._topics.more(partition.topic, partition.number)
                sources.read(
                    partition, (Record(r.offset, r.timestamp, r.value or b"", r.headers or ()) for r in records)
                )

    # --- one bucket ---

    async def _bucket(self, bucket: int, raw: Sources | Lines) -> None:
        log, told = BucketLog(bucket, self._zone), Told(bucket)
        self._read_log(log)
        roster = await self._pins.roster(bucket) | log.profiles
        names = self._sampled(roster - log.erased, self._asked.profiles)
        pins = [await self._pin(bucket, names[at:to]) for at, to in _cuts(len(names))]
        self._read_log(log, max(pin.checkpoint.next for pin in pins))
        later = [] if self._asked.profiles else sorted(log.profiles - roster)  # those of the erased are not in it
        if later:
            pins += [await self._pin(bucket, later[at:to]) for at, to in _cuts(len(later))]
            self._read_log(log, max(pin.checkpoint.next for pin in pins))
        pins = [_without(pin, log.erased) for pin in pins]
        self._heard.erased |= log.erased
        whole, latest = self._hear(told, pins), max((pin.checkpoint for pin in pins), key=lambda each: each.version)
        self._forget(told.forget(latest))
        self._heard.alarming[bucket] = self._concerning(told.by_seq.values())
        if not self._can_judge(log, pins):
            return
        judge = BucketJudge(log, told, self._ruler, self._layouts, self._settings.clock == "stream", self.report, whole)
        judge.set_aside = frozenset((f"{each.topic}/{each.partition}", each.offset)
                                    for each in self._heard.letters if each.reason in SET_ASIDE)  # fmt: skip
        beside = self._of_bucket(raw, log)
        await self._learn_rulers(*judge.versions(pins))
        await self._names(log, min(pin.checkpoint.next for pin in pins))
        self._recounting(judge, beside, names)
        self._untold |= {(bucket, number) for number in gaps(told, latest, whole, self.report)}
        if log.joinings:
            self._joined[bucket] = log
        self._unreadable(log, pins)
        for pin in pins:
            judge.judge(pin)
        self.report.left_out["ids about which there was an order to suppress or erase"] += len(log.erased)
        self.report.left_out["totals of buckets that such customers were part of"] += bool(log.erased)
        for pin in {pin.checkpoint.version: pin for pin in (pins[0], pins[-1]) if not log.erased}.values():
            position(judge, pin, sampled=self._asked.profiles is not None)
        self.report.left_out["repeats that came too late to be recognised, and count"] += (
            judge.repeats - judge.duplicates
        )

    def _forget(self, taken_back: Sequence[Message]) -> None:
        self.report.left_out["messages that were taken back when an older Redis came back"] += len(taken_back)
        self._heard.taken_back += [each for each in taken_back if isinstance(each, Transition)]

    def _can_judge(self, log: BucketLog, pins: Sequence[Pin]) -> bool:
        checkpoint, where = pins[-1].checkpoint, f"profile-inputs/{log.bucket}"
        if checkpoint.lost:
            self.report.cannot(f"{where}: {checkpoint.lost} records were gone before they were read, and given up")
        first = self._topics.look.edges(PROFILE_INPUTS, log.bucket)[0]
        if first > 0:
            self.report.cannot(
                f"{where} no longer has its first {first} records (retention): lives cannot be told again from the "
                "beginning; keep profile-inputs for as long as you want to be able to judge (retention.ms)"
            )
        return first == 0 and not checkpoint.lost

    def _sampled(self, names: set[str], most: int | None) -> list[str]:
        """All of them in order, or a bucket's share of ``most`` of all customers, by the hash of their names."""
        if most is None:
            return sorted(names)
        return sorted(names, key=code_of)[: -(-most // self._settings.buckets)]

    def _recounting(self, judge: BucketJudge, beside: Inputs, names: Sequence[str]) -> None:
        chosen = frozenset(self._sampled(set(names), self._asked.oracle))
        if chosen:
            from profiles.verify.recount import Recount  # noqa: PLC0415 - it needs pandas, so only who wants it pays

            digits = exponent_of(self._settings.currency)
            judge.recount = Recount(self._settings.timezone, digits, chosen, beside, self.report)

    async def _pin(self, bucket: int, names: Sequence[str]) -> Pin:
        newest = max(self._rulers)  # slots are never given away twice: it knows every tag there ever was
        return await self._pins.pin(bucket, names, [tag for tag in self._rulers[newest].book.numbers if "." not in tag])

    def _ruler(self, rules: int, cuts: int) -> Rulers:
        return self._rulers[rules, cuts]

    async def _names(self, log: BucketLog, upto: int) -> None:
        """Every code that came with its text is known by that text."""
        fresh = {code: name for code, name in log.names(upto).items() if code not in self._heard.names}
        codes = sorted(fresh)
        for start in range(0, len(codes), NAMES):
            some = codes[start : start + NAMES]
            for code, stored in zip(some, await self._store.names(some), strict=True):
                if stored != fresh[code]:
                    self.report.differs("name", f"bucket {log.bucket}", f"code {code}", stored, fresh[code])
        self._heard.names |= fresh
        self.report.compared["names behind codes"] += len(fresh)

    async def _families(self) -> None:
        """Customers behind several ids, once nothing about them is under way."""
        names, stored, checkpoints, quiet = set[str](), dict[str, Stored](), dict[int, Checkpoint](), not self._joined
        for _ in range(LOOKS):
            if quiet:
                break
            for log in self._joined.values():
                self._read_log(log)
            names = named(joining for log in self._joined.values() for _, joining in log.joinings)
            quiet = True
            for bucket, log in self._joined.items():
                own = sorted(name for name in names if bucket_of(name, self._settings.buckets) == bucket)
                pins = [await self._pin(bucket, own[at:to]) for at, to in _cuts(len(own))]
                stored |= {name: one for pin in pins for name, one in pin.customers.items()}
                checkpoints[bucket] = pins[-1].checkpoint
                end = self._topics.look.edges(PROFILE_INPUTS, bucket)[1]
                still = len({pin.checkpoint.version for pin in pins}) == 1 and not pins[-1].outbox
                quiet &= still and checkpoints[bucket].next == end == log.end
            if not quiet:
                await asyncio.sleep(PAUSE)
        said = {number for log in self._joined.values() for number in log.said}
        if quiet:
            missing(self._untold - said, self.report)
        self.report.left_out["numbers of messages between buckets that are under way"] += (
            0 if quiet else len(self._untold - said)
        )
        if not quiet or self._asked.profiles:
            self.report.left_out["ids that are joined, while messages between them are under way"] += len(names)
        elif self._joined:
            aside = frozenset((f"{each.topic}/{each.partition}", each.offset)
                              for each in self._heard.letters if each.reason in SET_ASIDE)  # fmt: skip
            Families(
                self._joined, stored, checkpoints, self._layouts, aside, self._settings.buckets, self.report
            ).judge()

    # --- topics of ours ---

    def _read_log(self, log: BucketLog, upto: int | None = None) -> None:
        for each in self._topics.more(PROFILE_INPUTS, log.bucket, upto):
            try:
                log.add(Logged(each.offset, each.timestamp, inputs.decode(each.value)))
            except LayoutError as fault:
                log.unreadable[each.offset] = str(fault)

    def _unreadable(self, log: BucketLog, pins: Sequence[Pin]) -> None:
        """A record that nobody can read has become a dead letter."""
        aside = {each.offset for each in self._heard.letters
                 if (each.topic, each.partition) == (PROFILE_INPUTS, log.bucket)}  # fmt: skip
        self.report.left_out["records of profile-inputs that were set aside"] += len(log.unreadable.keys() & aside)
        for offset in sorted(log.unreadable.keys() - aside):
            if offset < pins[-1].checkpoint.next:
                where = f"{PROFILE_INPUTS}/{log.bucket} offset {offset}"
                self.report.differs("dead_letter", where, log.unreadable[offset], "passed over", "a dead letter")

    def _hear(self, told: Told, pins: Sequence[Pin]) -> bool:
        """Topics were written before the outbox let go, so read after the pins they hold what the pins do not.

        True if they still reach back to the first message.
        """
        for record in self._topics.more(SAMPLES, 0):
            sample = read_message(SAMPLES, record.value)
            if not isinstance(sample, Transition):
                self._heard.samples.setdefault(sample.bucket, []).append(sample)
        told.hear(self._heard.samples.pop(told.bucket, []))
        told.hear(read_message(TRANSITIONS, each.value) for each in self._topics.more(TRANSITIONS, told.bucket))
        for pin in pins:
            told.overhear(pin.outbox)
        self._hear_letters()
        return self._topics.whole(TRANSITIONS, told.bucket) and self._topics.whole(SAMPLES, 0)

    def _hear_letters(self) -> None:
        for partition in self._topics.look.partitions(DEAD_LETTERS):
            self._heard.letters += [Letter.of({name: value.decode(errors="replace") for name, value in record.headers})
                                    for record in self._topics.more(DEAD_LETTERS, partition)]  # fmt: skip

    def _letters(self, raw: Sources | Lines) -> None:
        self._hear_letters()
        if isinstance(raw, Lines):
            self.report.left_out["lines of files that intake refuses"] += raw.refused
            return
        partitions = self._topics.look.partitions(DEAD_LETTERS)
        whole = all(self._topics.whole(DEAD_LETTERS, partition) for partition in partitions)
        letters(self._heard.letters, raw, self.report, whole=whole)

    # --- the alert desk ---

    def _concerning(self, messages: Iterable[Message]) -> dict[int, Transition]:
        """What may enter or leave a cause of an alert under any version of the rules, by number."""
        causes = {cause for rulers in self._rulers.values() for cause in rulers.book.alert_rules()}
        return {each.seq: each for each in messages
                if isinstance(each, Transition) and each.profile not in self._heard.erased
                and {(each.what, each.name), (each.what, each.was or "")} & causes}  # fmt: skip

    async def _alerts(self) -> None:
        shop, heard = self._settings, self._heard.alarming
        if any(not self._topics.whole(TRANSITIONS, bucket) for bucket in heard):
            self.report.left_out["alerts, because transitions are no longer kept"] += 1
            return
        before = {bucket: await self._desk.cursor(bucket) for bucket in heard}
        desk = await self._desk_now(before)
        rules = {r: rulers.book.alert_rules() for (r, c), rulers in self._rulers.items() if c == 0}
        judge = AlertJudge(desk, rules, int(shop.stale_hours * HOUR), shop.clock == "stream", self.report)
        judge.taken_back(self._heard.taken_back)
        for bucket, known in heard.items():  # the desk may have gone on since: it has read what it has decided about
            later = (read_message(TRANSITIONS, each.value) for each in self._topics.more(TRANSITIONS, bucket))
            stored = await self._store.checkpoint(bucket)
            known.update(self._concerning(each for each in later if not stored.took_back(each.seq)))
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
        gone = self._heard.erased
        alerts = {name: one for name, one in alerts.items() if one.profile not in gone}
        ledger = [line for line in ledger if line.profile not in gone]
        return Desk(cursors, alerts, ledger[::-1], raised, counts, system_clock(), forgets=bool(gone))


def _without(pin: Pin, customers: frozenset[str]) -> Pin:
    return replace(pin, customers={name: found for name, found in pin.customers.items() if name not in customers})


def _alert_of(data: bytes) -> str:
    """The alert an event of the feed is about."""
    return str(msgspec.json.decode(data)["id"])


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Pieces of CHUNK; one empty piece if there is nothing, for the checkpoint's sake."""
    return pairwise([*range(0, max(length, 1), CHUNK), max(length, 0)])

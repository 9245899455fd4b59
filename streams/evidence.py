"""All that a verification needs, read in an order that lets a running system be judged.

Knows: topics, pins, which of them has to be read before which.
Must not know: what is compared (``profiles.verify``), how findings are shown.

First the pins, then the log up to the pins, then the raw topics up to the log: whatever something is compared with is
there by the time it is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

from rich.progress import Progress

from profiles import inputs
from profiles.clock import zone
from profiles.intake import Intake
from profiles.layout import Layout
from profiles.settings import Settings
from profiles.store import keys
from profiles.store.client import connect
from profiles.store.pins import Pin, Pins
from profiles.store.registry import MetaMismatch, Registry
from profiles.store.worlds import CUTS, Worlds
from profiles.verify.bucket import BucketJudge, position
from profiles.verify.history import Rulers, read_message
from profiles.verify.letters import Letter, letters
from profiles.verify.log import BucketLog, Logged
from profiles.verify.report import Report
from profiles.verify.source import Partition, Record, Sources, handed_on
from profiles.verify.told import Told, gaps
from profiles.wire import Sample
from streams.lookback import Lookback
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS, SAMPLES, TRANSITIONS, event_topics

CHUNK = 200  #: customers of one pin


@dataclass(frozen=True)
class Asked:
    """How much is looked at."""

    files: tuple[Path, ...] = ()  #: events from files instead of the raw topics
    profiles: int | None = None  #: only so many customers; None: all
    oracle: int | None = 200  #: so many customers are recomputed with pandas; None: all


@dataclass
class Topics:
    """Topics as far as they were read."""

    look: Lookback
    samples: dict[int, list[Sample]] = field(default_factory=dict)
    _read_to: dict[tuple[str, int], int] = field(default_factory=dict)

    def whole(self, topic: str, partition: int) -> bool:
        """Whether nothing was lost to retention."""
        return self.look.edges(topic, partition)[0] == 0

    def more(self, topic: str, partition: int, upto: int | None = None) -> Iterator[Any]:
        """What was not read yet, up to an offset or to the end."""
        place = topic, partition
        start = max(self._read_to.get(place, 0), self.look.edges(topic, partition)[0])
        for record in self.look.read(topic, partition, start, upto):
            self._read_to[place] = record.offset + 1
            yield record

    def hear_samples(self) -> None:
        """Samples of all buckets stand in one partition."""
        for record in self.more(SAMPLES, 0):
            sample = read_message(SAMPLES, record.value)
            self.samples.setdefault(sample.bucket, []).append(sample)  # type: ignore[arg-type]


class Verification:
    """One look at everything."""

    def __init__(self, settings: Settings, asked: Asked, progress: Progress) -> None:
        self._settings = settings
        self._asked = asked
        self._progress = progress
        self._zone = zone(settings.timezone)
        self._rulers: dict[tuple[int, int], Rulers] = {}
        self._layouts: dict[int, Layout] = {}
        self.report = Report()

    async def run(self) -> Report:
        """Read and compare.

        Raises:
            MienError: something is out of reach, or belongs to another shop.
        """
        client = connect(self._settings.redis)
        registry = Registry(client)
        self._pins, self._worlds = Pins(client), Worlds(registry, self._settings)
        try:
            await self._open(registry)
            with Lookback(self._settings) as look:
                self._topics = Topics(look)
                sources = self._sources(look)
                for bucket in self._progress.track(range(self._settings.buckets), description="buckets"):
                    await self._bucket(bucket, sources)
                self._letters(sources)
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
                    self._rulers[r, c] = Rulers(await self._worlds.world(r, c), await self._worlds.book(r))

    # --- the raw side ---

    def _sources(self, look: Lookback) -> Sources:
        shop = self._settings
        rates = dict(part.split(":") for part in shop.rates.split(",") if part.strip())
        intake = Intake(shop.currency, shop.timezone, {name.strip(): float(rate) for name, rate in rates.items()})
        sources = Sources(intake, shop.buckets)
        for topic in event_topics(shop):
            for number in look.partitions(topic):
                handed = look.committed(topic, number)
                start, end = look.edges(topic, number)
                partition = Partition(topic, number, start, start, handed)
                if start > 0:
                    self.report.cannot(
                        f"{partition.name} no longer has its first {start} records (retention): what they became is "
                        "compared with profile-inputs only; hand their events in as files to judge them too"
                    )
                sources.partitions[partition.name] = partition
                records = self._progress.track(
                    self._topics.more(topic, number), total=max(end, handed) - start, description=partition.name
                )
                sources.read(partition, (Record(r.offset, r.timestamp, r.value or b"") for r in records))
        return sources

    def _catch_up(self, sources: Sources, log: BucketLog) -> None:
        """Records whose inputs are in the log are in their topics."""
        logged = log.inputs
        for number, name in enumerate(logged.sources):
            newest = int(logged.offset[logged.source == number].max(initial=-1))
            partition = sources.partitions.get(name)
            if partition is not None and newest >= partition.end:
                records = self._topics.more(partition.topic, partition.number, newest + 1)
                sources.read(partition, (Record(r.offset, r.timestamp, r.value or b"") for r in records))

    def _letters(self, sources: Sources) -> None:
        found: list[Letter] = []
        for partition in self._topics.look.partitions(DEAD_LETTERS):
            if not self._topics.whole(DEAD_LETTERS, partition):
                self.report.left_out["dead letters that are no longer kept"] += self._topics.look.edges(
                    DEAD_LETTERS, partition
                )[0]
            found += [
                Letter.of({name: value.decode(errors="replace") for name, value in record.headers})
                for record in self._topics.more(DEAD_LETTERS, partition)
            ]
        letters(found, sources, self.report)

    # --- one bucket ---

    async def _bucket(self, bucket: int, sources: Sources) -> None:
        log, told = BucketLog(bucket, self._zone), Told(bucket)
        self._read_log(log)
        names = sorted(await self._pins.roster(bucket) | set(log.inputs.work.profiles))
        pins = [await self._pin(bucket, names[at:to]) for at, to in _cuts(len(names))]
        self._read_log(log, max(pin.checkpoint.next for pin in pins))
        judge = BucketJudge(log, told, self._ruler, self._layouts, self._settings.clock == "stream", self.report)
        later = sorted({log.inputs.work.profiles[row] for row in judge.rows_at(pins)} - set(names))
        if later:
            pins += [await self._pin(bucket, later[at:to]) for at, to in _cuts(len(later))]
            self._read_log(log, max(pin.checkpoint.next for pin in pins))
        self._hear(told, pins)
        if log.records and log.records[0].offset > 0:
            self.report.cannot(
                f"profile-inputs/{bucket} no longer has its first {log.records[0].offset} records (retention)"
            )
            return
        self._catch_up(sources, log)
        handed_on(bucket, sources.bucket(bucket, self._zone), log.inputs, sources, self.report)
        await self._learn_rulers(*judge.versions(pins))
        whole = self._topics.whole(TRANSITIONS, bucket) and self._topics.whole(SAMPLES, 0)
        gaps(told, max(pin.checkpoint.seq for pin in pins), whole, self.report)
        judge.told_whole = whole
        for pin in pins:
            judge.judge(pin)
        for pin in {pin.checkpoint.version: pin for pin in (pins[0], pins[-1])}.values():
            position(judge, pin)

    async def _pin(self, bucket: int, names: Sequence[str]) -> Pin:
        return await self._pins.pin(bucket, names, self._tags())

    def _tags(self) -> list[str]:
        """Every tag there ever was: slots are never given away twice."""
        newest = max(self._rulers)
        return [name for name in self._rulers[newest].book.numbers if "." not in name]

    def _ruler(self, rules: int, cuts: int) -> Rulers:
        return self._rulers[rules, cuts]

    def _read_log(self, log: BucketLog, upto: int | None = None) -> None:
        log.add(Logged(each.offset, each.timestamp, inputs.decode(each.value))
                for each in self._topics.more(PROFILE_INPUTS, log.bucket, upto))  # fmt: skip

    def _hear(self, told: Told, pins: Sequence[Pin]) -> None:
        """Topics were written before the outbox let go, so read after the pins they hold what the pins do not."""
        self._topics.hear_samples()
        told.hear(self._topics.samples.pop(told.bucket, []))
        told.hear(read_message(TRANSITIONS, each.value) for each in self._topics.more(TRANSITIONS, told.bucket))
        for pin in pins:
            told.overhear(pin.outbox)


def _cuts(length: int) -> Iterator[tuple[int, int]]:
    """Pieces of CHUNK; one empty piece if there is nothing, for the checkpoint's sake."""
    return pairwise([*range(0, max(length, 1), CHUNK), max(length, 0)])

"""One file from beginning to end: read, digest, publish, remember.

Knows: in what order that is safe.  Must not know: how any of it is done, how progress is shown.

What is remembered as done is in Kafka or among the rejects.  What a killed process had sent and not remembered is looked
for in the topic itself and not sent again, so it does not matter how many messages a profile remembers.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing import get_context
from typing import Any, Final

from profiles.clock import Clock
from profiles.errors import MienError
from profiles.imports import hoped_for
from profiles.mapping.document import SourceMap
from profiles.settings import Settings
from streams.importing.digest import Digest, Digester, Recipe, digested, missing, prepare
from streams.importing.files import File
from streams.importing.pieces import Piece, pieces
from streams.importing.position import Book, Position
from streams.importing.publish import Publisher, ends, present
from streams.importing.rejects import Rejects

LARGE: Final = 8 << 20  #: bytes of records from which on other processes are worth their start
UNACKNOWLEDGED: Final = 2  #: pieces that may be on their way to the broker

Report = Callable[[Position, int, int], None]  #: where it is, how far into the file, how long the file is


@dataclass(frozen=True)
class Job:
    """What is to be imported, and how."""

    file: File
    source: SourceMap
    mapping: str  #: hash of the mapping's text
    topic: str
    sheet: str = ""
    again: bool = False

    @property
    def name(self) -> str:
        """Of the import: the same content into the same topic is the same import, whatever the file is called."""
        return sha256(f"{self.file.sha256}\x1f{self.topic}\x1f{self.sheet}".encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Outcome:
    """How it ended: ``finished``, ``stopped`` (go on with the same command) or ``known`` (there was nothing to do)."""

    end: str
    position: Position


class Importer:
    """Imports files one after the other; ``stop`` ends after the piece at hand."""

    def __init__(self, settings: Settings, clock: Clock, report: Report) -> None:
        self._settings = settings
        self._clock = clock
        self._report = report
        self._book = Book(settings.data_dir)
        self.stop = asyncio.Event()

    async def __call__(self, job: Job) -> Outcome:
        """Import one file, or go on with it.

        Raises:
            BadFile: it cannot be read from some place on; what came before is imported.
            BrokerDown: Kafka is away; the same command goes on later.
            Busy: another process imports it.
        """
        with self._book.alone(job.name):
            position, begun = self._position(job)
            if position.finished:
                return Outcome("known", position)
            there: set[int] = set()
            if begun:
                there = await asyncio.to_thread(
                    present, self._settings, job.topic, position.base, position.mark, position.rows
                )
            else:
                position.base = await asyncio.to_thread(ends, self._settings, job.topic)
                self._book.save(job.name, position)
            return await self._work(job, position, there)

    def _position(self, job: Job) -> tuple[Position, bool]:
        """Where the import is, and whether it was begun before."""
        known = self._book.load(job.name)
        if known is not None and not job.again:
            if not known.finished and (known.source, known.mapping) != (job.source.name, job.mapping):
                raise MienError(
                    f"{job.file.path} is imported up to row {known.rows} as source {known.source!r} by another mapping; "
                    "go on with that one, or begin anew with --again: rows sent before may then count twice"
                )
            return known, True
        turn = 1 if known is None else int(known.mark.partition("-")[2] or 1) + 1
        return Position(
            file=str(job.file.path),
            sha256=job.file.sha256,
            topic=job.topic,
            source=job.source.name,
            mapping=job.mapping,
            started=self._clock(),
            mark=f"{job.name}-{turn}",
            rejects=str(self._book.path(job.name).with_suffix(".rejects.csv")),
            fields=list(hoped_for(job.source)),
        ), False

    async def _work(self, job: Job, position: Position, there: set[int]) -> Outcome:
        recipe = Recipe(job.source, self._settings.timezone, self._settings.currency, position.started, position.mark)
        rejects = Rejects(self._book.path(job.name).with_suffix(".rejects.csv"), position.rejects_size)
        some = (each for each in self._pieces(job) if each.first + len(each.rows) - 1 > position.rows)
        done = position.rows
        waiting: deque[tuple[Digest, list[asyncio.Future[Any]]]] = deque()
        async with Publisher(self._settings, job.topic) as publisher:
            with _pool(recipe, job.file) as pool:
                async for digest in _digests(some, recipe, pool):
                    waiting.append((digest, await publisher.send(missing(digest, done, there))))
                    if len(waiting) > UNACKNOWLEDGED:
                        await self._remember(job, position, rejects, publisher, *waiting.popleft())
                    if self.stop.is_set():
                        break
            while waiting:
                await self._remember(job, position, rejects, publisher, *waiting.popleft())
        if self.stop.is_set():
            return Outcome("stopped", position)
        position.finished = self._clock()
        self._book.save(job.name, position)
        return Outcome("finished", position)

    @staticmethod
    def _pieces(job: Job) -> Iterator[Piece]:
        return pieces(job.file, shape=job.source.shape, sheet=job.sheet)

    async def _remember(
        self,
        job: Job,
        position: Position,
        rejects: Rejects,
        publisher: Publisher,
        digest: Digest,
        sent: list[asyncio.Future[Any]],
    ) -> None:
        """A piece is safe in Kafka: from here on it is done."""
        await publisher.settle(sent)
        for each in (future.result() for future in sent):
            position.base[each.partition] = max(position.base.get(each.partition, 0), each.offset)
        position.rejects_size = rejects.add(digest.rejects)
        position.counts = dict(Counter(position.counts) + digest.counts)
        position.rows, position.at = digest.last, self._clock()
        self._book.save(job.name, position)
        self._report(position, digest.at, digest.of)


def _pool(recipe: Recipe, file: File) -> AbstractContextManager[Executor | None]:
    """Processes that digest many records while this one reads and sends; to digest a table costs less than to hand it over."""
    cores = (os.cpu_count() or 1) - 1
    records = file.form == "lines" or recipe.source.shape != "table"
    if not records or file.size < LARGE or cores < 1:
        return nullcontext()
    return ProcessPoolExecutor(min(cores, 4), get_context("spawn"), prepare, (recipe,))


async def _digests(some: Iterator[Piece], recipe: Recipe, pool: Executor | None) -> AsyncIterator[Digest]:
    """What becomes of the pieces, in their order."""
    if pool is None:
        digest = Digester(recipe)
        for piece in some:
            yield digest(piece)
            await asyncio.sleep(0)  # let the producer work
        return
    ahead: deque[asyncio.Future[Digest]] = deque()
    loop = asyncio.get_running_loop()
    for piece in some:
        ahead.append(loop.run_in_executor(pool, digested, piece))
        if len(ahead) > min((os.cpu_count() or 1) - 1, 4):
            yield await ahead.popleft()
    while ahead:
        yield await ahead.popleft()

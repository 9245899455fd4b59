"""Which event is to blame when a batch cannot be worked with.

Work on a batch is tried without writing anything, so it may be tried as often as it takes: the shortest run of events
that fails ends with the one to blame.  That one is set aside and the rest is tried again.
Knows: trying and cutting.  Must not know: what is tried, or what becomes of an event that was set aside.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from aiokafka.errors import KafkaError

from profiles import inputs, quarantine
from profiles.errors import LayoutError, StoreError
from profiles.quarantine import Damaged
from profiles.store.reach import away
from profiles.wire import DeadLetter
from streams.patience import Stop
from streams.topics import PROFILE_INPUTS

T = TypeVar("T")
Placed = tuple[int, inputs.Batch]  #: its offset in profile-inputs, and a batch
Trial = Callable[[Sequence[T]], Awaitable[Exception | None]]  #: the fault of ours that these come to, if they do
FAULT, POISON, DAMAGED = "fault", "poison", "damaged"  #: reasons of dead letters that we are to blame for


@dataclass(frozen=True)
class Poison:
    """Something set aside: where it came from and why, its bytes, and the fault itself."""

    letter: DeadLetter
    value: bytes
    error: BaseException
    raw: bool = False  #: whether these are the bytes of the record itself, and not of an event that was cut out

    @property
    def source(self) -> str:
        """The source partition it came from; empty if nobody can tell any more."""
        return "" if self.letter.topic == PROFILE_INPUTS else f"{self.letter.topic}/{self.letter.partition}"


class Aside(Protocol):
    """Where things go that our own fault keeps from being handled; see ``streams.quarantine``."""

    async def set_aside(self, found: Sequence[Poison]) -> None: ...

    async def leave_alone(self, bucket: int, profile: str, error: BaseException) -> None: ...


def ours(error: BaseException) -> bool:
    """Whether this is neither the world's doing, nor a race, nor a decision to stop: then something here is wrong."""
    passing = (StoreError, Stop, KafkaError, OSError)
    return isinstance(error, Exception) and not isinstance(error, passing) and not away(error)


def tried(plan: Callable[[Sequence[T]], Awaitable[object]]) -> Trial[T]:
    """A plan as a trial: only faults of ours count, others are raised."""

    async def trial(some: Sequence[T]) -> Exception | None:
        try:
            await plan(some)
        except Exception as error:
            if not ours(error):
                raise
            return error
        return None

    return trial


def unreadable(bucket: int, offset: int, raw: bytes, error: Exception) -> Poison:
    """A whole record of profile-inputs that nobody can look into."""
    return Poison(DeadLetter(PROFILE_INPUTS, bucket, offset, POISON, said(error)), raw, error, raw=True)


def said(error: BaseException) -> str:
    """A fault in one line."""
    return f"{type(error).__name__}: {error}"


async def sift(
    bucket: int, batches: Sequence[Placed], applied: Mapping[str, int], trial: Trial[Placed]
) -> tuple[list[Placed], list[Poison]]:
    """The batches less what is to blame, and what was.  ``applied``: last offset applied per source.

    Raises:
        Exception: the fault itself, if it is there without any event as well.
    """
    kept, found = _look_into(bucket, batches)
    while (error := await trial(kept)) is not None:
        if (fault := await trial([])) is not None:
            raise fault
        if isinstance(error, Damaged):
            kept, more = _part_with(kept, error, applied)
        else:
            kept, more = await _find(kept, applied, trial)
        found += more
    once = {(each.letter.topic, each.letter.partition, each.letter.offset): each for each in found}
    return kept, list(once.values())


def _look_into(bucket: int, batches: Sequence[Placed]) -> tuple[list[Placed], list[Poison]]:
    """Batches that can be cut, and those that are only bytes."""
    kept, found = [], []
    for offset, batch in batches:
        try:
            quarantine.parts_of(batch)
        except LayoutError as error:
            found.append(unreadable(bucket, offset, inputs.encode(batch), error))
        else:
            kept.append((offset, batch))
    return kept, found


def _part_with(
    batches: list[Placed], damaged: Damaged, applied: Mapping[str, int]
) -> tuple[list[Placed], list[Poison]]:
    """Every event of customers whose stored profile cannot be read; what was applied before is not told again."""
    kept, found = [], []
    for offset, batch in batches:
        events, seen = (
            quarantine.events_of(batch, damaged.profiles),
            applied.get(f"{batch.topic}/{batch.partition}", -1),
        )
        found += [_poison(batch, event, damaged) for event in events if quarantine.offset_of(batch, event) > seen]
        kept.append((offset, quarantine.without(batch, events)))
    return kept, found


async def _find(
    batches: list[Placed], applied: Mapping[str, int], trial: Trial[Placed]
) -> tuple[list[Placed], list[Poison]]:
    """The first event to blame: first the batch it is in, then its place in there; one that was told is only cut out."""
    at, _ = await shortest(batches, trial)
    *before, (offset, batch) = batches[:at]
    runs = range(1, batch.count + 1)

    async def up_to(run: Sequence[int]) -> Exception | None:
        return await trial([*before, (offset, quarantine.first(batch, len(run)))])

    number, error = await shortest(runs, up_to)
    rest = (offset, quarantine.without(batch, [number - 1]))
    told = quarantine.offset_of(batch, number - 1) <= applied.get(f"{batch.topic}/{batch.partition}", -1)
    return [*before, rest, *batches[at:]], [] if told else [_poison(batch, number - 1, error)]


def _poison(batch: inputs.Batch, event: int, error: Exception) -> Poison:
    reason = DAMAGED if isinstance(error, Damaged) else POISON
    letter = DeadLetter(batch.topic, batch.partition, quarantine.offset_of(batch, event), reason, said(error))
    return Poison(letter, inputs.encode(quarantine.alone(batch, event)), error)


async def shortest(things: Sequence[T], trial: Trial[T]) -> tuple[int, Exception]:
    """How many of ``things`` it takes, from the first on, until they fail, and how; together they do, none do not."""
    passes, fails, error = 0, len(things), await trial(things)
    while fails - passes > 1:
        middle = (passes + fails) // 2
        if (found := await trial(things[:middle])) is None:
            passes = middle
        else:
            fails, error = middle, found
    if error is None:
        raise AssertionError("a fault that is there only sometimes cannot be looked for")
    return fails, error

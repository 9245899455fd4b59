"""Customers' lives told again from the log, the plain way: from nothing, in order, in memory.

Knows: ``Step``, which decides live as well; what stands between here and there is what is put to the test: batches,
commits, crashes, rebalances, sweeps, Redis.  (The kernels themselves are judged by ``oracle`` and ``conditions``.)
Must not know: Redis, Kafka, what was stored.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

import msgspec
import numpy as np

from profiles.clock import Int64s
from profiles.inputs import Work
from profiles.kernels.advance import World
from profiles.layout import TABLES
from profiles.models.params import Params
from profiles.rules import RuleBook
from profiles.step import TRANSITIONS, Rows, Step
from profiles.store.base import Commit
from profiles.timeline import Note, Words, decode
from profiles.wire import Lesson, Origin, Sample, Transition, decode_lesson, decode_transition

Message = Transition | Lesson
HAPPENED: Final = frozenset({"live", "sweep", "backfill"})
"""Which of these it was, when there is history, depends on when the import was: live events and sweeps stand beside it."""
_LOOSE: Final = ("bucket", "seq", "clock")  #: of a note: where, when and in which order it was said


@dataclass(frozen=True)
class Rulers:
    """What decides: rules and cut points, with the churn model among them, of one pair of versions."""

    world: World
    book: RuleBook
    model: Params | None = None


@dataclass
class Lives:
    """Rows of some customers, and all that was said while they were lived."""

    profiles: Sequence[str]
    state: Int64s
    said: dict[str, list[Message]] = field(default_factory=dict)  #: without number and clock, in order
    timeline: dict[str, list[Note]] = field(default_factory=dict)  #: without number and clock, oldest first
    sidecars: dict[str, bytes] = field(default_factory=dict)
    applied: int = 0
    duplicates: int = 0
    imported: Collection[str] = ()  #: of whom there is history: what is said of them is compared ``as_history``

    @classmethod
    def unborn(cls, profiles: Sequence[str], imported: Collection[str] = ()) -> Lives:
        """Nothing has happened yet."""
        return cls(profiles, np.zeros((len(profiles), TABLES.size), np.int64), imported=imported)

    def happens(self, work: Work, rulers: Rulers, origin: Origin = "live") -> None:
        """Events, in order, each decided by itself; ``work`` is about the same customers in the same rows."""
        rows = Rows(self.profiles, self.state, dict(self.sidecars))
        step = Step(0, rows, rulers.world, rulers.book, 0, 0, rulers.model)
        step.events(work, origin)
        self.applied += step.applied
        self.duplicates += step.duplicates
        self._note(step.commit(0), rulers.book.words)

    def waits(self, until: Int64s, rulers: Rulers) -> None:
        """Silence, for each customer up to a moment."""
        step = Step(0, Rows(self.profiles, self.state), rulers.world, rulers.book, 0, 0, rulers.model)
        step.silence(until, "sweep")
        self._note(step.commit(0), rulers.book.words)

    def is_asked_again(self, at: Int64s, rulers: Rulers) -> None:
        """New rules look at each customer at a moment."""
        step = Step(0, Rows(self.profiles, self.state), rulers.world, rulers.book, 0, 0, rulers.model)
        step.renewal(at)
        self._note(step.commit(0), rulers.book.words)

    def add(self, later: Lives) -> None:
        """Go on with what was said in a later part of the same lives; rows are those of the end already."""
        for profile, messages in later.said.items():
            self.said.setdefault(profile, []).extend(messages)
        for profile, notes in later.timeline.items():
            self.timeline.setdefault(profile, []).extend(notes)
        self.sidecars |= later.sidecars
        self.applied += later.applied
        self.duplicates += later.duplicates

    def _note(self, commit: Commit, words: Words) -> None:
        for message in commit.messages:
            one = unnumbered(read_message(message.topic, message.value))
            some = as_history([one]) if one.profile in self.imported else [one]
            self.said.setdefault(one.profile, []).extend(some)
        for profile, raw in commit.timeline:
            note = note_of(raw, profile, lambda _: words)
            self.timeline.setdefault(profile, []).append(blurred_note(note) if profile in self.imported else note)
        self.sidecars.update(commit.sidecars)


def read_message(topic: str, value: bytes) -> Message:
    """A message of an outbox or of its topic.

    Raises:
        msgspec.DecodeError: nothing of ours.
    """
    return decode_transition(value) if topic == TRANSITIONS else decode_lesson(value)


def note_of(raw: bytes, profile: str, words: Callable[[int], Words]) -> Note:
    """An entry of a timeline, without its number and without when it was said.

    Raises:
        LayoutError: nothing of ours.
    """
    read = decode(raw, 0, profile, words)
    return {name: value for name, value in read.items() if name not in _LOOSE}


def as_history(messages: Iterable[Message]) -> list[Message]:
    """What was said of somebody of whom there is history, without whether it was said as history, and without samples:
    of history only some are told, and which depends on the day of the import.
    """
    return [
        msgspec.structs.replace(each, origin="backfill")
        if isinstance(each, Transition) and each.origin in HAPPENED
        else each
        for each in messages
        if not isinstance(each, Sample)
    ]


def blurred_note(note: Note) -> Note:
    """A note, likewise."""
    return note | {"origin": "backfill"} if note.get("origin") in HAPPENED else note


def unnumbered(message: Message) -> Message:
    """What a message says, without its number and without when it was said: these depend on how work was cut."""
    if isinstance(message, Transition):
        return msgspec.structs.replace(message, bucket=0, seq=0, clock=0)
    return msgspec.structs.replace(message, bucket=0, seq=0)

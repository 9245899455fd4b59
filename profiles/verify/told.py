"""What a bucket has told: its transitions and samples, each once, by number.

Knows: that a message may have been published again, that an older state of Redis takes messages back, and that there
are no other gaps between numbers.
Must not know: Kafka, Redis, what should have been told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property

from profiles.store.base import Checkpoint
from profiles.store.base import Message as Sent
from profiles.topics import PROFILE_INPUTS
from profiles.verify.history import Message, read_message, unnumbered
from profiles.verify.report import Report
from profiles.wire import Transition


@dataclass
class Told:
    """Messages of one bucket by sequence number."""

    bucket: int
    by_seq: dict[int, Message] = field(default_factory=dict)
    otherwise: set[int] = field(default_factory=set)  #: numbers under which two different things were said

    def hear(self, messages: Iterable[Message]) -> None:
        """Note messages in the order in which they were published; one that comes again changes nothing."""
        self.__dict__.pop("by_profile", None)
        for message in messages:
            before = self.by_seq.get(message.seq)
            if before is not None and unnumbered(before) != unnumbered(message):
                self.otherwise.add(message.seq)
            self.by_seq[message.seq] = message

    def overhear(self, outbox: Iterable[tuple[int, Iterable[Sent]]]) -> None:
        """Messages that still wait in the outbox: they are as good as told."""
        for _, sent in outbox:
            self.hear(read_message(each.topic, each.value) for each in sent if each.topic != PROFILE_INPUTS)

    def forget(self, checkpoint: Checkpoint) -> list[Message]:
        """Drop, and return, what an older state of Redis took back; it was decided anew under higher numbers.

        What is said after the checkpoint is not known to be taken back.
        """
        back = [seq for seq in self.by_seq if seq <= checkpoint.seq and checkpoint.took_back(seq)]
        self.otherwise -= set(back)
        self.__dict__.pop("by_profile", None)
        return [self.by_seq.pop(seq) for seq in back]

    @cached_property
    def by_profile(self) -> dict[str, list[Message]]:
        """Everything about each customer, in order."""
        found: dict[str, list[Message]] = {}
        for number in sorted(self.by_seq):
            found.setdefault(self.by_seq[number].profile, []).append(self.by_seq[number])
        return found

    def of(self, profile: str, seq: int) -> list[Message]:
        """What was said about a customer up to a number, in order, as it was said."""
        return [message for message in self.by_profile.get(profile, []) if message.seq <= seq]


def gaps(told: Told, checkpoint: Checkpoint, complete: bool, report: Report) -> list[int]:
    """Every number up to the checkpoint's was told once; ``complete``: the topics still reach back to the first.

    Returns those that were not: if no other bucket was told either, they are missing (``missing``).
    """
    numbers = [number for first, last in given(checkpoint) for number in range(first, last + 1)]
    report.compared["sequence numbers"] += len(numbers)
    untold = [number for number in numbers if number not in told.by_seq]
    if not complete:
        first = min(told.by_seq, default=checkpoint.seq + 1)
        report.left_out["messages that the topics no longer keep"] += sum(number < first for number in untold)
        untold = [number for number in untold if number > first]
    for number in sorted(told.otherwise):
        report.differs("gap", f"bucket {told.bucket}", f"number {number}", "told twice, differently", "told once")
    return untold


def missing(numbers: Iterable[tuple[int, int]], report: Report) -> None:
    """Note (bucket, number) that nobody was told."""
    for bucket, number in sorted(numbers):
        report.differs("gap", f"bucket {bucket}", f"number {number}", "never told", "told")


def given(checkpoint: Checkpoint) -> list[tuple[int, int]]:
    """The numbers that were given, first to last, less those that an older state of Redis took back.

    >>> given(Checkpoint(seq=1002, gaps={7: 1000})), given(Checkpoint(seq=3000, gaps={7: 1000, 5: 2000}))
    ([(1, 7), (1001, 1002)], [(1, 5), (2001, 3000)])
    """
    stretches, start = [], 1
    for after, upto in sorted(checkpoint.gaps.items()):
        if after >= start:
            stretches.append((start, after))
        start = max(start, upto + 1)
    return [*stretches, (start, checkpoint.seq)] if start <= checkpoint.seq else stretches


def standing(told: Told, seq: int) -> Counter[str]:
    """How many customers hold each tag and stand on each rung, by what was told up to a number."""
    found: Counter[str] = Counter()
    for message in told.by_seq.values():
        if message.seq <= seq and isinstance(message, Transition):
            found[f"{message.what}:{message.name}"] += -1 if message.change == "left" else 1
            if message.was is not None:
                found[f"{message.what}:{message.was}"] -= 1
    return found

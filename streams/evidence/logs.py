"""Mien's own topics: the log of a bucket, and what was told to learners, to the alert desk and as dead letters.

Knows: which topic holds what.  Must not know: what it is compared with.
"""

from __future__ import annotations

from collections.abc import Sequence

from profiles import inputs
from profiles.errors import LayoutError
from profiles.store.pins import Pin
from profiles.verify.history import read_message
from profiles.verify.letters import Letter
from profiles.verify.log import BucketLog, Logged
from profiles.verify.told import Told
from profiles.wire import Transition
from streams.evidence.case import Case
from streams.topics import DEAD_LETTERS, PROFILE_INPUTS, SAMPLES, TRANSITIONS


def read_log(case: Case, log: BucketLog, upto: int | None = None) -> None:
    """Read on in the log of a bucket."""
    for each in case.topics.more(PROFILE_INPUTS, log.bucket, upto):
        try:
            log.add(Logged(each.offset, each.timestamp, inputs.decode(each.value)))
        except LayoutError as fault:
            log.unreadable[each.offset] = str(fault)


def unreadable(case: Case, log: BucketLog, pins: Sequence[Pin]) -> None:
    """A record that nobody can read has become a dead letter."""
    aside = {each.offset for each in case.heard.letters
             if (each.topic, each.partition) == (PROFILE_INPUTS, log.bucket)}  # fmt: skip
    case.report.left_out["records of profile-inputs that were set aside"] += len(log.unreadable.keys() & aside)
    for offset in sorted(log.unreadable.keys() - aside):
        if offset < pins[-1].checkpoint.next:
            where = f"{PROFILE_INPUTS}/{log.bucket} offset {offset}"
            case.report.differs("dead_letter", where, log.unreadable[offset], "passed over", "a dead letter")


def hear(case: Case, told: Told, pins: Sequence[Pin]) -> bool:
    """Topics were written before the outbox let go, so read after the pins they hold what the pins do not.

    True if they still reach back to the first message.
    """
    heard = case.heard
    for record in case.topics.more(SAMPLES, 0):
        sample = read_message(SAMPLES, record.value)
        if not isinstance(sample, Transition):
            heard.samples.setdefault(sample.bucket, []).append(sample)
    told.hear(heard.samples.pop(told.bucket, []))
    told.hear(read_message(TRANSITIONS, each.value) for each in case.topics.more(TRANSITIONS, told.bucket))
    for pin in pins:
        told.overhear(pin.outbox)
    hear_letters(case)
    return case.topics.whole(TRANSITIONS, told.bucket) and case.topics.whole(SAMPLES, 0)


def hear_letters(case: Case) -> None:
    """Read on in the dead letters."""
    for partition in case.topics.look.partitions(DEAD_LETTERS):
        case.heard.letters += [Letter.of({name: value.decode(errors="replace") for name, value in record.headers})
                               for record in case.topics.more(DEAD_LETTERS, partition)]  # fmt: skip


def can_judge(case: Case, log: BucketLog, pins: Sequence[Pin]) -> bool:
    """Whether the log of a bucket is there from its beginning."""
    checkpoint, where = pins[-1].checkpoint, f"profile-inputs/{log.bucket}"
    if checkpoint.lost:
        case.report.cannot(f"{where}: {checkpoint.lost} records were gone before they were read, and given up")
    first = case.topics.look.edges(PROFILE_INPUTS, log.bucket)[0]
    if first > 0:
        case.report.cannot(
            f"{where} no longer has its first {first} records (retention): lives cannot be told again from the "
            "beginning; keep profile-inputs for as long as you want to be able to judge (retention.ms)"
        )
    return first == 0 and not checkpoint.lost

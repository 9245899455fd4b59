"""Dead letters beside the records that intake refuses.

Knows: that a letter may have been sent again after a crash.  Must not know: Kafka.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, Self

from profiles.verify.report import Report
from profiles.verify.source import Sources

SET_ASIDE: Final = frozenset({"poison", "damaged"})  #: reasons of accepted events that could not be worked with


class Letter(NamedTuple):
    """Where a dead letter came from, and why."""

    topic: str
    partition: int
    offset: int
    reason: str

    @classmethod
    def of(cls, headers: Mapping[str, str]) -> Self:
        """From the headers of its record."""
        return cls(headers["topic"], int(headers["partition"]), int(headers["offset"]), headers["reason"])


def letters(found: Iterable[Letter], sources: Sources, report: Report, *, whole: bool) -> None:
    """Every refused record has its letter, and every letter its record."""
    told = {(each.topic, each.partition, each.offset): each.reason for each in found if each.reason not in SET_ASIDE}
    report.compared["refused records"] += len(sources.refused)
    for place, reason in sources.refused.items():
        partition = sources.partitions[f"{place[0]}/{place[1]}"]
        if place in told and told[place] != reason:
            report.differs("dead_letter", _said(place), "reason", told[place], reason)
        elif place not in told and not whole:
            report.left_out["refused records whose dead letter may no longer be kept"] += 1
        elif place not in told and place[2] < partition.handed_on:
            report.differs("dead_letter", _said(place), reason, "missing", "a dead letter")
        elif place not in told:
            report.left_out["refused records whose dead letter may be on its way"] += 1
    for place in told.keys() - sources.refused.keys():
        partition_read = sources.partitions.get(f"{place[0]}/{place[1]}")
        if partition_read is None or not partition_read.start <= place[2] < partition_read.end:
            report.left_out["dead letters of records that are not there to be read"] += 1
        else:
            report.differs("dead_letter", _said(place), told[place], "a dead letter", "accepted")


def _said(place: tuple[str, int, int]) -> str:
    return f"{place[0]}/{place[1]} offset {place[2]}"

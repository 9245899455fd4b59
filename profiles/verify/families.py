"""Customers behind several ids, judged together: naively united, and their events folded once, from all buckets' logs.

Knows: claims, pointers, events of single ids.  Must not know: how ids join, where logs and pins come from.
What was decided about them depends on when which bucket heard of what.  So facts and traits are compared with the log, and
tags and rungs with what was told of them and with the indexes; moments and reasons are not judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from profiles.clock import Int64s
from profiles.codec import from_blobs
from profiles.identity.messages import Absorb, Joining, Link
from profiles.identity.messages import Told as Said
from profiles.identity.node import Node, node_of
from profiles.kernels.fold import DUPLICATE, fold
from profiles.layout import TABLES, Layout
from profiles.rules import RuleBook
from profiles.sidecar import Patch, patched
from profiles.stable import bucket_of
from profiles.store.base import Checkpoint
from profiles.store.pins import Stored
from profiles.verify import compare
from profiles.verify.bucket import is_shared
from profiles.verify.log import BucketLog
from profiles.verify.report import Report
from profiles.verify.told import Told


def named(joinings: Iterable[Joining]) -> set[str]:
    """Everybody whom messages are for, or about."""
    found: set[str] = set()
    for joining in joinings:
        for told in joining.told:
            found.update(_names(told))
    return found


def _names(told: Said) -> tuple[str, ...]:
    if isinstance(told, Link):
        return told.to, told.other
    return (told.to, told.part) if isinstance(told, Absorb) else (told.to,)


@dataclass(frozen=True)
class Families:
    """All ids that messages speak of, as they are stored, and the logs of their buckets."""

    logs: Mapping[int, BucketLog]
    stored: Mapping[str, Stored]
    checkpoints: Mapping[int, Checkpoint]
    layouts: Mapping[int, Layout]
    set_aside: frozenset[tuple[str, int]]
    told: Mapping[int, Told | None]  #: what their buckets said; None: not all of it is kept
    book: RuleBook  #: the newest
    buckets: int
    report: Report

    def judge(self) -> None:
        """Compare; nothing may be under way."""
        nodes = {name: node_of(one.blob) or Node() for name, one in self.stored.items()}
        roots = {name: _root(name, nodes) for name in nodes}
        members: dict[str, list[str]] = {}
        for name in sorted(roots):
            members.setdefault(roots[name], []).append(name)
        erased = frozenset(name for log in self.logs.values() for name in log.erased)
        for root, ids in members.items():
            if erased.isdisjoint(ids):
                self._customer(root, ids)
        self._claims(roots, nodes, erased)
        if erased:
            return  # what they did was counted, and is not in the logs as they are read here
        moved = {bucket: log for bucket, log in self.logs.items() if log.moved}
        counted = sum(self.checkpoints[bucket].applied + self.checkpoints[bucket].duplicates for bucket in moved)
        events = sum(len(log.inputs) - self._aside(log) for log in moved.values())
        if counted != events:
            self.report.differs("position", "buckets where ids were joined", "applied + duplicates", counted, events)

    def _customer(self, root: str, ids: list[str]) -> None:
        found, report = self.stored[root], self.report
        report.compared["customers of several ids"] += len(ids) > 1
        for name in ids:
            if name != root and (self.stored[name].due is not None or self.stored[name].tags):
                report.differs("tag_index", name, f"one of the ids of {root}", "on the roster or in tags", "neither")
        if not is_shared(found) and not any(self._did(name) for name in ids if name != root):
            return  # of the other ids there are only names: it was judged like anybody
        row, side, events = self._told_again(ids)
        report.compared["events"] += events
        report.left_out["when and why customers of several ids were decided"] += 1
        if found.blob is None:
            if events:
                report.differs("profile", root, f"{len(ids)} ids", "missing", f"{events} events")
            return
        stored: Int64s = from_blobs([found.blob], self.layouts)[0]
        compare.sidecar(root, found.sidecar, side, report)
        if compare.facts(root, stored, row, report) and stored[TABLES.version]:
            self._standing(root, found, stored)

    def _standing(self, root: str, found: Stored, row: Int64s) -> None:
        """Tags and rungs are those that were told, and the indexes have them; a customer who once was another's has less
        to compare with: leaving a ladder is not told.
        """
        tags = {tag: number for tag, number in self.book.numbers.items() if "." not in tag}
        compare.indexes(root, row, found, tags, self.report)
        bucket, node = bucket_of(root, self.buckets), node_of(found.blob)
        told = self.told.get(bucket)
        if told is None or (node is not None and node.generation):
            self.report.left_out["standing of customers of several ids that nothing was told to compare with"] += 1
        else:
            compare.as_told(root, row, told.of(root, self.checkpoints[bucket].seq), self.book, self.report)

    def _did(self, name: str) -> bool:
        """Whether there is any event of an id."""
        log = self.logs.get(bucket_of(name, self.buckets))
        return log is not None and name in log.profiles

    def _told_again(self, ids: list[str]) -> tuple[Int64s, bytes | None, int]:
        """Everything that these ids did as one fold."""
        row, patches, events = np.zeros(TABLES.size, np.int64), list[tuple[int, Patch]](), 0
        for name in ids:
            log = self.logs.get(bucket_of(name, self.buckets))
            for e in log.inputs.of(name).tolist() if log else ():
                source = log.inputs.sources[log.inputs.source[e]] if log else ""
                if log is None or (source, int(log.inputs.offset[e])) in self.set_aside:
                    continue
                events += 1
                if fold(row, log.inputs.work.events, e) != DUPLICATE and e in log.inputs.patches:
                    patches.append((int(log.inputs.work.events.time[e]), log.inputs.patches[e]))
        return row, patched(None, patches) if patches else None, events

    def _aside(self, log: BucketLog) -> int:
        places = zip(log.inputs.source.tolist(), log.inputs.offset.tolist(), strict=True)
        return sum((log.inputs.sources[source], offset) in self.set_aside for source, offset in places)

    def _claims(self, roots: Mapping[str, str], nodes: Mapping[str, Node], erased: frozenset[str]) -> None:
        """Every claim of intake led to one customer, or was refused, or was about somebody who is not to be known."""
        unsure = {roots[name] for name, node in nodes.items() if node.refused or node.seals}
        for log in self.logs.values():
            for told in (each for _, joining in log.joinings if joining.by < 0 for each in joining.told):
                if not isinstance(told, Link) or not erased.isdisjoint((told.to, told.other)):
                    continue
                if told.alias and not self._did(told.to):
                    continue  # what was named is no user's
                here, there = roots[told.to], roots[told.other]
                self.report.compared["claims that two ids are one customer"] += 1
                if here != there and {here, there} & unsure:
                    self.report.left_out["claims that were refused, or parted since"] += 1
                elif here != there:
                    self.report.differs("identity", told.to, told.other, f"{here} and {there}", "one customer")


def _root(name: str, nodes: Mapping[str, Node]) -> str:
    while (node := nodes.get(name)) is not None and node.into:
        name = node.into
    return name

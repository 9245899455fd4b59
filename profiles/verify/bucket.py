"""One bucket under judgement: pins beside the log, customer by customer.

Knows: the order in which things are compared.
Must not know: Kafka, where pins come from, how differences are shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from profiles.clock import Int64s
from profiles.codec import from_blobs
from profiles.errors import LayoutError
from profiles.identity.node import node_of
from profiles.inputs import Bools
from profiles.layout import TABLES, Layout
from profiles.store.base import TIMELINE_KEPT
from profiles.store.pins import Pin, Stored
from profiles.verify import compare
from profiles.verify.history import Lives, Message, Rulers, as_history, blurred_note, note_of, unnumbered
from profiles.verify.log import BucketLog, Inputs
from profiles.verify.report import Report
from profiles.verify.search import UNKNOWN, Search, Traces, Ways
from profiles.verify.told import Told
from profiles.wire import Sample, Transition

if TYPE_CHECKING:
    from profiles.verify.recount import Recount  # it needs pandas

RulersOf = Callable[[int, int], Rulers]  #: versions of rules and cut points -> what decides


@dataclass(frozen=True)
class Era:
    """A stretch of the log that one pair of versions decides."""

    start: int  #: first offset
    rules: int
    cuts: int


@dataclass
class BucketJudge:
    """Everything that is known of one bucket besides its pins."""

    log: BucketLog
    told: Told
    rulers: RulersOf
    layouts: Mapping[int, Layout]
    replay: bool  #: events were applied in the order of time, not of the log
    report: Report
    told_whole: bool = True  #: nothing that was told has been forgotten by the topics
    set_aside: frozenset[tuple[str, int]] = frozenset()  #: (source, offset) of accepted events that became dead letters
    recount: Recount | None = None
    _mask: tuple[Pin, Bools] | None = None
    duplicates: int = 0  #: messages recognised as repeats while lives were told again
    repeats: int = 0  #: messages that are repeats, however long ago the first one came

    def eras(self, pin: Pin) -> list[Era]:
        """Which versions decided which part of the log up to the pin."""
        controls = [(each.offset, one) for each, one in self.log.controls if each.offset < pin.checkpoint.next]
        told = [message.rules for message in self.told.by_seq.values() if hasattr(message, "rules")]
        changed = [one.version for _, one in controls if one.what == "rules"]
        rules = min(told) if changed and told else changed[0] - 1 if changed else pin.checkpoint.rules
        found = [Era(0, max(rules, 1), 0)]
        for at, control in controls:
            now = found[-1]
            if control.what == "rules" and control.version > now.rules:
                found.append(Era(at, control.version, now.cuts))
            elif control.what == "cuts" and control.version > now.cuts:
                found.append(Era(at, now.rules, control.version))
        return found

    def versions(self, pins: Sequence[Pin]) -> tuple[int, int]:
        """The newest versions of rules and cut points that decided anything."""
        found = [each for pin in pins for each in self.eras(pin)]
        return max(each.rules for each in found), max(each.cuts for each in found)

    def applied(self, pin: Pin) -> Bools:
        """The inputs that the pinned checkpoint says are in the profiles, as a mask."""
        if self._mask is None or self._mask[0] is not pin:
            self._mask = pin, self._applied(pin)
        return self._mask[1]

    def _applied(self, pin: Pin) -> Bools:
        all_inputs = self.log.inputs
        if not self.replay:
            return self._kept & (all_inputs.record < pin.checkpoint.next)
        cursors = np.array([pin.checkpoint.offsets.get(name, -1) for name in all_inputs.sources], np.int64)
        return self._kept & (all_inputs.offset <= cursors[all_inputs.source]) if len(cursors) else self._kept

    @property
    def _kept(self) -> Bools:
        """All inputs but those that were set aside."""
        all_inputs = self.log.inputs
        kept = np.ones(len(all_inputs), np.bool_)
        for name, offset in self.set_aside:
            if name in all_inputs.sources:
                kept &= ~((all_inputs.source == all_inputs.sources.index(name)) & (all_inputs.offset == offset))
        return kept

    def order(self, which: Int64s) -> Int64s:
        """Inputs of one customer in the order in which they were applied, as far as the log fixes it."""
        return which[np.argsort(self.log.inputs.places[which])] if self.replay and len(which) > 1 else which

    def judge(self, pin: Pin) -> None:
        """Compare the customers of one pin."""
        pin = replace(pin, customers={name: one for name, one in pin.customers.items() if not is_shared(one)})
        eras, mask = self.eras(pin), self.applied(pin)
        chosen = [self.order(own[mask[own]]) for own in map(self.log.inputs.of, pin.customers)]
        names, rows = self._known(pin, chosen)
        if not names:
            return
        events = dict(zip(pin.customers, chosen, strict=True))
        lives = self.live([events[name] for name in names], names, rows[:, TABLES.as_of], eras)
        self.duplicates += lives.duplicates
        self.repeats += sum(naive_repeats(self.log.inputs, events[name]) for name in names)
        for place, name in enumerate(names):
            self._customer(name, rows[place], lives, place, pin, eras)

    def live(self, events: Sequence[Int64s], names: Sequence[str], until: Int64s, eras: Sequence[Era]) -> Lives:
        """The lives of some customers, silence as long as stored, as if nothing had ever come between."""
        all_inputs, lives = self.log.inputs, Lives.unborn(names, self.log.origins.get("backfill", ()))
        which = np.concatenate([*events, np.zeros(0, np.int64)]).astype(np.int64)
        era = np.searchsorted([each.start for each in eras], all_inputs.record[which], side="right") - 1
        for number, each in enumerate(eras):
            now = which[era == number]
            if len(now):
                lives.happens(all_inputs.take(now, names), self.rulers(each.rules, each.cuts))
        lives.waits(until, self.rulers(eras[-1].rules, eras[-1].cuts))
        return lives

    def _known(self, pin: Pin, chosen: Sequence[Int64s]) -> tuple[list[str], Int64s]:
        """Customers that the log and the store both know, and their stored rows; the others are noted."""
        names, blobs = [], []
        for (name, found), own in zip(pin.customers.items(), chosen, strict=True):
            if found.blob is None and len(own):
                self.report.differs("profile", name, f"bucket {pin.bucket}", "missing", f"{len(own)} events")
            elif found.blob is not None and not len(own):
                self.report.differs("made_up", name, f"profile in bucket {pin.bucket}", "stored", "no events")
            elif found.blob is not None and self._readable(name, found.blob):
                names.append(name)
                blobs.append(found.blob)
            self.report.compared["customers"] += bool(len(own))
            self.report.compared["events"] += len(own)
        return names, from_blobs(blobs, self.layouts)

    def _readable(self, name: str, blob: bytes) -> bool:
        try:
            from_blobs([blob], self.layouts)
        except LayoutError as fault:
            self.report.differs("profile", name, "blob", str(fault), "a row")
            return False
        return True

    def _customer(self, name: str, stored: Int64s, lives: Lives, place: int, pin: Pin, eras: Sequence[Era]) -> None:
        found, expected, report = pin.customers[name], lives.state[place], self.report
        book = self.rulers(eras[-1].rules, eras[-1].cuts).book
        tags = {tag: number for tag, number in book.numbers.items() if "." not in tag}
        compare.indexes(name, stored, found, tags, report)
        if self.recount and name in self.recount.chosen:
            self._recount(self.recount, name, stored, pin, eras)
        if not compare.facts(name, stored, expected, report):
            report.left_out["decisions about customers whose facts differ already"] += 1
            return
        heard, said = self.told.of(name, pin.checkpoint.seq), lives.said.get(name, [])
        told = [unnumbered(message) for message in heard]
        notes = [note_of(note, name, lambda rules: self.rulers(rules, 0).book.words) for note in found.timeline[::-1]]
        expected_notes = lives.timeline.get(name, [])
        if name in self.log.origins.get("backfill", ()):
            self._as_history(name, heard)
            report.left_out["samples of customers with history"] += sum(isinstance(each, Sample) for each in told)
            told, notes = as_history(told), [blurred_note(note) for note in notes]
        as_told = not self.told_whole or said == told
        if not (as_told and compare.same_standing(stored, expected) and notes == expected_notes[-TIMELINE_KEPT:]):
            moments = sum("event" in note for note in expected_notes)
            changes = sum(isinstance(message, Transition) for message in told)
            count = moments + changes if self.told_whole else len(notes) if len(notes) < TIMELINE_KEPT else UNKNOWN
            clocks = [each.clock if isinstance(each, Transition) else 0 for each in heard] if not self.replay else []
            traces = Traces(name, stored, told, clocks, notes, max(count, len(notes)))
            if not self.told_whole:
                traces = replace(traces, told=None, clocks=())
            explained = self._explained(traces, self._ways(name, pin, eras), changed=len(eras) > 1)
            if explained is None:
                if self.told_whole:
                    compare.as_told(name, stored, heard, book, report)
                return
            if explained.profiles:
                lives, place, said = explained, 0, explained.said.get(name, [])
        compare.standing(name, stored, lives.state[place], book, report)
        if self.told_whole:
            compare.told(name, told, said, report)
        compare.sidecar(name, found.sidecar, lives.sidecars.get(name), report)
        compare.timeline(name, notes, lives.timeline.get(name, []), report)

    def _as_history(self, name: str, heard: Sequence[Message]) -> None:
        """Of whom there is nothing but history, nothing was said as if it had happened live."""
        live = [each for each in heard if isinstance(each, Transition) and each.origin == "live"]
        if live and name not in self.log.origins.get("live", ()):
            self.report.differs("told", name, f"{live[0].what} {live[0].name}", "live", "backfill", len(live))

    def _recount(self, recount: Recount, name: str, stored: Int64s, pin: Pin, eras: Sequence[Era]) -> None:
        """Hand the raw events of a customer over, in the order in which the log has them."""
        log, raw = self.log.inputs, recount.raw
        place = {(log.sources[log.source[e]], int(log.offset[e])): e for e in self.order(log.of(name)).tolist()}
        order = {where: i for i, where in enumerate(place)}
        cursors, own = pin.checkpoint.offsets, []
        for e in raw.of(name).tolist():
            where = raw.sources[raw.source[e]], int(raw.offset[e])
            if where[1] <= cursors.get(where[0], -1) and where not in self.set_aside:
                own.append((order.get(where, len(order)), e))
        applied = self.applied(pin)
        if sum(bool(applied[e]) for e in place.values()) > len(own):
            self.report.left_out["customers whose raw records are not all kept"] += 1
            return
        rulers = [self.rulers(each.rules, each.cuts) for each in eras]
        recount.check(name, stored, np.array([e for _, e in sorted(own)], np.int64), rulers)

    def _explained(self, traces: Traces, ways: Ways, *, changed: bool) -> Lives | None:
        """A life that explains the traces, or all but one of them; an empty one if none does; None: who knows."""
        self.report.compared["customers whose silences had to be looked for"] += 1
        end = Search(traces, ways).run()
        if end.lives is not None:
            return end.lives
        if not end.exhausted:
            self.report.left_out["customers with more possible histories than were tried"] += 1
            return None
        if changed:
            self.report.left_out["customers whom new rules or cut points reached at a moment that left no trace"] += 1
            return None
        nearly = (Search(less, ways).run().lives for less in traces.less())
        return next((lives for lives in nearly if lives is not None), Lives.unborn([]))

    def _ways(self, name: str, pin: Pin, eras: Sequence[Era]) -> Ways:
        """Everything that may have happened to a customer up to the pin."""
        all_inputs = self.log.inputs
        own = all_inputs.of(name)
        own = own[self.applied(pin)[own]]
        queues = [own]
        if self.replay:
            own = own[np.argsort(all_inputs.offset[own], kind="stable")]
            queues = [own[all_inputs.source[own] == source] for source in np.unique(all_inputs.source[own])]
        return Ways(
            inputs=all_inputs,
            queues=tuple(tuple(queue.tolist()) for queue in queues),
            places=all_inputs.places if self.replay else np.arange(len(all_inputs)),
            eras=[self.rulers(each.rules, each.cuts) for each in eras],
            era_of=np.searchsorted([each.start for each in eras], all_inputs.record, side="right") - 1,
            imported=name in self.log.origins.get("backfill", ()),
            loose=self.replay,
        )


def is_shared(found: Stored) -> bool:
    """Whether events of another id are, or were, in it, or it retired itself: these are judged as ``families``."""
    node = node_of(found.blob)
    return node is not None and (bool(node.into) or node.apart or node.generation > 0 or node.seals != ())


def naive_repeats(all_inputs: Inputs, which: Int64s | Bools) -> int:
    """How many of these messages are repeats of an earlier one of the same customer, however long ago."""
    keys, rows = all_inputs.work.events.key[which], all_inputs.work.events.row[which]
    told = keys != 0
    pairs = np.stack([rows[told], keys[told]], axis=1)
    return len(pairs) - len(np.unique(pairs, axis=0)) if len(pairs) else 0

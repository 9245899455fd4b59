"""Where a bucket stands, and all that is counted in it, beside the log.

Knows: checkpoints, counters, which inputs were applied.
Must not know: single customers, Kafka, Redis, how differences are shown.
"""

from __future__ import annotations

import numpy as np

from profiles.census import PATH, of_all
from profiles.store.pins import Pin
from profiles.verify.bucket import BucketJudge, naive_repeats
from profiles.verify.census import recounted
from profiles.verify.report import Report
from profiles.verify.told import standing


def position(judge: BucketJudge, pin: Pin, *, sampled: bool) -> None:
    """The checkpoint, beside the log it is a place in; judge its customers first."""
    beyond = judge.repeats - judge.duplicates  # these came too late to be recognised
    report, checkpoint, where = judge.report, pin.checkpoint, f"bucket {pin.bucket}"
    all_inputs, mask = judge.log.inputs, judge.applied(pin)
    report.compared["checkpoints"] += 1
    if judge.log.moved:  # events came from elsewhere, and went on: all buckets together are counted in the end
        report.left_out["counters of buckets where ids were joined"] += 1
        _sizes(pin, report)
        return
    _counts(judge, pin, len(np.unique(all_inputs.work.events.row[mask])))
    count, counted = int(mask.sum()), checkpoint.applied + checkpoint.duplicates
    if count != counted:
        report.differs("position", where, "applied + duplicates", counted, count)
    repeats = naive_repeats(all_inputs, mask)
    if sampled:  # nobody knows how many repeats of the others came too late to be recognised
        beyond = repeats
    if not repeats - beyond <= checkpoint.duplicates <= repeats:
        report.differs("position", where, "duplicates", checkpoint.duplicates, repeats)
    cursors = {name: int(all_inputs.offset[mask & (all_inputs.source == number)].max())
               for number, name in enumerate(all_inputs.sources)
               if (mask & (all_inputs.source == number)).any()}  # fmt: skip
    aside = {name for name, _ in judge.set_aside}  # a cursor may stand on an event that was set aside
    for name in sorted(cursors.keys() | checkpoint.offsets.keys()):
        here, there = checkpoint.offsets.get(name), cursors.get(name)
        if here != there and not (name in aside and (here or 0) > (there or -1)):
            report.differs("position", where, f"cursor of {name}", checkpoint.offsets.get(name), cursors.get(name))


def _counts(judge: BucketJudge, pin: Pin, customers: int) -> None:
    """Counters of tags and rungs, sizes of their sets and of the roster, beside what was told."""
    report, where = judge.report, f"bucket {pin.bucket}"
    report.compared["counters and set sizes"] += len(pin.counts) + len(pin.holders) + 1
    if pin.roster != customers:
        report.differs("due_index", where, "customers on the roster", pin.roster, customers)
    _sizes(pin, report)
    _census(judge, pin)
    if not judge.told_whole:
        report.left_out["counters of buckets whose transitions are no longer kept"] += len(pin.counts)
        return
    told = standing(judge.told, pin.checkpoint.seq)
    for name in sorted(told.keys() | {name for name in pin.counts if not of_all(name)}):
        if told[name] != pin.counts.get(name, 0):
            report.differs("count", where, name, pin.counts.get(name, 0), f"{told[name]} told")


def _sizes(pin: Pin, report: Report) -> None:
    for tag, members in pin.holders.items():
        if members != pin.counts.get(f"tag:{tag}", 0):
            counted = pin.counts.get(f"tag:{tag}", 0)
            report.differs("count", f"bucket {pin.bucket}", f"tag:{tag}", counted, f"{members} members")


def _census(judge: BucketJudge, pin: Pin) -> None:
    """Counts of steps and returns beside the inputs that were applied, as far as their order is known."""
    all_inputs, report = judge.log.inputs, judge.report
    which = np.flatnonzero(judge.applied(pin))
    if naive_repeats(all_inputs, which) != pin.checkpoint.duplicates:
        report.left_out["counts of steps and returns of buckets where repeats came too late to be recognised"] += 1
        return
    if judge.replay:
        which = which[np.argsort(all_inputs.places[which])]
    paths = not judge.replay or bool((all_inputs.reached[which] == all_inputs.work.events.time[which]).all())
    report.left_out["counts of steps of replayed buckets with sources that run back in time"] += not paths
    counted = recounted(all_inputs, which, paths=paths)
    stored = {name for name in pin.counts if of_all(name) and (paths or not name.startswith(PATH))}
    report.compared["counts of steps and returns"] += len(counted)
    for name in sorted(counted.keys() | stored):
        if counted[name] != pin.counts.get(name, 0):
            report.differs("count", f"bucket {pin.bucket}", name, pin.counts.get(name, 0), f"{counted[name]} counted")

"""Stored customers beside the same customers told again: every slot, index and note.

Knows: which slot means what, how a difference is called.
Must not know: how stored values were read, how lives were told again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np

from profiles.clock import Int64s
from profiles.layout import LADDERS, LAYOUT, TABLES, TAGS
from profiles.rules import RuleBook, rung_key
from profiles.sidecar import TRAITS_KEPT, shown
from profiles.sidecar import read as read_sidecar
from profiles.store.base import TIMELINE_KEPT
from profiles.store.pins import Stored
from profiles.timeline import Note
from profiles.verify.history import Message
from profiles.verify.report import Report
from profiles.wire import Transition

_STARTS: Final = np.array(list(LAYOUT.start.values()), np.int64)
_NAMES: Final = list(LAYOUT.start)


def slot_name(slot: int) -> str:
    """What a slot belongs to.

    >>> slot_name(TABLES.as_of), slot_name(TABLES.since + 3)
    ('as_of', 'since[3]')
    """
    piece = int(np.searchsorted(_STARTS, slot, side="right")) - 1
    name, at = _NAMES[piece], slot - int(_STARTS[piece])
    return name if LAYOUT.pieces[piece][1] == 1 else f"{name}[{at}]"


def facts(profile: str, stored: Int64s, expected: Int64s, report: Report) -> bool:
    """Everything that was counted; true if equal."""
    wrong = np.flatnonzero(stored[: TABLES.facts] != expected[: TABLES.facts])
    for slot in wrong[:1].tolist():
        more = f" and {len(wrong) - 1} more slots" if len(wrong) > 1 else ""
        report.differs("fact", profile, slot_name(slot) + more, int(stored[slot]), int(expected[slot]))
    return len(wrong) == 0


def standing(profile: str, stored: Int64s, expected: Int64s, book: RuleBook, report: Report) -> None:
    """What was decided, and when it will be decided again."""
    for slot, kind in ((TABLES.as_of, "evaluation"), (TABLES.rules, "evaluation"), (TABLES.version, "evaluation"),
                       (TABLES.due, "due"), (TABLES.snapshot, "snapshot")):  # fmt: skip
        if stored[slot] != expected[slot]:
            report.differs(kind, profile, slot_name(slot), int(stored[slot]), int(expected[slot]))
    names = {number: name for name, number in book.numbers.items() if "." not in name}
    for number in np.flatnonzero(_since(stored) != _since(expected)).tolist():
        what = f"{names.get(number, number)} since"
        report.differs("tag", profile, what, int(_since(stored)[number]), int(_since(expected)[number]))
    for i, ladder in enumerate(LADDERS):
        at = slice(TABLES.ladders + 2 * i, TABLES.ladders + 2 * i + 2)
        if (stored[at] != expected[at]).any():
            report.differs("ladder", profile, ladder, _rung(book, ladder, stored), _rung(book, ladder, expected))


def same_standing(stored: Int64s, expected: Int64s) -> bool:
    """Whether everything that was decided is equal."""
    return bool((stored[TABLES.facts :] == expected[TABLES.facts :]).all())


def indexes(profile: str, row: Int64s, found: Stored, tags: Mapping[str, int], report: Report) -> None:
    """The due index and the sets of tags, beside the profile they were written with."""
    if found.due != int(row[TABLES.due]):
        report.differs("due_index", profile, "due", found.due, int(row[TABLES.due]))
    held = {tag for tag, slot in tags.items() if row[TABLES.since + slot] != 0}
    for tag in sorted(held ^ found.tags):
        said = "member" if tag in found.tags else "no member", "held" if tag in held else "not held"
        report.differs("tag_index", profile, tag, *said)


def sidecar(profile: str, stored: bytes | None, expected: bytes | None, report: Report) -> None:
    """Traits in words, as far as they may be shown: no key is needed to judge, and none is asked for."""
    here, there = (
        {name: (time, shown(value)) for name, (time, value) in read_sidecar(blob).items()}
        for blob in (stored, expected)
    )
    if max(len(here), len(there)) >= TRAITS_KEPT:
        report.left_out["sidecars with as many traits as are kept"] += 1
        return
    report.compared["sidecars"] += bool(here or there)
    for trait in sorted(name for name in here.keys() | there.keys() if here.get(name) != there.get(name)):
        report.differs("sidecar", profile, trait, here.get(trait), there.get(trait))


def timeline(profile: str, stored: Sequence[Note], expected: Sequence[Note], report: Report) -> None:
    """The latest notes; both are oldest first."""
    here, there = list(stored[::-1]), list(expected[::-1][:TIMELINE_KEPT])
    report.compared["notes of timelines"] += len(there)
    if here == there:
        return
    at = _first_other(here, there)
    shown = [str(notes[at]) if at < len(notes) else "nothing" for notes in (here, there)]
    report.differs("timeline", profile, f"entry {at} of {len(there)}", shown[0], shown[1])


def told(profile: str, heard: Sequence[Message], expected: Sequence[Message], report: Report) -> None:
    """What was said about a customer, in order."""
    report.compared["transitions and samples"] += len(expected)
    if heard != expected:
        at = _first_other(heard, expected)
        shown = [_message(messages[at]) if at < len(messages) else "nothing" for messages in (heard, expected)]
        report.differs("told", profile, f"message {at} of {len(expected)}", shown[0], shown[1])


def as_told(profile: str, stored: Int64s, heard: Sequence[Message], book: RuleBook, report: Report) -> None:
    """Tags and rungs beside what was told of them, whatever history was behind it."""
    since = np.zeros(TAGS, np.int64)
    rungs = dict.fromkeys(LADDERS, (0, 0))
    for message in heard:
        if isinstance(message, Transition) and message.what == "tag":
            since[book.numbers[message.name]] = 0 if message.change == "left" else message.at
        elif isinstance(message, Transition):
            rungs[message.what] = book.numbers[rung_key(message.what, message.name)] + 1, message.at
    report.compared["customers whose standing is compared with what was told only"] += 1
    names = {number: name for name, number in book.numbers.items() if "." not in name}
    for number in np.flatnonzero(_since(stored) != since).tolist():
        report.differs(
            "tag", profile, f"{names.get(number, number)} since", int(_since(stored)[number]), int(since[number])
        )
    for i, ladder in enumerate(LADDERS):
        at = TABLES.ladders + 2 * i
        if (int(stored[at]), int(stored[at + 1])) != rungs[ladder]:
            report.differs("ladder", profile, ladder, stored[at : at + 2].tolist(), list(rungs[ladder]))


def _first_other(a: Sequence[object], b: Sequence[object]) -> int:
    return next((i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b)))


def _message(message: Message) -> str:
    if not isinstance(message, Transition):
        return f"{type(message).__name__.lower()} at {message.at}"
    because = ", ".join(map(str, message.because))
    return f"{message.what} {message.name} {message.change} at {message.at} ({message.origin}, rules {message.rules}): {because}"


def _since(row: Int64s) -> Int64s:
    return row[TABLES.since : TABLES.since + TAGS]


def _rung(book: RuleBook, ladder: str, row: Int64s) -> str:
    at = TABLES.ladders + 2 * LADDERS.index(ladder)
    return f"{book.rung(ladder, row)} since {int(row[at + 1])}"

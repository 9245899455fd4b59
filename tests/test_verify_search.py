"""The search finds the history that left these traces, and says so when there is none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from profiles import inputs
from profiles.clock import DAY, HOUR, MINUTE, zone
from profiles.intake import Event
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.rules import assign_slots, compile_rules, load, shipped
from profiles.verify.history import Lives, Rulers
from profiles.verify.log import BucketLog, Logged
from profiles.verify.search import Search, Traces, Ways
from tests.laws.machine import world_of

HERE = zone("Asia/Shanghai")
START = 1_750_000_000_000


def rulers(text: str = "", version: int = 1) -> Rulers:
    """Shipped rules, or those of a text, as some version."""
    document = replace(load(text, "t") if text else shipped(), version=version)
    book = compile_rules(document, assign_slots(document, {}))
    return Rulers(world_of(book, HERE), book)


def event(n: int, at: int, kind: Kind = Kind.VIEW) -> Event:
    return Event(
        "a", kind, at, amount=1000 if kind is Kind.ORDER else 0, key=1000 + n, order=n if kind is Kind.ORDER else 0
    )


def log_of(life: list[Event], came: list[int]) -> BucketLog:
    """One record an event, which came when it came."""
    log = BucketLog(0, HERE)
    for offset, (each, stamp) in enumerate(zip(life, came, strict=True)):
        draft = inputs.Draft()
        draft.add(each, offset)
        log.add(Logged(offset, stamp, draft.batch("events", 0, each.time, stamp)))
    return log


def ways_of(log: BucketLog, eras: list[Rulers], starts: list[int]) -> Ways:
    found = log.inputs
    return Ways(
        inputs=found,
        queues=(tuple(range(len(found))),),
        places=np.arange(len(found)),
        eras=eras,
        era_of=np.searchsorted(starts, found.record, side="right") - 1,
    )


def lived(log: BucketLog, moves: list[tuple[str, int]], eras: list[Rulers]) -> Lives:
    """What really happened: events by number, silence up to a moment, new rules at a moment."""
    lives = Lives.unborn(["a"])
    era = 0
    for what, n in moves:
        if what == "event":
            lives.happens(log.inputs.take(np.array([n]), ["a"]), eras[era])
        elif what == "silence":
            lives.waits(np.array([n]), eras[era])
        else:
            era += 1
            lives.is_asked_again(np.array([n]), eras[era]) if n else None
    return lives


def traces(lives: Lives) -> Traces:
    notes = lives.timeline.get("a", [])
    return Traces("a", lives.state[0].copy(), lives.said.get("a", []), [], notes, len(notes))


LATE = [
    event(0, START, Kind.ORDER),
    event(1, START + DAY),
    event(2, START + 2 * DAY, Kind.ORDER),
    event(3, START + 5 * DAY),
]


@pytest.mark.parametrize(
    "moves",
    [
        [("event", 0), ("event", 1), ("event", 2), ("event", 3)],
        [("event", 0), ("silence", START + 4 * DAY), ("event", 1), ("event", 2), ("event", 3)],
        [
            ("event", 0),
            ("silence", START + 30 * DAY),
            ("event", 1),
            ("event", 2),
            ("silence", START + 31 * DAY),
            ("event", 3),
        ],
        [
            ("event", 0),
            ("event", 1),
            ("silence", START + 9 * DAY + HOUR),
            ("event", 2),
            ("event", 3),
            ("silence", START + 40 * DAY),
        ],
    ],
)
def test_silence_felt_before_late_events_is_found(moves: list[tuple[str, int]]) -> None:
    """The sweep was faster than the events: each history leaves its own traces."""
    eras = [rulers()]
    log = log_of(LATE, [START + 50 * DAY] * 4)
    truth = lived(log, moves, eras)
    found = Search(traces(truth), ways_of(log, eras, [0])).run()
    assert found.lives is not None
    assert (found.lives.state[0] == truth.state[0]).all()
    assert found.lives.said == truth.said
    assert found.lives.timeline == truth.timeline


@pytest.mark.parametrize("slot", [TABLES.since + 3, TABLES.due, TABLES.version, TABLES.ladders])
def test_traces_that_no_history_leaves_are_told_apart(slot: int) -> None:
    eras = [rulers()]
    log = log_of(LATE, [START + 50 * DAY] * 4)
    truth = lived(log, [("event", 0), ("silence", START + 30 * DAY), ("event", 1), ("event", 2), ("event", 3)], eras)
    damaged = truth.state[0].copy()
    damaged[slot] += 1
    found = Search(replace(traces(truth), stored=damaged), ways_of(log, eras, [0])).run()
    assert (found.lives, found.exhausted) == (None, True)
    nearly = [
        Search(less, ways_of(log, eras, [0])).run().lives for less in replace(traces(truth), stored=damaged).less()
    ]
    assert any(lives is not None and (lives.state[0] == truth.state[0]).all() for lives in nearly), (
        "all but one is right"
    )


def test_a_message_that_was_never_told_is_told_apart() -> None:
    eras = [rulers()]
    log = log_of(LATE, [START + 50 * DAY] * 4)
    truth = lived(log, [("event", n) for n in range(4)], eras)
    heard = traces(truth)
    assert heard.told is not None
    found = Search(replace(heard, told=heard.told[:-1]), ways_of(log, eras, [0])).run()
    assert (found.lives, found.exhausted) == (None, True)


@pytest.mark.parametrize("renewed", [START + 3 * DAY + MINUTE, START + 60 * DAY])
def test_new_rules_that_got_round_to_a_silent_customer_are_found(renewed: int) -> None:
    """The log says when new rules were published, only the traces say when they were asked."""
    text = shipped().text
    eras = [rulers(), rulers(text.replace("version: 1", "version: 2", 1), version=2)]
    log = log_of(LATE[:3], [START] * 3)
    truth = lived(
        log, [("event", 0), ("event", 1), ("event", 2), ("rules", renewed), ("silence", renewed + 9 * DAY)], eras
    )
    found = Search(traces(truth), ways_of(log, eras, [0, 3])).run()
    assert found.lives is not None
    assert (found.lives.state[0] == truth.state[0]).all()

"""What must hold for any record: it becomes an event or is refused, and an event can poison nothing behind it.

The way of an accepted event is the real one: draft, wire, gather, fold, decide, commit, blob, and back again.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from profiles import inputs
from profiles.clock import DAY, NEVER, zone
from profiles.codec import from_blobs, to_blobs
from profiles.errors import LayoutError, Rejected
from profiles.features import FEATURES, factors
from profiles.grams import KEPT, unpack
from profiles.identity.claims import ID_LIMIT
from profiles.inputs import Work
from profiles.intake import EVENT_LIMIT, Event, Intake
from profiles.kernels.derive import derive
from profiles.kinds import Kind
from profiles.layout import TABLES
from profiles.lessons import FEWEST
from profiles.population import Cuts, population
from profiles.rules import RuleBook, assign_slots, compile_rules, load
from profiles.rules.parts import SHIPPED
from profiles.sidecar import TRAITS_KEPT
from profiles.sidecar import read as read_sidecar
from profiles.step import SAMPLES, TRANSITIONS, Rows, Step
from profiles.store.base import Commit
from profiles.timeline import decode
from profiles.wire import Candidate, Opinion, Sample, decode_lesson, decode_transition
from tests.fuzz.values import NOW
from tests.laws.machine import world_of

HERE: Final = zone("Asia/Shanghai")
SHOPS: Final = (Intake("CNY", "Asia/Shanghai", {"USD": 7.1}), Intake("JPY", "America/Santiago"))
LATER: Final = NOW + 100 * DAY  #: all that silence does within a season
EVERY: Final = np.arange(len(FEATURES), dtype=np.int64)
REASONS: Final = frozenset(
    {
        "amount_too_large", "bad_id", "bad_value", "event_too_large", "id_too_long", "invalid_json", "missing_event",
        "missing_id", "negative_amount", "not_a_number", "time_implausible", "unknown_currency", "unknown_type",
        "wrong_type",
    }
)  # fmt: skip


def _shipped() -> RuleBook:
    document = load(SHIPPED.read_text(encoding="utf-8"), SHIPPED.name)
    return compile_rules(document, assign_slots(document, {}))


class Poisoned(AssertionError):
    """A record that did harm; ``raw`` is it, or None if it took the whole block."""

    def __init__(self, what: str, raw: bytes | None = None) -> None:
        super().__init__(what)
        self.what, self.raw = what, raw


@dataclass
class Tally:
    """What became of records."""

    judged: int = 0
    accepted: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    transitions: int = 0


class Judge:
    """Judges blocks of records."""

    def __init__(self) -> None:
        self.tally = Tally()
        self._book = _shipped()
        self._world = world_of(self._book, HERE)
        self._factors, self._people = factors(2), population(Cuts())

    def block(self, records: Iterable[bytes], number: int = 0) -> None:
        """Judge one block; raises ``Poisoned``."""
        shop = SHOPS[number % len(SHOPS)]
        events = [event for raw in records if (event := self.decoded(raw, shop)) is not None]
        state: dict[str, bytes] = {}
        sidecars: dict[str, bytes] = {}
        for third in range(3):  # profiles are stored and loaded between
            try:
                self._update(events[third::3], state, sidecars)
            except Exception as fault:
                raise Poisoned(f"{len(events)} events, piece {third}: {fault!r}") from fault

    def decoded(self, raw: bytes, shop: Intake) -> Event | None:
        """The event, or None if it was refused in a way that was promised."""
        self.tally.judged += 1
        try:
            event = shop.read(raw, NOW)
        except Rejected as refused:
            self._refusal(refused, raw)
            return None
        except BaseException as fault:
            raise Poisoned(f"the decoder raised {fault!r}", raw) from fault
        try:
            _promised(event, raw)
        except AssertionError as fault:
            raise Poisoned(f"an event breaks a promise: {event!r}", raw) from fault
        self.tally.accepted += 1
        return event

    def _refusal(self, refused: Rejected, raw: bytes) -> None:
        """Its reason is one of those that are counted, and its words fit into the header of a dead letter."""
        self.tally.refused[refused.reason] += 1
        if refused.reason not in REASONS:
            raise Poisoned(f"{refused.reason} is no known reason", raw)
        refused.detail[:500].encode(errors="replace")

    def _update(self, events: list[Event], state: dict[str, bytes], sidecars: dict[str, bytes]) -> None:
        """One piece of work through a worker; profiles that result are stored in ``state`` and ``sidecars``."""
        if not events:
            return
        work = _gathered(events)
        profiles = work.profiles
        known = {profile: sidecars.get(profile) for profile in profiles}
        rows = Rows(profiles, from_blobs([state.get(profile) for profile in profiles], {}), known)
        step = Step(3, rows, self._world, self._book, 0, NOW)
        step.events(work, "live")
        assert step.applied + step.duplicates == len(events)
        step.silence(np.full(len(profiles), LATER, np.int64), "sweep")
        step.renewal(np.full(len(profiles), LATER + DAY, np.int64))
        commit = step.commit(0)
        self._stored(commit, rows)
        state.update({entry.profile: entry.blob for entry in commit.entries})
        sidecars.update(commit.sidecars)

    def _stored(self, commit: Commit, rows: Rows) -> None:
        """All that a commit holds can be read again, and no feature is infinite."""
        assert len(commit.entries) == len(rows.profiles)
        assert to_blobs(from_blobs([entry.blob for entry in commit.entries], {})) == [e.blob for e in commit.entries]
        assert all(entry.due is None or 0 <= entry.due <= NEVER for entry in commit.entries)
        for _, sidecar in commit.sidecars:
            assert len(read_sidecar(sidecar)) <= TRAITS_KEPT
        for message in commit.messages:
            self._message(message.topic, message.value)
        for profile, note in commit.timeline:
            decode(note, commit.bucket, profile, lambda _: self._book.words)
        x = np.full(len(FEATURES), np.nan)
        for row in rows.state:
            for moment in (NOW, LATER):
                derive(row, moment, int(row[TABLES.snapshot]), EVERY, self._factors, self._people, x)
                assert not np.isinf(x).any(), f"infinite: {[FEATURES[i].name for i in np.flatnonzero(np.isinf(x))]}"

    def _message(self, topic: str, value: bytes) -> None:
        if topic == TRANSITIONS:
            transition = decode_transition(value)
            assert transition.risk is None or 0 <= transition.risk <= 1
            self.tally.transitions += 1
        else:
            assert topic == SAMPLES
            lesson = decode_lesson(value)
            if isinstance(lesson, Sample):
                assert all(math.isfinite(seen) for seen in lesson.features.values())
            elif isinstance(lesson, Candidate):
                assert math.isfinite(lesson.stake)
            elif isinstance(lesson, Opinion):
                assert 1 <= lesson.stars <= 5
                assert 0 < len(unpack(lesson.grams)) <= KEPT
            else:
                assert max(len(lesson.items), len(lesson.categories)) >= FEWEST


def _gathered(events: list[Event]) -> Work:
    """Events as they come out at the other end of profile-inputs."""
    draft = inputs.Draft()
    for offset, event in enumerate(events):
        draft.add(event, offset)
    raw = inputs.encode(draft.batch("events.fuzz", 0, max(event.time for event in events), NOW))
    batch = inputs.decode(raw)
    assert isinstance(batch, inputs.Batch)
    assert inputs.encode(batch) == raw
    work = inputs.gather([batch], {}, HERE)
    assert len(work.events.row) == len(events)
    assert work.repeated == 0
    return work


def _promised(event: Event, raw: bytes) -> None:
    """What ``Intake.read`` says of every event."""
    assert len(raw) <= EVENT_LIMIT
    assert event.profile.isprintable()
    assert 0 < len(event.profile.encode()) <= ID_LIMIT
    assert isinstance(event.kind, Kind)
    assert 946_684_800_000 <= event.time <= NOW + 300_000
    assert 0 <= event.amount <= 10**12
    assert 0 <= event.discount <= 10**12
    assert 0 <= event.quantity <= 10**6
    assert 0 <= event.rating <= 5
    assert 0 <= event.key < 2**63
    assert 0 <= event.order < 2**40
    assert len(event.lines) <= 50
    assert all(0 <= code < 2**40 for line in event.lines for code in line)
    assert all(0 <= value < 2**40 for _, value in event.traits)
    assert all(len(name) <= 200 for _, name in event.names)
    for _, value in event.patch:
        assert isinstance(value, (str, int, float))
        assert not isinstance(value, float) or math.isfinite(value)


def sealed(events: list[Event]) -> tuple[bytes, list[bytes]]:
    """A record of profile-inputs that holds these events, and the profiles they make."""
    draft = inputs.Draft()
    for offset, event in enumerate(events):
        draft.add(event, offset)
    state: dict[str, bytes] = {}
    Judge()._update(events, state, {})
    return inputs.encode(draft.batch("events.fuzz", 0, NOW, NOW)), list(state.values())


def damaged_record(raw: bytes) -> None:
    """Bytes of profile-inputs that nobody wrote: read and gathered, or ``LayoutError``; never another fault."""
    try:
        record = inputs.decode(raw)
        if isinstance(record, inputs.Batch):
            inputs.gather([record], {}, HERE)
    except LayoutError:
        pass
    except BaseException as fault:
        raise Poisoned(f"profiles.inputs raised {fault!r}", raw) from fault


def damaged_profiles(blobs: list[bytes | None]) -> None:
    """Stored profiles that nobody wrote: rows, or ``LayoutError``; never another fault."""
    try:
        rows = from_blobs(blobs, {})
    except LayoutError:
        pass
    except BaseException as fault:
        raise Poisoned(f"codec.from_blobs raised {fault!r}", b"|".join(blob or b"" for blob in blobs)) from fault
    else:
        assert rows.shape == (len(blobs), TABLES.size)

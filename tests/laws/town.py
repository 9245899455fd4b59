"""A town of buckets without Kafka and Redis: logs in lists, messages on their way, stores that fall back in time.

Knows: what a bucket does with a record, as ``streams`` does it, less rules and commits.
Must not know: what a test expects of it.
"""

from __future__ import annotations

import random
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec.structs import replace

from profiles import inputs
from profiles.clock import Int64s, Zone
from profiles.identity.family import Held, rest
from profiles.identity.guards import Limits, first_card
from profiles.identity.joining import needs, receive
from profiles.identity.messages import Joining, Link, Split, Told
from profiles.identity.names import order_of, owner_and_part, visitor_of
from profiles.identity.node import Node, Part
from profiles.inputs import Batch, Draft, Record
from profiles.intake import Event
from profiles.joined import onwards, spread
from profiles.kernels.fold import fold
from profiles.layout import TABLES
from profiles.sidecar import patched
from profiles.stable import bucket_of

ANYTHING: Final = Limits(ids=10**6, single=())


@dataclass
class State:
    """What a bucket's store holds."""

    next: int = 0
    cursors: dict[str, int] = field(default_factory=dict)
    nodes: dict[str, Node] = field(default_factory=dict)
    rows: dict[str, Int64s] = field(default_factory=dict)
    sides: dict[str, bytes | None] = field(default_factory=dict)
    parts: defaultdict[str, dict[str, Part]] = field(default_factory=lambda: defaultdict(dict))


class Town:
    """Buckets and the ways between them; on one way nothing overtakes, but after a crash it may come again."""

    def __init__(self, buckets: int, here: Zone, limits: Limits = ANYTHING) -> None:
        self.buckets, self.here, self.limits = buckets, here, limits
        self.logs: list[list[bytes]] = [[] for _ in range(buckets)]
        self.states = [State() for _ in range(buckets)]
        self.saved: list[list[State]] = [[State()] for _ in range(buckets)]
        self.ways: defaultdict[tuple[str, int], deque[bytes]] = defaultdict(deque)
        self.sent: defaultdict[str, int] = defaultdict(int)
        self.done = 0

    # --- what is put in

    def bucket(self, name: str) -> int:
        return bucket_of(name, self.buckets)

    def events(self, source: str, events: Sequence[Event], start: int) -> None:
        """A stretch of a source partition, cut by bucket as intake does."""
        drafts: dict[int, Draft] = {}
        for offset, event in enumerate(events, start):
            drafts.setdefault(self.bucket(event.profile), Draft()).add(event, offset)
        for bucket, draft in drafts.items():
            self.ways[source, bucket].append(inputs.encode(draft.batch(source, 0, 0, 0)))

    def tell(self, by: str, told: Iterable[Told]) -> None:
        for each in told:
            self.ways[by, self.bucket(each.to)].append(inputs.encode(Joining((each,))))

    def claim(self, source: str, a: str, b: str, *, explicit: bool = False) -> None:
        small, large = sorted((a, b), key=order_of)
        self.tell(source, [Link(small, large, 0, explicit)])

    def alias(self, source: str, earlier: str, name: str) -> None:
        """What intake makes of an alias: ``earlier`` is a user's or a visitor's id, as it was written."""
        self.claim(source, visitor_of(earlier), name, explicit=True)
        self.tell(source, [Link(earlier, visitor_of(earlier), 0, explicit=True, alias=True)])

    def split(self, name: str) -> bool:
        """Ask that an id leaves whom it retired into, as an operator does."""
        node = self.node(name)
        if node is None or not node.into:
            return False
        self.tell("operator", [Split(node.into, name, node.generation, 0)])
        return True

    # --- what happens

    def run(self, choose: random.Random | None = None, crashes: int = 0) -> None:
        """Until nothing is under way; ``choose`` says what comes next."""
        while True:
            ways = sorted(way for way, waiting in self.ways.items() if waiting)
            behind = [bucket for bucket in range(self.buckets) if self.states[bucket].next < len(self.logs[bucket])]
            if not ways and not behind:
                if not crashes:
                    return
                behind = list(range(self.buckets))
            if choose is None:
                for way in ways:
                    self.logs[way[1]] += self.ways[way]
                    self.ways[way].clear()
                for bucket in range(self.buckets):
                    self.work(bucket)
                continue
            if crashes and choose.random() < 0.1:
                crashes -= 1
                self.fall_back(choose.randrange(self.buckets), choose)
            elif ways and (not behind or choose.random() < 0.5):
                way = choose.choice(ways)
                self.logs[way[1]].append(self.ways[way].popleft())
            elif behind:
                self.work(choose.choice(behind), 1)

    def fall_back(self, bucket: int, choose: random.Random) -> None:
        """The store comes back older; what it said since is said again."""
        saved = self.saved[bucket]
        at = choose.randrange(len(saved))
        del saved[at + 1 :]
        self.states[bucket] = deepcopy(saved[at])

    def work(self, bucket: int, most: int | None = None) -> None:
        state, log = self.states[bucket], self.logs[bucket]
        end = len(log) if most is None else min(len(log), state.next + most)
        while state.next < end:
            record = inputs.decode(log[state.next])
            if isinstance(record, Batch):
                self._events(bucket, state, record)
            elif isinstance(record, Joining):
                self._joining(bucket, state, record)
            state.next += 1
            self.done += 1
            if most is not None:
                self.saved[bucket].append(deepcopy(state))

    def _events(self, bucket: int, state: State, batch: Batch) -> None:
        work = inputs.gather([batch], state.cursors, self.here)
        before, cursors = state.cursors, state.cursors | work.cursors
        owners = {owner_and_part(label)[0] for label in work.profiles}
        held = {name: self.held(state, name) for name in owners if name in state.nodes}
        came = spread(work, held)
        into = {label: (owner_and_part(label)[0], held[owner_and_part(label)[0]].node.into) for label in came.passing}
        for one in held.values():
            self._keep(state, one)
        for e, row in enumerate(came.live.events.row.tolist()):
            fold(state.rows.setdefault(came.live.profiles[row], np.zeros(TABLES.size, np.int64)), came.live.events, e)
        for e, patch in came.live.patches:
            name = came.live.profiles[came.live.events.row[e]]
            state.sides[name] = patched(state.sides.get(name), [(int(came.live.events.time[e]), patch)])
        for each in came.said:
            self._say(bucket, bucket, Joining((each,)))
        for to, piece in onwards([batch], before, cursors, into, bucket, self.bucket):
            self._say(bucket, to, piece)
        state.cursors = cursors

    def _joining(self, bucket: int, state: State, record: Joining) -> None:
        for told in record.told:
            held = self.held(state, told.to, None if (part := needs(told)) is None else {part})
            for each in receive(held, told, self.limits):
                self._say(bucket, self.bucket(each.to), Joining((each,)))
            if held.left:
                rest(held.row)
            if held.changed:
                self._keep(state, held)

    def held(self, state: State, name: str, parts: set[str] | None = None) -> Held:
        node = state.nodes.get(name) or Node(card=first_card(name, (), self.limits))
        row = state.rows.get(name, np.zeros(TABLES.size, np.int64)).copy()
        known = state.parts.get(name, {})
        wanted = known if parts is None else {part: known[part] for part in (*parts, name) if part in known}
        return Held(name, node, row, state.sides.get(name), dict(wanted))

    def _keep(self, state: State, held: Held) -> None:
        state.nodes[held.name], state.rows[held.name], state.sides[held.name] = held.node, held.row, held.side
        for name in held.new_parts:
            state.parts[held.name][name] = held.parts[name]

    def _say(self, by: int, to: int, record: Record) -> None:
        self.sent[type(record).__name__] += 1
        self.ways[f"bucket {by}", to].append(inputs.encode(record))

    # --- what came of it

    def node(self, name: str) -> Node | None:
        return self.states[self.bucket(name)].nodes.get(name)

    def root(self, name: str) -> str:
        while (node := self.node(name)) is not None and node.into:
            name = node.into
        return name

    def row(self, name: str) -> Int64s:
        row = self.states[self.bucket(name)].rows.get(name, np.zeros(TABLES.size, np.int64)).copy()
        row[TABLES.facts :] = 0
        return row

    def side(self, name: str) -> bytes:
        return self.states[self.bucket(name)].sides.get(name) or b""

    def groups(self, names: Iterable[str]) -> dict[str, set[str]]:
        out: dict[str, set[str]] = {}
        for name in names:
            out.setdefault(self.root(name), set()).add(name)
        return out


def of(name: str, event: Event) -> Event:
    """The same event, of that customer."""
    return replace(event, profile=name)

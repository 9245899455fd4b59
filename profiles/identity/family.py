"""A node at work: its row, its parts, and how the one follows from the others.

The law: the facts of a node are those of all its parts merged, and whatever is in its row came to it through one part.
So a part can be taken out again: what remains is merged anew, and is to the byte what never having met gives.
Knows: rows, sidecars, parts.  Must not know: messages, what is stored where.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import numpy as np
from msgspec.structs import replace

from profiles import sidecar
from profiles.clock import NEVER, Int64s
from profiles.codec import from_blobs, to_blobs
from profiles.identity.guards import Limits, first_card, joined_card
from profiles.identity.node import REFUSED_KEPT, Node, Part, Refusal
from profiles.kernels.merge import merge
from profiles.layout import TABLES, Layout

_NOBODY: Final = np.zeros(TABLES.size, np.int64)


@dataclass
class Held:
    """One node, loaded: changes are made here and stored later."""

    name: str
    node: Node
    row: Int64s  #: of all parts; its standing is nothing while it is retired
    side: bytes | None
    parts: dict[str, Part]  #: those that were asked for
    layouts: Mapping[int, Layout] = field(default_factory=dict)
    changed: bool = False  #: has to be stored
    decide: bool = False  #: its facts changed at once, so it has to be decided anew
    left: bool = False  #: it stood for a customer and does not any more
    new_side: bool = False
    refusals: int = 0  #: claims that were not believed just now
    new_parts: set[str] = field(default_factory=set)

    @property
    def retired(self) -> bool:
        return bool(self.node.into)

    @property
    def empty(self) -> bool:
        """Whether nothing was ever heard of it."""
        return not self.row[: TABLES.facts].any() and not self.side

    @property
    def heard(self) -> bool:
        """Whether anything was ever told of this very id; its own part must be loaded."""
        return bool(self.parts[self.name].facts) if self.node.apart else bool(self.row[: TABLES.facts].any())

    def note(self, **changes: object) -> None:
        """Change the head."""
        self.node = replace(self.node, **changes)
        self.changed = True

    def put(self, name: str, part: Part) -> None:
        """Change a part."""
        self.parts[name] = part
        self.new_parts.add(name)
        self.changed = True

    def has(self, name: str) -> bool:
        """Whether this id retired into it and is still there."""
        part = self.parts.get(name)
        return part is not None and not part.gone and name != self.name

    def refuse(self, other: str, reason: str, at: int) -> None:
        """Remember a claim that is not believed; the same one only once."""
        before = [each for each in self.node.refused if (each.other, each.reason) != (other, reason)]
        self.refusals += 1
        self.note(refused=(Refusal(other, reason, at), *before)[:REFUSED_KEPT])

    def facts(self) -> bytes:
        """What may be handed over: the row without its standing, empty if there is nothing."""
        return facts_of(self.row)

    def keep_apart(self) -> None:
        """From here on its own facts are a part: something else comes into the row."""
        if not self.node.apart:
            self.put(self.name, Part(facts=self.facts(), side=self.side))
            self.note(apart=True)

    def retire(self, into: str, at: int) -> None:
        """Stand for nobody from here on."""
        self.left = self.left or not self.retired
        self.decide = False
        self.note(into=into, generation=self.node.generation + 1, revision=0, since=at)

    def restore(self, at: int) -> None:
        """Stand for a customer again."""
        self.left, self.decide = False, True
        self.note(into="", since=at)

    def take(self, name: str, part: Part) -> None:
        """A new part."""
        if part.facts or part.side:
            self.keep_apart()
            self._add(part)
        self.put(name, part)
        self.note(card=joined_card([self.node.card, part.card]))

    def recount(self, limits: Limits) -> None:
        """Row, sidecar and card from all parts, which must be loaded."""
        others = [part for name, part in self.parts.items() if self.has(name)]
        card = joined_card([first_card(self.name, self.node.seals, limits), *(part.card for part in others)])
        if self.node.apart:
            own = self.parts[self.name]
            self.row[: TABLES.facts] = row_of(own, self.layouts)[: TABLES.facts]
            self.side, self.new_side = own.side or b"", True
            for part in others:
                self._add(part)
            if not any(part.facts or part.side for part in others):
                self.put(self.name, Part(gone=True))
                self.note(apart=False)
            self.decide = not self.retired
        self.note(card=card)

    def _add(self, part: Part) -> None:
        if part.facts:
            other = row_of(part, self.layouts)
            merge(self.row, other)
            self.row[TABLES.as_of] = max(self.row[TABLES.as_of], other[TABLES.as_of])
            self.decide = not self.retired
        if part.side:
            self.side, self.new_side = sidecar.merged(self.side, part.side), True
            self.decide = not self.retired

    def __iter__(self) -> Iterator[tuple[str, Part]]:
        """Those that retired into it and are still there."""
        return ((name, part) for name, part in self.parts.items() if self.has(name))


def row_of(part: Part, layouts: Mapping[int, Layout]) -> Int64s:
    """The facts of a part as a row."""
    row: Int64s = from_blobs([part.facts], layouts)[0] if part.facts else _NOBODY.copy()
    return row


def facts_of(row: Int64s) -> bytes:
    """A row as it is handed over or kept as a part: facts, and up to when it was looked at."""
    if not row[: TABLES.facts].any():
        return b""
    bare = row.copy()
    bare[TABLES.facts :] = 0
    bare[TABLES.as_of] = row[TABLES.as_of]
    return to_blobs(bare[None, :])[0]


def rest(row: Int64s) -> None:
    """Take the standing from a row: nobody stands there until it is decided again."""
    as_of, version = row[TABLES.as_of], row[TABLES.version]
    row[TABLES.facts :] = 0
    row[TABLES.as_of], row[TABLES.version], row[TABLES.due] = as_of, version, NEVER

"""How ids become one customer, and part again: what a node does when it is told something.

A claim goes to the root of the smaller id, which offers itself to the root of the larger one; that one retires into it
and hands over what it knows.  Pointers always lead from a larger name to a smaller one, so there are no circles however
late a message comes.  Only a root takes somebody in; who has retired meanwhile says where to go on.  Every node keeps what
came through it, also when it has retired, so that it can be given back without asking anybody.
Knows: messages and nodes.  Must not know: where nodes are, how messages travel.
Each answer follows from the node and the message alone, and a message that comes twice changes nothing the second time.
"""

from __future__ import annotations

from hashlib import blake2b

from msgspec.structs import replace

from profiles.identity.family import Held
from profiles.identity.guards import Limits, objection
from profiles.identity.messages import Absorb, Link, Moved, Restore, Split, Told
from profiles.identity.names import order_of
from profiles.identity.node import Part


def needs(told: Told) -> str | None:
    """Which part of the node has to be at hand: a name; empty for none; None for all of them."""
    if isinstance(told, Split) or (isinstance(told, Absorb) and told.revision):
        return None
    return told.part if isinstance(told, Absorb) else told.other if isinstance(told, Link) else ""


def receive(held: Held, told: Told, limits: Limits) -> list[Told]:
    """Change the node as it is told; returns what is to be told to others."""
    if isinstance(told, Link):
        return _link(held, told, limits)
    if isinstance(told, Absorb):
        return _absorb(held, told, limits)
    if isinstance(told, Restore):
        return _restore(held, told)
    return _moved(held, told) if isinstance(told, Moved) else _split(held, told, limits)


def _link(held: Held, told: Link, limits: Limits) -> list[Told]:
    if told.alias and not held.heard:
        held.note(alias=True)
        return []
    if held.retired:
        return [Link(held.node.into, told.other, told.at, told.explicit, told.offer)]
    if told.other == held.name or held.has(told.other):
        return []
    why = "" if told.offer is None else objection(held.node.card, told.offer, told.explicit, limits)
    if why:
        held.refuse(told.other, why, told.at)
        return []
    if order_of(held.name) < order_of(told.other):
        return [Link(told.other, held.name, told.at, told.explicit, held.node.card)]
    if told.offer is None:
        return [Link(told.other, held.name, told.at, told.explicit)]
    held.retire(told.other, told.at)
    return [_handed_over(held, told.at, explicit=told.explicit)]


def _handed_over(held: Held, at: int, *, explicit: bool) -> Absorb:
    node = held.node
    facts, side = held.facts(), held.side or None
    return Absorb(node.into, held.name, node.generation, node.revision, at, explicit, node.card, facts, side)


def _absorb(held: Held, told: Absorb, limits: Limits) -> list[Told]:
    known, at = held.parts.get(told.part), told.at
    if known is not None and told.generation <= known.generation:
        newer = told.generation == known.generation and told.revision > known.revision
        return [] if known.gone or not newer else _corrected(held, told, limits)
    if held.retired:
        held.put(told.part, Part(told.generation, gone=True))
        return [Moved(told.part, held.node.into, told.generation, at, told.explicit)]
    if why := objection(held.node.card, told.card, told.explicit, limits):
        held.refuse(told.part, why, at)
        held.put(told.part, Part(told.generation, gone=True))
        return [Restore(told.part, held.name, told.generation, at, why)]
    held.take(told.part, _as_part(told))
    return []


def _as_part(told: Absorb) -> Part:
    return Part(told.generation, told.revision, told.at, told.card, told.facts, told.side)


def _corrected(held: Held, told: Absorb, limits: Limits) -> list[Told]:
    held.put(told.part, _as_part(told))
    return _recounted(held, told.at, limits)


def _recounted(held: Held, at: int, limits: Limits) -> list[Told]:
    held.recount(limits)
    if not held.retired:
        return []
    held.note(revision=held.node.revision + 1)
    return [_handed_over(held, at, explicit=True)]


def _restore(held: Held, told: Restore) -> list[Told]:
    if not held.retired or told.generation != held.node.generation:
        return []
    held.restore(told.at)
    if told.reason:
        held.refuse(told.by, told.reason, told.at)
    if told.seal:
        node = held.node
        held.note(seals=(*node.seals, told.seal), card=replace(node.card, seals=(*node.card.seals, told.seal)))
    return []


def _moved(held: Held, told: Moved) -> list[Told]:
    if not held.retired or told.generation != held.node.generation:
        return []
    held.retire(told.into, told.at)
    return [_handed_over(held, told.at, explicit=told.explicit)]


def _split(held: Held, told: Split, limits: Limits) -> list[Told]:
    part = held.parts.get(told.part)
    if part is None or part.gone or part.generation != told.generation:
        return []
    seal = blake2b(f"{told.part}\0{held.name}\0{told.generation}".encode(), digest_size=6).hexdigest()
    held.put(told.part, Part(told.generation, gone=True))
    held.note(seals=(*held.node.seals, f"-{seal}"))
    return [
        Restore(told.part, held.name, told.generation, told.at, seal=f"+{seal}"),
        *_recounted(held, told.at, limits),
    ]
